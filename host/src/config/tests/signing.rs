//! `[public_key.NAME]`, `[key_group.NAME]`, and who trusts them.

use expect_test::expect;

use super::super::KeyKind;
use super::{check, good, with};

/// The keys, and a site that trusts `groups`.
fn trusting(groups: &str, lines: &str) -> String {
    with(lines).replace("origin = \"o\"\n", &format!("origin = \"o\"\ntrusted_key_groups = {groups}\n"))
}

const KEYS: &str = "[public_key.first]\nid = \"K1\"\nfile = \"rsa.pem\"\n[public_key.K2]\nfile = \"ecdsa.pem\"\n";

#[test]
fn a_behavior_trusts_the_keys_of_all_its_groups_once() {
    let groups = "[key_group.a]\nkeys = [\"first\"]\n[key_group.b]\nkeys = [\"first\", \"K2\"]\n";
    let config = good(&trusting("[\"a\", \"b\"]", &format!("{KEYS}{groups}")));
    let keys = &config.sites[0].behaviors[0].trusted_keys;
    let keys: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.kind, key.bytes.len())).collect();
    assert_eq!(keys, [("K1", KeyKind::Rsa, 270), ("K2", KeyKind::EcdsaP256, 65)]);
    assert!(good(&with("")).sites[0].behaviors[0].trusted_keys.is_empty());
}

#[test]
fn key_files_are_read_to_their_numbers() {
    let lines = "[public_key.a]\nfile = \"key.pem\"\n[public_key.b]\nfile = \"rsa-1024.pem\"\n[public_key.c]\nfile = \"ecdsa-p384.pem\"\n[public_key.d]\nfile = \"none.pem\"\n[public_key.e]\n";
    check(
        &with(lines),
        expect![[r#"
        error: `key.pem` has no PEM block `PUBLIC KEY`
          --> edge.toml:10:8
           |
        10 | file = "key.pem"
           |        ^^^^^^^^^ `openssl pkey -in private.pem -pubout -out key.pem` writes one; the private key stays with the signer

        error: `rsa-1024.pem` is an RSA key of 1024 bits
          --> edge.toml:12:8
           |
        12 | file = "rsa-1024.pem"
           |        ^^^^^^^^^^^^^^ 2048 to 8192 bits are allowed, and CloudFront takes 2048 only

        error: `ecdsa-p384.pem` is no key for signatures
          --> edge.toml:14:8
           |
        14 | file = "ecdsa-p384.pem"
           |        ^^^^^^^^^^^^^^^^ an RSA or an ECDSA P-256 key is expected

        error: cannot read `none.pem`: no such file or folder
          --> edge.toml:16:8
           |
        16 | file = "none.pem"
           |        ^^^^^^^^^^ looked for in FOLDER

        error: [public_key.e] has no `file`
          --> edge.toml:17:1
           |
        17 | [public_key.e]
           | ^^^^^^^^^^^^^^ add `file = "key.pem"`
    "#]],
    );
}

#[test]
fn references_between_keys_groups_and_behaviors_are_checked() {
    let groups = "[key_group.a]\nkeys = [\"frist\"]\n[key_group.b]\nkeys = []\n[key_group.c]\n";
    check(
        &trusting("[\"aa\"]", &format!("{KEYS}{groups}")),
        expect![[r#"
        error: unknown key group `aa`
         --> edge.toml:7:23
          |
        7 | trusted_key_groups = ["aa"]
          |                       ^^^^ declared under [key_group]: `a`, `b`, `c`

        error: unknown public key `frist`
          --> edge.toml:16:9
           |
        16 | keys = ["frist"]
           |         ^^^^^^^ did you mean `first`? declared under [public_key]: `K2`, `first`

        error: [key_group.b] has no key
          --> edge.toml:17:1
           |
        17 | [key_group.b]
           | ^^^^^^^^^^^^^ name a [public_key.NAME]

        error: [key_group.c] has no `keys`
          --> edge.toml:19:1
           |
        19 | [key_group.c]
           | ^^^^^^^^^^^^^ add `keys = ["NAME"]`
    "#]],
    );
    check(
        &trusting("[]", ""),
        expect![[r#"
        error: `trusted_key_groups` is empty
         --> edge.toml:3:1
          |
        3 | [[site]]
          | ^^^^^^^^ name a group, or remove the key: everybody has access then
    "#]],
    );
}

#[test]
fn a_signed_url_names_one_key() {
    check(
        &with("[public_key.K1]\nfile = \"rsa.pem\"\n[public_key.other]\nid = \"K1\"\nfile = \"ecdsa.pem\"\n"),
        expect![[r#"
        error: `K1` is also the id of [public_key.K1]
          --> edge.toml:12:6
           |
        12 | id = "K1"
           |      ^^^^ a signed URL names its key by the id: each key has one of its own
    "#]],
    );
}

#[test]
fn there_are_as_many_groups_and_keys_as_in_cloudfront() {
    let keys: String = (0..6).map(|n| format!("[public_key.k{n}]\nfile = \"rsa.pem\"\n")).collect();
    let group = |n: usize| (0..n).map(|n| format!("\"k{n}\"")).collect::<Vec<_>>().join(", ");
    let groups: String = (0..5).map(|n| format!("[key_group.g{n}]\nkeys = [{}]\n", group(n.max(1)))).collect();
    let full = format!("{keys}{groups}[key_group.full]\nkeys = [{}]\n", group(5));
    good(&trusting("[\"g0\", \"g1\", \"g2\", \"full\"]", &full));
    let over = format!("{keys}{groups}[key_group.full]\nkeys = [{}]\n", group(6));
    check(
        &trusting("[\"g0\", \"g1\", \"g2\", \"g3\", \"g4\"]", &over),
        expect![[r#"
        error: too many names in `trusted_key_groups`
         --> edge.toml:7:47
          |
        7 | trusted_key_groups = ["g0", "g1", "g2", "g3", "g4"]
          |                                               ^^^^ at most 4

        error: too many names in `keys`
          --> edge.toml:33:39
           |
        33 | keys = ["k0", "k1", "k2", "k3", "k4", "k5"]
           |                                       ^^^^ at most 5
    "#]],
    );
}
