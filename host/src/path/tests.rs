//! Every spelling of a path is read as one path, or is refused.

use proptest::prelude::*;

use super::*;

fn text(raw: &str) -> String {
    NormalPath::of(raw).text().to_owned()
}

fn others(raw: &str) -> Vec<String> {
    let path = NormalPath::of(raw);
    let mut others: Vec<_> = path.others().filter(|other| other != path.text()).collect();
    others.sort();
    others.dedup();
    others
}

#[test]
fn paths_are_compared_after_normalization() {
    for (raw, normal) in [
        ("/", "/"),
        ("", "/"),
        ("*", "/*"),
        ("a", "/a"),
        ("/a/b.txt", "/a/b.txt"),
        ("/a/", "/a/"),
        // Escapes of what says no more than itself.
        ("/%70rivate/%61", "/private/a"),
        ("/%7Euser/%2d%2E%5f", "/~user/-._"),
        ("/a%2Bb%21%40", "/a+b!@"),
        ("/caf%C3%A9", "/café"),
        ("/caf%c3%a9", "/café"),
        ("/café", "/café"),
        // Escapes that stay, in capitals.
        ("/a%2fb%5cc%3fd%23e%25f", "/a%2Fb%5Cc%3Fd%23e%25f"),
        ("/a%20b%0a%7f", "/a%20b%0A%7F"),
        ("/a\\b", "/a%5Cb"),
        ("/%e9%ff", "/%E9%FF"),
        ("/%c0%ae", "/%C0%AE"),
        // What is escaped twice is undone once.
        ("/%2570rivate", "/%2570rivate"),
        ("/%252e%252e/a", "/%252e%252e/a"),
        // What is no escape is a percent sign.
        ("/100%", "/100%25"),
        ("/%zz%4", "/%25zz%254"),
        // Dots and slashes.
        ("//private//a", "/private/a"),
        ("/./private/./a", "/private/a"),
        ("/x/../private/a", "/private/a"),
        ("/x/%2e%2E/private/a", "/private/a"),
        ("/%2e/private/.%2e/a", "/a"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("/a//../b", "/b"),
        ("//", "/"),
        ("/.a/..b/...", "/.a/..b/..."),
        ("/.well-known/acme", "/.well-known/acme"),
        // Parameters belong to their segment.
        ("/a;v=1/b", "/a;v=1/b"),
        ("/x/..;/private", "/x/..;/private"),
    ] {
        assert_eq!(text(raw), normal, "{raw}");
        assert_eq!(text(normal), normal, "the text of {raw} again");
    }
}

#[test]
fn what_servers_read_in_different_ways_is_told() {
    for (raw, read) in [
        ("/a/b", &[][..]),
        ("/%70/%2e%2e//b", &[]),
        ("/private%2fa", &["/private/a"]),
        ("/x/..%2Fprivate", &["/private"]),
        ("/x%2f..%2fprivate", &["/private"]),
        ("/private\\a", &["/private/a"]),
        ("/x/..%5cprivate", &["/private"]),
        ("/private;v=1/a;w", &["/private/a"]),
        ("/x/..;/private", &["/private"]),
        ("/x/%2e%2E;a=b/private", &["/private"]),
        // Also behind a server that decodes before one that cuts off parameters.
        ("/private%3bv", &["/private"]),
        ("/x/..%3B/private", &["/private"]),
        ("/x/..%253B/private", &["/private"]),
        ("/%3B/private", &["/private"]),
        ("/x/%c0%ae%c0%ae/private", &["/private"]),
        ("/x/%e0%80%ae%f0%80%80%ae/private", &["/private"]),
        ("/x%c0%afprivate", &["/x/private"]),
        ("/%c1%b0rivate", &["/private"]),
        ("/%F8%80%80%81%B0rivate", &["/private"]),
        ("/%FC%80%80%80%81%B0rivate", &["/private"]),
        ("/caf%e0%83%a9", &["/café"]),
        ("/x%c1%1cprivate", &["/x/private"]),
        ("/x/%c0.%c0.%c0/private", &["/private"]),
        ("/%c3%a9%e2%82%ac", &[]),
        ("/%u0070rivate", &["/private"]),
        ("/private%u002fa", &["/private/a"]),
        ("/private%U005Ca", &["/private/a"]),
        ("/x/%u002e%u002E/private", &["/private"]),
        ("/x%ud83d%ude00", &["/x😀"]),
        ("/x%25u0070", &["/xp"]),
        ("/x%ud83d", &["/xud83d"]),
        ("/pri%vate", &["/private"]),
        ("/x/.%./private", &["/private"]),
        ("/%%70rivate%", &["/private"]),
        ("/100%", &["/100"]),
        ("/%2570rivate", &["/private"]),
        ("/x/%252e%252e/private", &["/private"]),
        ("/x%252fprivate", &["/x/private"]),
        ("/%25%37%30rivate", &["/private"]),
        ("/%257%30rivate", &["/private"]),
        ("/x/%25%32%65%25%32%65/private", &["/private"]),
        ("/private%25%32%46a", &["/private/a"]),
        ("/private%5%43a", &["/private/a"]),
        ("/x/%2%65%2%65/private", &["/private"]),
        ("/100%25", &[]),
        ("/account%3fx.css", &["/account"]),
        ("/account%23x.css", &["/account"]),
        ("/account%0Ax.css", &["/account"]),
        ("/account%253fx.css", &["/account"]),
        ("/account%25%33%66x.css", &["/account"]),
        ("/account%0dx.css", &["/account"]),
        ("/account%20x.css", &[]),
        ("/private%3Fx//../../a", &["/private", "/a"]),
        ("/private//../a", &["/private/a"]),
        ("/a//b/../..", &["/a/"]),
        ("/x;/..%2fprivate", &["/private", "/x/..%2Fprivate", "/x;/..%2Fprivate"]),
    ] {
        let all = others(raw);
        for one in read {
            assert!(all.iter().any(|other| other == one) || text(raw) == *one, "{raw}: {one} is not in {all:?}");
        }
        assert_eq!(all.is_empty(), read.is_empty(), "{raw}: {all:?}");
    }
}

#[test]
fn suspicious_settings_are_warned_about() {
    for (raw, nul, too_doubtful) in [
        ("/a", false, false),
        ("/a%00", true, false),
        ("/%00/../a", true, false),
        ("/a%2500", true, false),
        ("/a%25%30%30", true, false),
        ("/a%c0%80", true, false),
        ("/a%u0000", true, false),
        ("/a%0%0", false, false),
        // What is decoded as often as servers do has more to decode.
        ("/%252570", false, true),
        ("/%25%2537%2530", false, true),
        ("/%25c0%25ae", false, true),
        ("/%c0%a52e", false, true),
        ("/%u00252e", false, true),
        ("/100%2525", false, false),
        ("/a%01", false, false),
        ("/a;b%2Fc\\d%2561", false, false),
        ("/a;b%2Fc\\d%2561%3f", false, true),
    ] {
        let path = NormalPath::of(raw);
        assert_eq!((path.has_nul(), path.is_too_doubtful()), (nul, too_doubtful), "{raw}");
    }
}

#[test]
fn what_leaves_a_prefix_is_told_for_every_reader() {
    for (raw, climbs) in [
        ("/a/../b", false),
        ("/a/..", false),
        ("/..", true),
        ("/a/../../b", true),
        ("/%2e%2e/b", true),
        ("/..%2fb", true),
        ("/a%2f../b", false),
        ("/..\\b", true),
        ("/..;/b", true),
        ("/%252e%252e/b", true),
        ("/a//../../b", true),
        ("/%25%32%65%25%32%65/b", true),
        ("/..%3B/b", true),
        ("/%u002e%u002e/b", true),
        ("/%252570/b", true),
        ("/..b", false),
    ] {
        assert_eq!(NormalPath::of(raw).may_climb(), climbs, "{raw}");
    }
}

#[test]
fn a_text_in_a_url_is_the_same_path_and_names_no_host() {
    for (raw, url) in
        [("/a b", "/a%20b"), ("//evil.example", "/evil.example"), ("/\\evil", "/%5Cevil"), ("/é\"<", "/%C3%A9%22%3C")]
    {
        assert_eq!(NormalPath::of(raw).to_url(), url);
        assert_eq!(text(url), text(raw));
    }
}

/// Segments of all kinds, as they may come from a client.
fn raw_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-c]{1,2}",
        2 => prop::sample::select(vec!["/", "//", "/./", "/../", "/.", "/.."]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["%2e", "%2E%2e", "%2f", "%5C", "\\", ";", ";x=1", "%25", "%252e", "%", "%zz", "%3b", "%2", "65", "%u", "002e", "%32", "%00", "%20", "%41"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["%c0%ae", "%C3%A9", "é", "%ff", "%c3", "*", "%2a", "+", "%2B"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// The same path, written otherwise, as `choices` say.
fn respelled(raw: &str, choices: &[u8]) -> String {
    let bytes = raw.as_bytes();
    let mut choices = choices.iter().copied().cycle();
    let mut spelling = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let choice = choices.next().unwrap_or(0);
        match (bytes[at], escaped(bytes, at)) {
            (b'/', _) => spelling.extend_from_slice([&b"/"[..], b"//", b"/./", b"/%2e/"][usize::from(choice % 4)]),
            (_, Some(_)) => {
                let escape = &raw[at..at + 3];
                let escape = if choice % 2 == 0 { escape.to_ascii_uppercase() } else { escape.to_ascii_lowercase() };
                spelling.extend_from_slice(escape.as_bytes());
                at += 2;
            }
            // A percent sign that begins no escape would begin one if a digit behind it were escaped.
            (byte, _) if choice % 3 == 0 && byte != b'%' && byte != b'\\' && byte != b';' && before_is_no_percent(bytes, at) => {
                spelling.extend(escape_of(byte));
            }
            (byte, _) => spelling.push(byte),
        }
        at += 1;
    }
    String::from_utf8(spelling).unwrap_or_else(|_| raw.to_owned())
}

fn before_is_no_percent(bytes: &[u8], at: usize) -> bool {
    !bytes[at.saturating_sub(2)..at].contains(&b'%')
}

proptest! {
    #[test]
    fn a_text_is_an_absolute_path_without_dots_and_double_slashes(raw in raw_path()) {
        let path = NormalPath::of(&raw);
        for text in path.others().take(31).chain([path.text().to_owned()]) {
            prop_assert!(text.starts_with('/') && !text.contains("//"), "{}", text);
            prop_assert!(!text.split('/').any(|segment| segment == "." || segment == ".."), "{}", text);
            prop_assert!(!text.contains(|c: char| c.is_ascii_control() || "\\?# ".contains(c)), "{}", text);
        }
        prop_assert_eq!(&text(path.text()), path.text());
    }

    #[test]
    fn doubts_are_of_the_path_and_not_of_its_spelling(raw in raw_path()) {
        fuzz::check_doubts(&raw);
    }

    #[test]
    fn another_spelling_of_a_path_reaches_the_same_behavior(raw in raw_path(), choices in prop::collection::vec(any::<u8>(), 1..20)) {
        let other = respelled(&raw, &choices);
        prop_assert_eq!(text(&other), text(&raw), "{}", other);
    }

    /// Without repeated slashes and escapes.
    #[test]
    fn dots_are_resolved_as_the_rfc_says(raw in "(/(a|b|\\.|\\.\\.|\\.a)){1,8}/?") {
        prop_assert_eq!(text(&raw), by_the_rfc(&raw));
    }
}

/// RFC 3986 section 5.2.4, word for word.
fn by_the_rfc(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if input.starts_with("/./") || input == "/." {
            input = format!("/{}", input.get(3..).unwrap_or_default());
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or_default());
            output.truncate(output.rfind('/').unwrap_or(0));
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.push_str(&input[..end]);
            input.drain(..end);
        }
    }
    output
}
