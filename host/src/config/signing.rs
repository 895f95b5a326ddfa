//! `[public_key.NAME]` and `[key_group.NAME]`: the signers whose signatures give access to private content.
//!
//! I parse key files completely, so that a wrong key is a configuration error instead of a site that nobody can
//! access.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

use super::files::Files;
use super::reader::{self, Declared, TableReader, Text};
use super::{KeyKind, PublicKey};
use crate::limits::config::{KEY_GROUPS_PER_BEHAVIOR, KEYS_PER_GROUP, PUBLIC_KEY_FILE_BYTES};

/// CloudFront uses 2048. Larger keys cost more to verify, and a second key serves as well.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The keys and groups that behaviors can trust.
pub(super) struct KeyGroups<'a> {
    declared: &'a Declared<'a>,
    groups: BTreeMap<String, Vec<Arc<PublicKey>>>,
}

impl<'a> KeyGroups<'a> {
    pub(super) fn read(
        root: &mut TableReader<'_>,
        files: &mut Files<'_>,
        keys: &Declared<'_>,
        groups: &'a Declared<'a>,
    ) -> KeyGroups<'a> {
        let keys = KeyRing { declared: keys, keys: public_keys(root, files) };
        let groups_read =
            root.named("key_group").into_iter().map(|(name, table)| ((*name.get_ref()).to_owned(), keys.group(table)));
        KeyGroups { declared: groups, groups: groups_read.collect() }
    }

    /// The keys of all groups that a behavior trusts; empty if it requires no signature.
    pub(super) fn trusted(&self, table: &mut TableReader<'_>) -> Vec<Arc<PublicKey>> {
        let Some(names) = table.texts("trusted_key_groups") else { return Vec::new() };
        if names.is_empty() {
            // Ambiguous: it could mean "nobody" or "everybody".
            let remedy = "name a group, or remove the key: everybody has access then";
            table.report.error(table.span(), "`trusted_key_groups` is empty", remedy);
        }
        at_most(table, &names, "trusted_key_groups", KEY_GROUPS_PER_BEHAVIOR);
        let mut trusted: Vec<Arc<PublicKey>> = Vec::new();
        for name in names.iter().filter_map(|name| self.declared.resolve(table.report, name)) {
            for key in self.groups.get(&name).into_iter().flatten() {
                if !trusted.iter().any(|other| other.id == key.id) {
                    trusted.push(key.clone());
                }
            }
        }
        trusted
    }
}

struct KeyRing<'a> {
    declared: &'a Declared<'a>,
    keys: BTreeMap<String, Arc<PublicKey>>,
}

impl KeyRing<'_> {
    fn group(&self, mut table: TableReader<'_>) -> Vec<Arc<PublicKey>> {
        let names = table.texts("keys").unwrap_or_default();
        if !table.has("keys") {
            table.missing("keys", "[\"NAME\"]");
        } else if names.is_empty() {
            table.report.error(table.span(), format!("{} has no key", table.place()), "name a [public_key.NAME]");
        }
        at_most(&table, &names, "keys", KEYS_PER_GROUP);
        let resolved = names.iter().filter_map(|name| self.declared.resolve(table.report, name));
        // A declared key that is missing here was invalid and has been reported.
        let keys = resolved.filter_map(|name| self.keys.get(&name).cloned()).collect();
        table.finish();
        keys
    }
}

fn at_most(table: &TableReader<'_>, names: &[Text<'_>], key: &str, most: usize) {
    if let Some(beyond) = names.get(most) {
        table.report.error(beyond.span(), format!("too many names in `{key}`"), format!("at most {most}"));
    }
}

fn public_keys(root: &mut TableReader<'_>, files: &mut Files<'_>) -> BTreeMap<String, Arc<PublicKey>> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for (name, mut table) in root.named("public_key") {
        let id = table.text("id").unwrap_or_else(|| name.clone());
        let sound = reader::name_is_sound(table.report, &id);
        let holder = ids.insert((*id.get_ref()).to_owned(), (*name.get_ref()).to_owned());
        if let (true, Some(holder)) = (sound, holder) {
            let message = format!("`{}` is also the id of [public_key.{holder}]", id.get_ref().escape_debug());
            table.report.error(id.span(), message, "a signed URL names its key by the id: each key has one of its own");
        }
        let file = table.required_text("file", "\"key.pem\"");
        let key = file.and_then(|file| public_key(&table, &id, &file, files));
        table.finish();
        if let Some(key) = key {
            keys.insert((*name.get_ref()).to_owned(), Arc::new(key));
        }
    }
    keys
}

