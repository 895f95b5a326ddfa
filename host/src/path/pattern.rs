//! Patterns with wildcards: `*` matches any run of characters and, where it is a wildcard, `?` exactly one.
//!
//! A pattern for a path is normalised as paths are, so that it may be written with or without escapes. `%2A` and `%3F` are
//! the literal characters.
//!
//! Literal runs are found leftmost, in order; each byte of the text is compared by one run, so that there is no
//! backtracking to provoke. Only a run with `?` in it may compare a byte several times, at most as often as it has `?`s,
//! and by whole pieces.

use std::borrow::Cow;

use super::{NO_WILDCARD, NormalPath, Stars, read, spelled};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The runs between the `*`s.
    runs: Vec<Run>,
    /// The pattern is a lone `*`, as for every default behavior.
    matches_all: bool,
}

/// A run, as the pieces between its `?`s.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    pieces: Vec<String>,
}

impl Pattern {
    /// Of a path, with both wildcards; its leading `/` may be left out.
    pub fn path(pattern: &str) -> Pattern {
        Pattern::new(pattern.strip_prefix('/').unwrap_or(pattern), |run| Run::new(run, |piece| spelled(piece, Stars::Plain)))
    }

    /// If the pattern has dot segments or repeated slashes, however they are spelled, it can match no path's text: then
    /// returns how it would have to be written.
    pub fn path_in_normal_form(pattern: &str) -> Option<String> {
        let written = spelled(pattern, Stars::Marked);
        let segments: Vec<&str> = written.split('/').collect();
        let first = usize::from(segments[0].is_empty());
        let is_odd = |(at, segment): (usize, &&str)| {
            matches!(*segment, "." | "..") || (segment.is_empty() && at >= first && at + 1 < segments.len())
        };
        let odd = segments.iter().enumerate().any(is_odd) || written.starts_with("//");
        odd.then(|| {
            // Wildcards are told from literal characters before either is normalised.
            let normal = read(&pattern.replace('?', "\u{2}"), 0, Stars::Marked);
            normal.replace(char::from(NO_WILDCARD), "%2A").replace("%02", "?")
        })
    }

    /// Whether every path that the pattern could match is refused earlier: it has a NUL, or is too doubtful.
    pub fn path_is_refused(pattern: &str) -> bool {
        let plain = pattern.replace(['?', '*'], "x");
        let path = NormalPath::of(&plain);
        path.has_nul() || path.is_too_doubtful()
    }

    /// Of a URL, with both wildcards. The part before the first `?` is normalised as a path; the rest is compared as it is.
    pub fn url(pattern: &str) -> Pattern {
        let path = pattern.len() - pattern.split_once('?').map_or(0, |(_, rest)| rest.len() + 1);
        let (path, rest) = pattern.split_at(path);
        let spelled = spelled(path, Stars::Marked);
        Pattern::new(&(spelled + rest), |run| Run::new(run, with_stars))
    }

    /// Of a path and query, with `*` only; the path is normalised (`NormalPath`).
    pub fn target(pattern: &str) -> Pattern {
        let (path, query) = pattern.split_once('?').map_or((pattern, None), |(path, query)| (path, Some(query)));
        let path = read(path, 0, Stars::Marked);
        let whole = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        Pattern::new(&whole, |run| Run { pieces: vec![with_stars(run)] })
    }

    /// Splits a pattern at its stars; neighbouring stars count as one.
    fn new(pattern: &str, run: impl Fn(&str) -> Run) -> Pattern {
        let parts: Vec<&str> = pattern.split('*').collect();
        let last = parts.len() - 1;
        let kept = parts.iter().enumerate().filter(|(at, part)| *at == 0 || *at == last || !part.is_empty());
        Pattern {
            runs: kept.map(|(_, part)| run(part)).collect(),
            matches_all: last > 0 && parts.iter().all(|part| part.is_empty()),
        }
    }

