//! Text that is no configuration at all, or means harm.

use std::path::Path;

use expect_test::expect;
use proptest::prelude::*;

use super::{FULL, check, folder, parse, with};

#[test]
fn broken_toml_is_shown_in_its_place() {
    check(
        "[server]\nhttp = [\"127.0.0.1:8080\"\nworkers = = 2\n[server]\n",
        expect![[r#"
            error: not TOML: missing comma between array elements, expected `,`
             --> edge.toml:3:1
              |
            3 | workers = = 2
              | ^

            error: not TOML: missing comma between array elements, expected `,`
             --> edge.toml:4:1
              |
            4 | [server]
              | ^
        "#]],
    );
}

#[test]
fn messages_escape_control_characters_of_the_file() {
    let text =
        "[origin.\"\\u001b[31m\"]\n\"\\u0007x\" = 1\n[[site]]\nname = \"w\"\nhosts = [\"\\u001b*\"]\norigin = \"\\u001b\"\n";
    let shown = parse(text, Path::new("edge.toml")).unwrap_err().to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn a_terminal_gets_no_escape_sequence() {
    let folder = folder();
    let text = "[\"\u{9b}31m\"]\n\"\\u001b[0m\" = 1\n";
    let shown = parse(text, &folder.path().join("edge.toml")).unwrap_err().to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn a_thousand_errors_are_counted_and_a_hundred_shown() {
    let lines: String = (0..1000).map(|n| format!("k{n} = 1\n")).collect();
    let errors = parse(&(lines + &with("")), Path::new("edge.toml")).unwrap_err();
    assert_eq!(errors.errors.len(), 100);
    assert!(errors.omitted >= 900);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text, Path::new("edge.toml")).map_err(|errors| errors.to_string());
    }

    /// Parts of a real file, put together wrongly.
    #[test]
    fn no_mutation_panics(
        at in 0..FULL.len(),
        length in 0..200_usize,
        insert in prop_oneof![Just("= 1"), Just("[]"), Just("{}"), Just("\""), Just("é\t"), Just("\r\n"), Just("-99999999999999999999"), Just("*")],
    ) {
        let at = (0..=at).rev().find(|at| FULL.is_char_boundary(*at)).unwrap();
        let end = (at + length).min(FULL.len());
        let text = format!("{}{insert}{}", &FULL[..at], &FULL[end..]);
        let _ = parse(&text, Path::new("edge.toml")).map_err(|errors| errors.to_string());
    }
}