fn public_key(table: &TableReader<'_>, id: &Text<'_>, file: &Text<'_>, files: &mut Files<'_>) -> Option<PublicKey> {
    let pem = files.contents(table, file, PUBLIC_KEY_FILE_BYTES)?;
    let refuse = |what: String, remedy: &str| {
        table.report.error(file.span(), format!("`{}` {what}", file.get_ref().escape_debug()), remedy);
        None
    };
    let Ok(info) = SubjectPublicKeyInfoDer::from_pem_slice(&pem) else {
        return refuse(
            "has no PEM block `PUBLIC KEY`".to_owned(),
            "`openssl pkey -in private.pem -pubout -out key.pem` writes one; the private key stays with the signer",
        );
    };
    let Some((kind, bytes)) = subject_key(&info) else {
        return refuse("is no key for signatures".to_owned(), "an RSA or an ECDSA P-256 key is expected");
    };
    if kind == KeyKind::Rsa
        && let Err(wrong) = rsa_key(bytes)
    {
        return match wrong {
            WrongRsa::Form => {
                refuse("is an RSA key of unknown size".to_owned(), "`openssl genrsa -out private.pem 2048` makes one")
            }
            WrongRsa::Bits(bits) => {
                refuse(format!("is an RSA key of {bits} bits"), "2048 to 8192 bits are allowed, and CloudFront takes 2048 only")
            }
            WrongRsa::Exponent => refuse(
                "is an RSA key whose exponent signs nothing".to_owned(),
                "an odd one of 3 to 33 bits is expected, such as 65537: with 1 everybody could sign",
            ),
            WrongRsa::Modulus => {
                refuse("is an RSA key with an even modulus, which is no product of two primes".to_owned(), "make another")
            }
        };
    }
    Some(PublicKey { id: (*id.get_ref()).to_owned(), kind, bytes: bytes.to_vec() })
}

/// The key in a SubjectPublicKeyInfo (RFC 5280 section 4.1), if CloudFront supports its type.
fn subject_key(mut info: &[u8]) -> Option<(KeyKind, &[u8])> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    /// rsaEncryption, NULL.
    const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    /// id-ecPublicKey, prime256v1.
    const P256: &[u8] =
        &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let mut inside = element(&mut info, SEQUENCE)?;
    let algorithm = element(&mut inside, SEQUENCE)?;
    // The first byte is the number of unused bits: zero for whole bytes.
    let key = element(&mut inside, BIT_STRING)?.strip_prefix(&[0])?;
    if !info.is_empty() || !inside.is_empty() {
        return None;
    }
    match (algorithm, key) {
        (RSA, _) => Some((KeyKind::Rsa, key)),
        // Uncompressed: both coordinates.
        (P256, [4, coordinates @ ..]) if coordinates.len() == 64 => Some((KeyKind::EcdsaP256, key)),
        _ => None,
    }
}

/// Errors in the numbers of an RSA key.
enum WrongRsa {
    Form,
    Bits(usize),
    Exponent,
    Modulus,
}

/// Checks the numbers of an RSAPublicKey (RFC 8017 appendix A.1.1) for keys that a verifier accepts wrongly or always rejects.
fn rsa_key(key: &[u8]) -> Result<(), WrongRsa> {
    let (modulus, exponent) = rsa_numbers(key).ok_or(WrongRsa::Form)?;
    let bits = modulus.len() * 8 - usize::try_from(modulus[0].leading_zeros()).unwrap_or(0);
    if !RSA_BITS.contains(&bits) {
        return Err(WrongRsa::Bits(bits));
    }
    if modulus.last().is_some_and(|last| last % 2 == 0) {
        return Err(WrongRsa::Modulus);
    }
    let value = exponent.iter().try_fold(0_u64, |value, &byte| Some(value.checked_mul(256)? | u64::from(byte)));
    match value {
        Some(value) if value >= 3 && value % 2 == 1 && value < 1 << 33 => Ok(()),
        _ => Err(WrongRsa::Exponent),
    }
}

/// Modulus and exponent: positive numbers, in as few bytes as they need.
fn rsa_numbers(mut key: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut numbers = element(&mut key, 0x30)?;
    let (modulus, exponent) = (element(&mut numbers, 0x02)?, element(&mut numbers, 0x02)?);
    if !key.is_empty() || !numbers.is_empty() {
        return None;
    }
    let positive = |number: &[u8]| match number {
        [0, rest @ ..] if rest.first().is_some_and(|&first| first >= 0x80) => Some(1),
        [1..0x80, ..] => Some(0),
        _ => None,
    };
    Some((&modulus[positive(modulus)?..], &exponent[positive(exponent)?..]))
}

/// Removes one DER element from the front and returns its content, if it has that tag.
fn element<'d>(der: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (length, rest) = match **der {
        [found, length @ 0..=0x7f, ref rest @ ..] if found == tag => (usize::from(length), rest),
        [found, 0x81, length, ref rest @ ..] if found == tag => (usize::from(length), rest),
        [found, 0x82, high, low, ref rest @ ..] if found == tag => (usize::from(u16::from_be_bytes([high, low])), rest),
        _ => return None,
    };
    let (inside, after) = rest.split_at_checked(length)?;
    *der = after;
    Some(inside)
}
