//! Fenced blocks of a Markdown text, and the commands in them.

/// What stands between two fences.
pub struct Block {
    /// Of the opening fence, from 1.
    pub line: usize,
    pub language: String,
    pub text: String,
}

pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { line: index + 1, language: language.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The commands of an `sh` block; `\` at a line's end goes on in the next.
pub fn commands(text: &str) -> Vec<(String, Option<String>)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(without_comment).filter(|line| !line.is_empty());
    lines.map(|line| (line.to_owned(), None)).collect()
}

/// The commands of a `console` block, each with the output that is shown.
pub fn session(text: &str) -> Vec<(String, Option<String>)> {
    let mut commands: Vec<(String, Option<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((without_comment(command).to_owned(), None)),
            (None, Some((_, shown))) => {
                let shown = shown.get_or_insert_default();
                shown.push_str(line);
                shown.push('\n');
            }
            (None, None) => panic!("a console block begins with `$ `, not with {line:?}"),
        }
    }
    commands
}

fn without_comment(line: &str) -> &str {
    let line = if line.starts_with('#') { "" } else { line };
    line.split_once("  #").map_or(line, |(command, _)| command).trim()
}

/// Whether an output is what is shown, where `…` stands for anything in a line.
pub fn matches(shown: &str, output: &str) -> bool {
    let (mut shown, mut output) = (shown.trim_end().lines(), output.trim_end().lines());
    loop {
        match (shown.next(), output.next()) {
            (None, None) => return true,
            (Some(shown), Some(output)) if line_matches(shown.trim(), output.trim()) => {}
            _ => return false,
        }
    }
}

fn line_matches(shown: &str, output: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else { return shown == output };
    output
        .strip_prefix(before)
        .is_some_and(|rest| (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| line_matches(after, rest))))
}

#[test]
fn what_is_shown_is_compared_line_by_line() {
    assert!(matches("a\nb … d\n", "a\nb c d"));
    assert!(!matches("a\n", "a\nb"));
    assert!(!matches("a …", "b c"));
}
