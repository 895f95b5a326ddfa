//! Signed URLs and signed cookies: a trusted signer says who may have what, and until when.
//!
//! The forms are CloudFront's ("Serve private content with signed URLs and signed cookies"). A canned policy is not sent: it
//! is made again from the URL and `Expires`, and the signature shows whether that is what was signed. A custom policy is
//! sent, and trusted once its signature has been verified.
//!
//! A canned policy covers the URL as it was written; the resource of a custom policy covers a path (`path`) only if it
//! covers every way in which a server may read it.
//!
//! ```text
//! parameters ─► key ─► policy ─► time, address ─► signature ─► resource ─► admitted
//! ```
//!
//! Cheap checks come first: an expired link costs no verification. The resource comes last, since its wildcards may be
//! costly and only a signer may choose them. Anything that is not understood is refused.
//!
//! No statuses are chosen here. An admitted request goes on without its signature (`strip`).

pub(crate) mod denied;
pub(crate) mod policy;
mod verified;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header;
use http::uri::PathAndQuery;

use crate::config::PublicKey;
use crate::edge::request::head::{RequestHead, with_query};
use crate::edge::request::header_rules::retain_cookies;
use crate::limits;
use crate::path::NormalPath;
use denied::Denied;
use policy::SignedPolicy;
use verified::Algorithm;

/// With this prefix, each of the parameters is the name of a cookie.
const COOKIE_PREFIX: &str = "CloudFront-";
const PARAMETERS: [&str; 5] = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];

/// The keys that a behavior trusts.
pub(crate) struct Signers {
    keys: Vec<Arc<PublicKey>>,
}

/// A request that a signature must allow.
pub(crate) struct SignedRequest<'a> {
    pub(crate) secure: bool,
    /// As the client sends it, with its port.
    pub(crate) host: &'a str,
    pub(crate) target: &'a PathAndQuery,
    /// The path of `target`.
    pub(crate) path: &'a NormalPath<'a>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) client: IpAddr,
    pub(crate) now_s: u64,
}

impl Signers {
    /// `None` if no key is trusted: then nothing needs to be signed.
    pub(crate) fn new(keys: &[Arc<PublicKey>]) -> Option<Signers> {
        (!keys.is_empty()).then(|| Signers { keys: keys.to_vec() })
    }

    pub(crate) fn admit(&self, asked: &SignedRequest<'_>) -> Result<(), Denied> {
        let ticket = SignatureParameters::of(asked).ok_or(Denied::NoKey)?;
        let id = ticket.key.ok_or(Denied::NoKey)?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or(Denied::UnknownKey)?;
        let algorithm = Algorithm::of(key.kind, ticket.hash).ok_or(Denied::Algorithm)?;
        let signature = ticket.signature.and_then(|text| decode(text, limits::signed::SIGNATURE_BYTES));
        let signature = signature.ok_or(Denied::Signature)?;
        let (text, policy) = match (ticket.policy, ticket.expires) {
            (Some(policy), _) => {
                let text = decode(policy, limits::signed::POLICY_BYTES).ok_or(Denied::Policy)?;
                let policy = SignedPolicy::read(&text).ok_or(Denied::Policy)?;
                (text, policy)
            }
            (None, Some(expires)) => (
                policy::canned(&asked.url(), expires).ok_or(Denied::Policy)?,
                SignedPolicy::until(expires).ok_or(Denied::Policy)?,
            ),
            (None, None) => return Err(Denied::Policy),
        };
        policy.admits(asked.client, asked.now_s)?;
        if !verified::is_signed(algorithm, &key.bytes, &text, &signature) {
            return Err(Denied::Forged);
        }
        // Every way in which a server may read the path must be allowed.
        let covers = |text: &str| policy.covers(asked.scheme(), asked.host, || asked.own_target(text));
        let is_covered = covers(asked.path.text())
            && !asked.path.has_nul()
            && !asked.path.is_too_doubtful()
            && asked.path.others().all(|text| covers(&text));
        if is_covered { Ok(()) } else { Err(Denied::Resource) }
    }
}

