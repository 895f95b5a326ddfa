//! The seeds of the fuzz targets, through the same doors.

use super::{TARGETS, run, seed, seeds};

#[test]
fn every_target_holds_on_its_seeds_and_on_parts_of_them() {
    for (target, _) in TARGETS {
        let seeds = seeds(target).unwrap();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for (name, bytes) in seeds {
            println!("{target}/{name}");
            run(target, &bytes);
            // Cut short anywhere, a message is what a fuzzer tries first.
            let step = bytes.len() / 64 + 1;
            (0..bytes.len()).step_by(step).for_each(|end| run(target, &bytes[..end]));
        }
    }
}

#[test]
fn every_target_has_its_binary() {
    let manifest = include_str!("../../../tests/fuzz/Cargo.toml");
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "tests/fuzz/Cargo.toml has no `{target}`");
    }
}

#[test]
fn seeds_say_their_bytes_in_readable_ways() {
    assert_eq!(seed("a.hex", b"01 s\"/x\" 0a0b \"z\" # a comment\n02").unwrap(), b"\x01\x02\0\0\0/x\x0a\x0bz\x02");
    assert_eq!(seed("a.http", b"GET\n\n").unwrap(), b"GET\r\n\r\n");
    assert_eq!(seed("a.wat", b"(component)").unwrap(), [0, b'a', b's', b'm', 13, 0, 1, 0]);
    assert!(seed("a.hex", b"0").is_err() && seed("a.hex", b"\"x").is_err());
}
