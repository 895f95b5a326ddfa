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
fn key_files_are_parsed_to_modulus_and_exponent() {
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

/// A SubjectPublicKeyInfo of these numbers, as PEM.
fn rsa(modulus: &[u8], exponent: &[u8]) -> String {
    use base64::Engine as _;
    let element = |tag: u8, inside: &[u8]| {
        let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], inside].concat()
    };
    let numbers = element(0x30, &[element(2, modulus), element(2, exponent)].concat());
    let algorithm = hex::decode("300d06092a864886f70d0101010500").unwrap();
    let info = element(0x30, &[algorithm, element(3, &[&[0], &numbers[..]].concat())].concat());
    let text = base64::engine::general_purpose::STANDARD.encode(info);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn an_rsa_key_with_an_insecure_exponent_is_refused() {
    let modulus = |bytes: usize, last: u8| [&[0, 0xc5][..], &vec![0x5a; bytes - 2], &[last]].concat();
    let good_one = modulus(256, 1);
    for (modulus, exponent, error) in [
        (good_one.clone(), &[1, 0, 1][..], None),
        (good_one.clone(), &[3], None),
        (good_one.clone(), &[1, 0xff, 0xff, 0xff, 0xff], None),
        (good_one.clone(), &[1], Some("exponent")),
        (good_one.clone(), &[2], Some("exponent")),
        (good_one.clone(), &[4], Some("exponent")),
        (good_one.clone(), &[1, 0, 0], Some("exponent")),
        (good_one.clone(), &[2, 0, 0, 0, 1], Some("exponent")),
        (good_one.clone(), &[1, 0, 0, 0, 0, 0, 0, 0, 1], Some("exponent")),
        (good_one.clone(), &[], Some("of unknown size")),
        (good_one.clone(), &[0], Some("of unknown size")),
        (good_one.clone(), &[0x83], Some("of unknown size")),
        (good_one[1..].to_vec(), &[3], Some("of unknown size")),
        (modulus(256, 2), &[3], Some("even modulus")),
        (modulus(255, 1), &[3], Some("of 2040 bits")),
        (modulus(1024, 1), &[3], None),
        (modulus(1025, 1), &[3], Some("of 8200 bits")),
        (vec![3], &[3], Some("of 2 bits")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("made.pem"), rsa(&modulus, exponent)).unwrap();
        let path = folder.path().join("edge.toml");
        let text = "[server]\nhttp = [\"127.0.0.1:0\"]\n[origin.o]\nfixed = { status = 200 }\n[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"o\"\n\
                    [public_key.a]\nfile = \"made.pem\"\n";
        let errors = crate::config::parse(text, &path).err().map(|errors| errors.to_string()).unwrap_or_default();
        match error {
            None => assert_eq!(errors, "", "{exponent:?}"),
            Some(error) => assert!(errors.contains(error), "{exponent:?}: {errors}"),
        }
    }
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
