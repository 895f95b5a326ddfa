//! For fuzz targets: a path, and a pattern in a second line. I check what everybody relies on who decides by a path.

use super::pattern::{Pattern, target_text};
use super::{DOTS_FIRST, Doubts, LONE, NormalPath, Stars, escape, spelled, without_lone};

pub(crate) fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (raw, pattern) = text.split_once('\n').unwrap_or((text, ""));
    let path = NormalPath::of(raw);
    check(path.text());
    assert_eq!(NormalPath::of(path.text()).text(), path.text(), "{raw:?}");
    let url = path.to_url();
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.starts_with("//"), "{url}");
    assert_eq!(NormalPath::of(&url).text(), path.text(), "{url}");
    assert_eq!(NormalPath::of(&respelled(path.text())).text(), path.text(), "{raw:?}");
    check_doubts(raw);
    if !path.is_too_doubtful() {
        path.others().for_each(|text| check(&text));
        path.may_climb();
    }
    // A pattern matches by what a path names; that of the path itself matches it.
    for pattern in [Pattern::path(pattern), Pattern::url(pattern), Pattern::target(pattern)] {
        assert_eq!(pattern.matches_path(&path), pattern.matches_path(&NormalPath::of(&url)), "{pattern:?} on {raw:?}");
    }
    assert!(Pattern::target(&url.replace('*', "%2A")).matches(&target_text(&url)), "{url}");
}

/// No spelling of a path hides a doubt that another has. Only what a text does not show any more is the raw path's alone.
pub(crate) fn check_doubts(raw: &str) {
    let doubts = |raw: &str| {
        let doubts = NormalPath::of(raw).doubts;
        Doubts { habits: doubts.habits & !(DOTS_FIRST | LONE), ..doubts }
    };
    let (own, path) = (doubts(raw), NormalPath::of(raw));
    let once = spelled(raw, Stars::Plain);
    let (again, of_text) = (doubts(&once), doubts(path.text()));
    // What a lone `%` kept apart is of the raw path, too.
    if without_lone(raw.as_bytes()).len() == raw.len() {
        assert_eq!(again, own, "{raw:?} and {once:?}");
    }
    for less in [again, of_text] {
        let is_within = less.habits & !own.habits == 0 && (own.deep || !less.deep) && (own.has_nul || !less.has_nul);
        assert!(is_within, "{less:?} within {own:?} of {raw:?}");
    }
    assert_eq!(doubts(&respelled(path.text())), of_text, "{raw:?}");
}

fn check(text: &str) {
    assert!(text.starts_with('/') && !text.contains("//"), "{text}");
    assert!(!text.split('/').any(|segment| matches!(segment, "." | "..")), "{text}");
    assert!(!text.contains(|c: char| c.is_ascii_control() || " \\?#".contains(c)), "{text}");
}

/// The same path with everything escaped that may be, and more slashes and dots.
fn respelled(text: &str) -> String {
    let mut spelling = String::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'/' => spelling.push_str("//%2e/"),
            // An escape of the text means something by being one.
            b'%' => {
                spelling.push('%');
                spelling.extend(rest.by_ref().take(2).map(|digit| char::from(digit).to_ascii_lowercase()));
            }
            _ => escape(byte, &mut spelling),
        }
    }
    spelling
}