impl<'a> SignedRequest<'a> {
    pub(crate) fn new(head: &'a RequestHead, path: &'a NormalPath<'a>, secure: bool, client: IpAddr) -> SignedRequest<'a> {
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SignedRequest { secure, host, target: &head.target, path, headers: &head.headers, client, now_s: now.as_secs() }
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The URL as the signer wrote it.
    fn url(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.host, self.own_target(self.target.path()))
    }

    /// Path and query without the signer's own parameters, with the path in this spelling.
    fn own_target(&self, path: &str) -> String {
        let mut url = String::with_capacity(self.target.as_str().len());
        url.push_str(path);
        let mut separator = '?';
        for pair in self.target.query().into_iter().flat_map(own_parameters) {
            url.push(separator);
            url.push_str(pair);
            separator = '&';
        }
        url
    }
}

/// What a signer adds to a URL, or to a client's cookies. If a parameter is there twice, the first counts; both are
/// removed from what the origin sees.
#[derive(Default)]
struct SignatureParameters<'a> {
    expires: Option<&'a str>,
    policy: Option<&'a str>,
    signature: Option<&'a str>,
    key: Option<&'a str>,
    hash: Option<&'a str>,
}

impl<'a> SignatureParameters<'a> {
    /// A URL with any of the parameters is a signed URL: its cookies are ignored, as in CloudFront.
    fn of(asked: &SignedRequest<'a>) -> Option<SignatureParameters<'a>> {
        let query = asked.target.query().into_iter().flat_map(|query| query.split('&'));
        let cookies = || {
            // Other cookies may contain any bytes.
            let lines = asked.headers.get_all(header::COOKIE).iter().map(|line| line.as_bytes());
            let pairs = lines.flat_map(|line| line.split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
            pairs.filter_map(|pair| str::from_utf8(pair.strip_prefix(COOKIE_PREFIX.as_bytes())?).ok())
        };
        SignatureParameters::collect(query).or_else(|| SignatureParameters::collect(cookies()))
    }

    fn collect(pairs: impl Iterator<Item = &'a str>) -> Option<SignatureParameters<'a>> {
        let mut ticket = SignatureParameters::default();
        let mut found = false;
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "Expires" => &mut ticket.expires,
                "Policy" => &mut ticket.policy,
                "Signature" => &mut ticket.signature,
                "Key-Pair-Id" => &mut ticket.key,
                "Hash-Algorithm" => &mut ticket.hash,
                _ => continue,
            };
            found = true;
            // An empty parameter counts as missing.
            *slot = slot.or((!value.is_empty()).then_some(value));
        }
        found.then_some(ticket)
    }
}

/// Removes what a signer has added to a request.
pub(crate) fn strip(head: &mut RequestHead) {
    if let Some(query) = head.target.query()
        && query.split('&').any(is_signers)
    {
        let own: Vec<_> = own_parameters(query).collect();
        head.target = with_query(&head.target, &own.join("&"));
    }
    let is_signers = |name: &[u8]| {
        let rest = name.strip_prefix(COOKIE_PREFIX.as_bytes());
        rest.is_some_and(|rest| PARAMETERS.iter().any(|parameter| parameter.as_bytes() == rest))
    };
    let cookies = head.headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
    if pairs.any(|pair| is_signers(pair.split(|&byte| byte == b'=').next().unwrap_or_default())) {
        retain_cookies(&mut head.headers, |name| !is_signers(name));
    }
}

fn own_parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !is_signers(pair))
}

fn is_signers(pair: &str) -> bool {
    PARAMETERS.contains(&pair.split('=').next().unwrap_or_default())
}

/// Base64 in CloudFront's alphabet: `-`, `~` and `_` for `+`, `/` and `=`.
fn decode(text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const PLAIN: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        // Signers leave the padding out, as CloudFront's own examples do.
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    if text.len() / 4 > bytes_max / 3 + 1 {
        return None;
    }
    let plain = text.bytes().map(|byte| match byte {
        b'-' => Some(b'+'),
        b'~' => Some(b'/'),
        b'_' => Some(b'='),
        b'+' | b'/' | b'=' => None,
        byte => Some(byte),
    });
    let decoded = PLAIN.decode(plain.collect::<Option<Vec<u8>>>()?).ok()?;
    (!decoded.is_empty() && decoded.len() <= bytes_max).then_some(decoded)
}

#[cfg(test)]
mod tests;