    pub fn matches_path(&self, path: &NormalPath<'_>) -> bool {
        self.matches_path_text(path.text())
    }

    /// As `matches_path`, of the text of one.
    pub fn matches_path_text(&self, text: &str) -> bool {
        self.matches(text.strip_prefix('/').unwrap_or(text))
    }

    pub fn matches(&self, text: &str) -> bool {
        if self.matches_all {
            return true;
        }
        let mut rest = text;
        let [first, middle @ .., last] = self.runs.as_slice() else {
            // Without a star the pattern is the whole text.
            return self.runs.first().is_none_or(|only| only.consume(rest).is_some_and(str::is_empty));
        };
        let Some(after) = first.consume(rest) else { return false };
        rest = after;
        for run in middle {
            let Some(after) = run.find(rest) else { return false };
            rest = after;
        }
        // The last run is at the end, after everything that the others took.
        last.start_at_end(rest).is_some_and(|from| last.consume(&rest[from..]).is_some_and(str::is_empty))
    }
}

/// Restores escaped stars, now that the wildcards have been found.
fn with_stars(text: &str) -> String {
    text.replace(char::from(NO_WILDCARD), "*")
}

impl Run {
    fn new(run: &str, spell: impl Fn(&str) -> String) -> Run {
        Run { pieces: run.split('?').map(spell).collect() }
    }

    /// What follows the run if `text` begins with it.
    fn consume<'t>(&self, text: &'t str) -> Option<&'t str> {
        let [first, others @ ..] = self.pieces.as_slice() else { return Some(text) };
        let mut rest = text.strip_prefix(first.as_str())?;
        for piece in others {
            let mut characters = rest.chars();
            characters.next()?;
            rest = characters.as_str().strip_prefix(piece.as_str())?;
        }
        Some(rest)
    }

    /// What follows the first place where the run occurs.
    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let [only] = self.pieces.as_slice() {
            // The standard library's two-way search: linear.
            return text.find(only.as_str()).map(|at| &text[at + only.len()..]);
        }
        text.char_indices().find_map(|(at, _)| self.consume(&text[at..]))
    }

    /// Where the run would begin at the end of `text`.
    fn start_at_end(&self, text: &str) -> Option<usize> {
        if let [only] = self.pieces.as_slice() {
            return text.ends_with(only.as_str()).then(|| text.len() - only.len());
        }
        let characters: usize = self.pieces.iter().map(|piece| piece.chars().count()).sum::<usize>() + self.pieces.len() - 1;
        match characters {
            0 => Some(text.len()),
            n => text.char_indices().nth_back(n - 1).map(|(at, _)| at),
        }
    }
}

/// The text of a path and query, as `Pattern::target` compares it.
pub fn target_text(target: &str) -> Cow<'_, str> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    match (NormalPath::of(path).text, query) {
        (Cow::Borrowed(_), _) => Cow::Borrowed(target),
        (Cow::Owned(path), None) => Cow::Owned(path),
        (Cow::Owned(path), Some(query)) => Cow::Owned(format!("{path}?{query}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle(pattern: &[char], path: &[char]) -> bool {
        match pattern {
            [] => path.is_empty(),
            ['*', rest @ ..] => (0..=path.len()).any(|n| oracle(rest, &path[n..])),
            ['?', rest @ ..] => !path.is_empty() && oracle(rest, &path[1..]),
            [c, rest @ ..] => path.first() == Some(c) && oracle(rest, &path[1..]),
        }
    }

    #[test]
    fn patterns_match_as_cloudfront_says() {
        for (pattern, path, matches) in [
            ("*", "/", true),
            ("*.jpg", "/images/a/b.jpg", true),
            ("*.jpg", "/images/a.JPG", false),
            ("/images/*", "/images/", true),
            ("images/*", "/images/x", true),
            ("/images/*", "/images", false),
            ("/a??.html", "/abc.html", true),
            ("/a??.html", "/ab.html", false),
            ("/*/x/*", "/a/b/x/c", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("**a**", "/bab", true),
            ("/a*a", "/a", false),
            ("?", "/é", true),
            ("?", "/%C3%a9", true),
            ("/%c3%A9*", "/éa", true),
            ("/a%2A", "/a*", true),
            ("/a%2a", "/ab", false),
            ("/a%3F", "/ab", false),
            ("/a%3f", "/a%3F", true),
            ("/%7euser/*", "/~user/x", true),
        ] {
            assert_eq!(Pattern::path(pattern).matches_path(&NormalPath::of(path)), matches, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_star_of_a_target_stands_for_any_run_and_a_question_mark_for_itself() {
        for (pattern, target, covered) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a*", "/a", true),
            ("/a*", "/ab/c?d=e", true),
            ("/*.css", "/x/y.css", true),
            ("/*.css", "/x/y.css?v", false),
            ("/a?b", "/a?b", true),
            ("/a?b", "/axb", false),
            ("/a?*", "/a", false),
            ("/*a*b*", "/xaxxbx", true),
            ("/*a*b*", "/xbxxax", false),
            ("*", "/", true),
            ("/A", "/a", false),
            ("/a", "//x/../%61", true),
            ("/x//../%61", "/a", true),
            ("/a%2A", "/a*", true),
            ("/a%2A", "/ab", false),
            ("/a?%2A=%61", "/a?%2A=%61", true),
            ("/a?%61", "/a?a", false),
        ] {
            assert_eq!(Pattern::target(pattern).matches(&target_text(target)), covered, "{pattern} on {target}");
        }
    }

    #[test]
    fn matching_takes_linear_time() {
        let text = format!("/{}", "a".repeat(8_000));
        let path = NormalPath::of(&text);
        assert!(Pattern::path(&"*a".repeat(100)).matches_path(&path));
        assert!(!Pattern::path(&format!("{}*b", "*a".repeat(100))).matches_path(&path));
        // Where each byte is tried once for each letter, these are 40,000,000,000 steps.
        let long = Pattern::target(&format!("/*{}b*", "a".repeat(4_000)));
        assert!((0..1_000).all(|_| !long.matches(&text)));
    }

    #[test]
    fn a_pattern_that_can_match_no_path_is_reported() {
        for (pattern, normal) in [
            ("/a/*", None),
            ("a/*", None),
            ("*.png", None),
            ("/a/", None),
            ("/", None),
            ("/.a/..b", None),
            ("//a/*", Some("/a/*")),
            ("/a//b?", Some("/a/b?")),
            ("/a/./b*", Some("/a/b*")),
            ("/a/../b", Some("/b")),
            ("/a/..", Some("/")),
            ("/x/%2e%2E/b", Some("/b")),
            ("/x/.%2e/b?", Some("/b?")),
            ("/%2e/a%2a*%3f", Some("/a%2A*%3F")),
            ("/x%2F%2e%2e/b", None),
        ] {
            assert_eq!(Pattern::path_in_normal_form(pattern).as_deref(), normal, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_matches_only_refused_paths_is_reported() {
        for (pattern, refused) in [
            ("/a?*", false),
            ("/a%00b", true),
            ("/a%2500b*", true),
            ("/a%3F;b\\c%2Fd", false),
            ("/a%3F;b\\c%2Fd%2561", true),
            ("/%252561", true),
        ] {
            assert_eq!(Pattern::path_is_refused(pattern), refused, "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_matcher_agrees_with_the_definition(pattern in "[ab*?]{0,9}", path in "[abc]{0,9}") {
            let wanted = oracle(&pattern.chars().collect::<Vec<_>>(), &path.chars().collect::<Vec<_>>());
            let text = format!("/{path}");
            proptest::prop_assert_eq!(Pattern::path(&pattern).matches_path(&NormalPath::of(&text)), wanted);
        }
    }
}
