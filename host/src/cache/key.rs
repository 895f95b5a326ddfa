//! The key under which a response is stored.
//!
//! A [`Key`] is the SHA-256 of what answers ([`Base`]) and of the parts of the request that select the response, each with
//! its length before it: two requests that differ in one of them never collide, and only 32 bytes are kept and compared.
//! [`parts`] is the table of these parts; the request to the origin is made from it as well.
//! The parts are hashed in place; only policies that take *all* headers (or all but some) allocate, one list to sort.
//!
//! In CloudFront mode that is all. In standards mode a stored response may vary by more of the request
//! ([`Vary`]); its variants are stored under [`Key::variant`]s of the same key.

mod codings;
pub mod parts;
mod policy;

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::limits::negotiation::VARY_NAMES;
use parts::{KeyPart, KeyRequest, OriginView};

pub use codings::{Coding, Encodings};
pub use policy::{Choice, KeyPolicy};

/// A digest of the settings of a behavior or an origin on which its responses depend. It is the same after a restart, as
/// long as the settings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity([u8; 32]);

impl Identity {
    /// `kind` distinguishes things with the same parts.
    pub fn of<'a>(kind: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Identity {
        let mut hash = KeyHasher::begin(kind);
        parts.into_iter().for_each(|part| hash.part(part));
        Identity(hash.end().0)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The part of a key that does not depend on the request. Both digests are one block of the hash, which is computed when the
/// configuration is loaded: a request copies the hash's state.
#[derive(Clone)]
pub struct Base {
    state: Sha256,
    sees: OriginView,
}

impl Base {
    /// `behavior` is the one that a request matches, `origin` the one it is for.
    pub fn new(behavior: &Identity, origin: &Identity, sees: OriginView) -> Base {
        let mut state = Sha256::new();
        state.update(behavior.0);
        state.update(origin.0);
        Base { state, sees }
    }

    /// What the origin sees of each request, whatever the policy chooses.
    pub fn sees(&self) -> OriginView {
        self.sees
    }
}

/// SHA-256 of what answers and of the parts of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key([u8; 32]);

/// The fields by which a request selects among variants: its own, and those that the edge adds for the origin.
#[derive(Debug, Clone, Copy)]
pub struct Selecting<'a> {
    pub headers: &'a HeaderMap,
    pub added: &'a [(HeaderName, &'a [u8])],
}

impl<'a> From<&'a HeaderMap> for Selecting<'a> {
    fn from(headers: &'a HeaderMap) -> Selecting<'a> {
        Selecting { headers, added: &[] }
    }
}

impl Key {
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    pub fn derive(base: &Base, policy: &KeyPolicy, asked: &KeyRequest<'_>) -> Key {
        let mut hash = KeyHasher(base.state.clone());
        parts::of(base.sees, policy, asked, |part| hash.take(part));
        hash.end()
    }

    /// The key of one variant under a primary key (Vary, RFC 9111 section 4.1), with values normalised as that allows.
    pub fn variant(&self, names: &[HeaderName], asked: Selecting<'_>) -> Key {
        let mut parts = KeyHasher::begin("variant");
        parts.part(&self.0);
        for name in names {
            parts.section(b'v');
            parts.part(name.as_str().as_bytes());
            let values = asked.headers.get_all(name).iter().map(HeaderValue::as_bytes);
            let added = asked.added.iter().filter(|(added, _)| added == name).map(|(_, value)| *value);
            let values = values.chain(added);
            if is_list(name) { parts.list(name, values) } else { parts.lines(values) }
        }
        parts.end()
    }
}

/// The request fields by which a response varies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vary {
    Nothing,
    /// Lower-case, sorted, each once.
    Names(Arc<[HeaderName]>),
    /// `*`, too many names, an invalid name, or a field that differs in each request.
    Everything,
}

/// The edge sets these to a new value in each request.
const NEVER_ALIKE: [&str; 2] = ["traceparent", "x-amz-cf-id"];

impl Vary {
    pub fn of(answered: &HeaderMap) -> Vary {
        if !answered.contains_key(header::VARY) {
            return Vary::Nothing;
        }
        let mut names = Vec::new();
        let lines = answered.get_all(header::VARY).iter();
        let members = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
        for member in members.filter(|member| !member.is_empty()) {
            match HeaderName::from_bytes(member) {
                Ok(name) if member != b"*" && !NEVER_ALIKE.contains(&name.as_str()) => names.push(name),
                _ => return Vary::Everything,
            }
        }
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        match names.len() {
            0 => Vary::Nothing,
            1..=VARY_NAMES => Vary::Names(names.into()),
            _ => Vary::Everything,
        }
    }
}

/// Whether the field is a list. Others have commas and spaces of their own, or every byte counts.
fn is_list(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "authorization" | "cookie" | "date" | "if-modified-since" | "if-range" | "proxy-authorization" | "referer" | "user-agent"
    )
}

/// Hashes parts so that two different sequences of parts never have the same input.
struct KeyHasher(Sha256);

impl KeyHasher {
    fn begin(purpose: &str) -> KeyHasher {
        let mut parts = KeyHasher(Sha256::new());
        parts.part(purpose.as_bytes());
        parts
    }

    /// A section tag distinguishes optional parts.
    fn section(&mut self, tag: u8) {
        self.0.update([tag]);
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn take(&mut self, part: KeyPart<'_>) {
        self.section(part.tag());
        match part {
            KeyPart::Method(method) => self.part(method.as_str().as_bytes()),
            KeyPart::Scheme { secure } => self.section(secure.into()),
            KeyPart::Path(text) | KeyPart::Query(text) | KeyPart::Parameter(text) => self.part(text.as_bytes()),
            KeyPart::Host(host) => self.lower_case(host),
            KeyPart::Field(name, values) => {
                self.part(name.as_str().as_bytes());
                self.lines(values.iter().map(HeaderValue::as_bytes));
            }
            KeyPart::Cookie(pair) => self.part(pair),
            KeyPart::Codings(codings) => self.part(codings.header().as_bytes()),
            KeyPart::ForwardedFields(told) => {
                self.section(told.secure.into());
                self.section(told.host.is_some().into());
                self.lower_case(told.host.map(HeaderValue::as_bytes).unwrap_or_default());
            }
        }
    }

    fn lower_case(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        for chunk in bytes.chunks(64) {
            let mut lower = [0; 64];
            let lower = &mut lower[..chunk.len()];
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            self.0.update(&*lower);
        }
    }

    /// Hashes a header's lines unchanged.
    fn lines<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>) {
        for line in values {
            self.section(b'l');
            self.part(line);
        }
        // Marks the end of the lines.
        self.section(b'.');
    }

    /// Hashes a header's members, however they are spread over lines, without the space around commas.
    fn list<'a>(&mut self, name: &HeaderName, values: impl Iterator<Item = &'a [u8]>) {
        let mut values = values.peekable();
        let is_there = values.peek().is_some();
        let members = values.flat_map(members).filter(|member| !member.is_empty());
        if *name == header::ACCEPT_ENCODING {
            // Neither order nor case matters here.
            let mut codings: Vec<_> = members.map(<[u8]>::to_ascii_lowercase).collect();
            codings.iter_mut().for_each(|coding| coding.retain(|byte| !matches!(byte, b' ' | b'\t')));
            codings.sort_unstable();
            codings.iter().for_each(|coding| self.member(coding));
        } else {
            members.for_each(|member| self.member(member));
        }
        // An empty field differs from an absent one.
        if is_there {
            self.section(b'x');
        }
    }

    fn member(&mut self, member: &[u8]) {
        self.section(b'm');
        self.part(member);
    }

    fn end(self) -> Key {
        Key(self.0.finalize().into())
    }
}

/// Splits at commas that are not within quotes.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |&byte| {
        if escaped {
            escaped = false;
        } else if quoted && byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            quoted = !quoted;
        }
        byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// The key of `GET target` with some headers.
    fn key(policy: &KeyPolicy, target: &str, headers: &[(&str, &str)]) -> Key {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers = map(headers);
        let method = &Method::GET;
        Key::derive(&base(OriginView::default()), policy, &KeyRequest { secure: false, method, path, query, headers: &headers })
    }

    fn base(sees: OriginView) -> Base {
        Base::new(&Identity([1; 32]), &Identity([2; 32]), sees)
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn by_default_only_path_and_who_answers_count() {
        let policy = KeyPolicy::default();
        let plain = key(&policy, "/a", &[]);
        assert_eq!(plain, key(&policy, "/a?b=1", &[("cookie", "a=1"), ("x", "y"), ("accept-encoding", "gzip"), ("host", "h")]));
        assert_ne!(plain, key(&policy, "/A", &[]));
        assert_ne!(plain, key(&policy, "/a/", &[]));
        let headers = HeaderMap::new();
        let asked = KeyRequest { secure: true, method: &Method::GET, path: "/a", query: None, headers: &headers };
        let of = |behavior, origin, asked: &KeyRequest<'_>| {
            Key::derive(&Base::new(&Identity([behavior; 32]), &Identity([origin; 32]), OriginView::default()), &policy, asked)
        };
        assert_eq!(plain, of(1, 2, &asked));
        assert_ne!(plain, of(3, 2, &asked));
        assert_ne!(plain, of(1, 3, &asked));
        assert_eq!(plain, of(1, 2, &KeyRequest { method: &Method::HEAD, ..asked }));
        assert_ne!(plain, of(1, 2, &KeyRequest { method: &Method::OPTIONS, ..asked }));
    }

    #[test]
    fn what_the_origin_sees_counts_in_any_case_and_with_its_port() {
        let of = |sees, host: Option<&'static str>, secure| {
            let headers = host.map(|host| (header::HOST, HeaderValue::from_static(host))).into_iter().collect();
            let asked = KeyRequest { secure, method: &Method::GET, path: "/", query: None, headers: &headers };
            Key::derive(&base(sees), &KeyPolicy::default(), &asked)
        };
        let host = |host| of(OriginView { host: true, ..OriginView::default() }, Some(host), false);
        assert_eq!(host("example.com"), host("EXAMPLE.com"));
        assert_ne!(host("example.com"), host("example.org"));
        assert_ne!(host("example.com"), host("example.com:8080"));
        assert_ne!(of(OriginView { host: true, ..OriginView::default() }, None, false), host(""));
        let scheme = |secure| of(OriginView { scheme: true, ..OriginView::default() }, None, secure);
        assert_ne!(scheme(true), scheme(false));
        let long: &'static str = "a".repeat(200).leak();
        assert_eq!(host(long), host(&*long.to_uppercase().leak()));
    }

    #[test]
    fn query_strings_are_chosen_by_name_and_keep_their_order() {
        let with = |query| KeyPolicy { query, ..KeyPolicy::default() };
        let only = with(Choice::Only(names(&["a", "b"])));
        for (left, right, same) in [
            ("/?a=1&x=2", "/?a=1", true),
            ("/?a=1&b=2", "/?b=2&a=1", false),
            ("/?a=1", "/?a=2", false),
            ("/?a=1", "/?A=1", false),
            ("/?a", "/?a=", false),
            ("/?a=1&a=2", "/?a=1", false),
            ("/?", "/", true),
            ("/?x=1", "/", true),
            ("/?&&a=1&", "/?a=1", true),
        ] {
            assert_eq!(key(&only, left, &[]) == key(&only, right, &[]), same, "{left} {right}");
        }
        let except = with(Choice::Except(names(&["utm"])));
        assert_eq!(key(&except, "/?a=1&utm=x", &[]), key(&except, "/?a=1", &[]));
        assert_ne!(key(&except, "/?a=1&b", &[]), key(&except, "/?a=1", &[]));
        let all = with(Choice::All);
        assert_ne!(key(&all, "/?a&b", &[]), key(&all, "/?b&a", &[]));
        assert_ne!(key(&all, "/?", &[]), key(&all, "/", &[]));
    }

    #[test]
    fn headers_are_chosen_by_name_in_any_order() {
        let with = |headers| KeyPolicy { headers, ..KeyPolicy::default() };
        let name = HeaderName::from_static;
        let only = with(Choice::Only(vec![name("a"), name("b")]));
        assert_eq!(key(&only, "/", &[("a", "1"), ("b", "2"), ("c", "3")]), key(&only, "/", &[("b", "2"), ("a", "1")]));
        assert_ne!(key(&only, "/", &[("a", "1")]), key(&only, "/", &[("b", "1")]));
        assert_ne!(key(&only, "/", &[("a", "")]), key(&only, "/", &[]));
        assert_ne!(key(&only, "/", &[("a", "1"), ("a", "2")]), key(&only, "/", &[("a", "12")]));
        let except = with(Choice::Except(vec![name("c")]));
        for policy in [with(Choice::All), except.clone()] {
            assert_eq!(key(&policy, "/", &[("a", "1"), ("b", "2")]), key(&policy, "/", &[("b", "2"), ("a", "1")]));
            assert_ne!(key(&policy, "/", &[("a", "1"), ("b", "2")]), key(&policy, "/", &[("a", "2"), ("b", "1")]));
        }
        assert_eq!(key(&except, "/", &[("a", "1"), ("c", "2")]), key(&except, "/", &[("a", "1")]));
        assert!(with(Choice::All).has_authorization() && except.has_authorization() && !only.has_authorization());
    }

    #[test]
    fn cookies_are_chosen_by_name() {
        let with = |cookies| KeyPolicy { cookies, ..KeyPolicy::default() };
        let only = with(Choice::Only(names(&["a", "b"])));
        let of = |policy: &KeyPolicy, cookie: &str| key(policy, "/", &[("cookie", cookie)]);
        assert_eq!(of(&only, "a=1; b=2; c=3"), of(&only, "b=2;a=1"));
        assert_eq!(key(&only, "/", &[("cookie", "a=1"), ("cookie", "b=2")]), of(&only, "a=1; b=2"));
        assert_ne!(of(&only, "a=1"), of(&only, "A=1"));
        assert_ne!(of(&only, "a=1"), of(&only, "ab=1"));
        assert_eq!(of(&only, "c=1"), key(&only, "/", &[]));
        let except = with(Choice::Except(names(&["c"])));
        assert_eq!(of(&except, "a=1; c=2"), of(&except, "a=1"));
        let all = with(Choice::All);
        assert_ne!(of(&all, "a=1; b=2"), of(&all, "a=1"));
    }

    #[test]
    fn accepted_encodings_are_normalised() {
        let policy = KeyPolicy { encodings: Encodings { gzip: true, brotli: true, zstd: false }, ..KeyPolicy::default() };
        for (line, expected) in [
            ("gzip, deflate, br", "br,gzip"),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", "br,gzip"),
            ("GZIP", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip;q=0, br", "br"),
            ("gzip; q=0.000, br; q=0.001", "br"),
            ("gzipped", "identity"),
            ("", "identity"),
            ("zstd", "identity"),
            ("identity", "identity"),
            ("*", "br,gzip"),
            ("*;q=0", "identity"),
            ("gzip;q=0, *", "br"),
            ("*, br;q=0", "gzip"),
            ("*;q=0, br", "br"),
        ] {
            assert_eq!(policy.encodings.accepted(&map(&[("accept-encoding", line)])).header(), expected, "{line}");
        }
        let all = Encodings { gzip: true, brotli: true, zstd: true };
        for (line, expected, preferred) in [
            ("gzip, deflate, br, zstd", "br,zstd,gzip", Some(Coding::Brotli)),
            ("br, zstd", "br,zstd", Some(Coding::Brotli)),
            ("gzip, br", "br,gzip", Some(Coding::Brotli)),
            ("gzip;q=1, zstd;q=0.1", "zstd,gzip", Some(Coding::Zstd)),
            ("ZSTD", "zstd", Some(Coding::Zstd)),
            ("gzip", "gzip", Some(Coding::Gzip)),
            ("zstd;q=0, *;q=0.5", "br,gzip", Some(Coding::Brotli)),
            ("deflate", "identity", None),
        ] {
            let accepted = all.accepted(&map(&[("accept-encoding", line)]));
            assert_eq!((accepted.header(), accepted.preferred()), (HeaderValue::from_static(expected), preferred), "{line}");
        }
        let gzip = Encodings { gzip: true, ..Encodings::default() };
        assert_eq!(gzip.accepted(&map(&[("accept-encoding", "br, gzip")])).header(), "gzip");
        assert_eq!(gzip.accepted(&map(&[("accept-encoding", "br")])), Encodings::default());
        assert_eq!(key(&policy, "/", &[("accept-encoding", "br, gzip")]), key(&policy, "/", &[("accept-encoding", "gzip,br")]));
        assert_ne!(key(&policy, "/", &[("accept-encoding", "gzip")]), key(&policy, "/", &[]));
        assert_eq!(key(&policy, "/", &[("accept-encoding", "zstd")]), key(&policy, "/", &[]));
    }

    #[test]
    fn vary_is_names_or_everything() {
        let of = |values: &[&str]| Vary::of(&map(&values.iter().map(|&value| ("vary", value)).collect::<Vec<_>>()));
        for values in
            [&["*"][..], &["*, *"], &["*", "*"], &[", *"], &["", "*"], &["*, Foo"], &["Foo, *"], &["Foo, B:r"], &["a b"]]
        {
            assert_eq!(of(values), Vary::Everything, "{values:?}");
        }
        assert_eq!(
            of(&["Foo, bar", "FOO, ,"]),
            Vary::Names([HeaderName::from_static("bar"), HeaderName::from_static("foo")].into())
        );
        assert_eq!(of(&[""]), Vary::Nothing);
        assert_eq!(of(&[]), Vary::Nothing);
        let many = |n: usize| (0..n).map(|n| format!("h{n}")).collect::<Vec<_>>().join(",");
        assert!(matches!(of(&[&many(VARY_NAMES)]), Vary::Names(names) if names.len() == VARY_NAMES));
        assert_eq!(of(&[&many(VARY_NAMES + 1)]), Vary::Everything);
    }

    #[test]
    fn variants_differ_by_what_the_values_mean() {
        let primary = Key::from_bytes([7; 32]);
        let of = |headers: &[(&str, &str)]| {
            let names = [HeaderName::from_static("accept-encoding"), HeaderName::from_static("foo"), header::USER_AGENT];
            primary.variant(&names, (&map(headers)).into())
        };
        for (left, right, same) in [
            (&[("foo", "1,2")][..], &[("foo", "1, 2 ")][..], true),
            (&[("foo", "1, 2")], &[("foo", "1"), ("foo", "2")], true),
            (&[("foo", "1, 2")], &[("foo", "2, 1")], false),
            (&[("foo", "1, 2")], &[("foo", "12")], false),
            (&[("foo", "\"1,2\"")], &[("foo", "\"1, 2\"")], false),
            (&[("foo", "1")], &[("foo", "1"), ("other", "2")], true),
            (&[("foo", "1")], &[], false),
            (&[("foo", "")], &[], false),
            (&[("foo", "a")], &[("foo", "A")], false),
            (&[("user-agent", "a, b")], &[("user-agent", "a,b")], false),
            (&[("accept-encoding", "br, GZIP;q=1")], &[("accept-encoding", "gzip; q=1,br")], true),
        ] {
            assert_eq!(of(left) == of(right), same, "{left:?} {right:?}");
        }
        assert_ne!(of(&[]), primary);
        let none = HeaderMap::new();
        assert_ne!(Key::from_bytes([8; 32]).variant(&[], (&none).into()), primary.variant(&[], (&none).into()));
    }

    #[test]
    fn what_the_edge_adds_selects_too() {
        let primary = Key::from_bytes([7; 32]);
        let name = HeaderName::from_static("x-forwarded-for");
        let of = |said: &[(&str, &str)], added: &str| {
            let added = [(name.clone(), added.as_bytes())];
            primary.variant(std::slice::from_ref(&name), Selecting { headers: &map(said), added: &added })
        };
        assert_ne!(of(&[], "192.0.2.1"), of(&[], "192.0.2.2"));
        assert_eq!(of(&[("x-forwarded-for", "192.0.2.1")], "192.0.2.2"), of(&[("x-forwarded-for", "192.0.2.1, 192.0.2.2")], ""));
        let said = map(&[("x-forwarded-for", "192.0.2.1")]);
        assert_eq!(primary.variant(std::slice::from_ref(&name), (&said).into()), of(&[], "192.0.2.1"));
    }

    proptest! {
        /// With everything in the key, two keys are equal only when the requests are.
        #[test]
        fn different_values_of_keyed_parts_have_different_keys(
            left in ("/[ab]{0,2}", "[ab&=]{0,4}", prop::collection::vec(("[ab]", "[ab,]{0,2}"), 0..3)),
            right in ("/[ab]{0,2}", "[ab&=]{0,4}", prop::collection::vec(("[ab]", "[ab,]{0,2}"), 0..3)),
        ) {
            let policy = KeyPolicy { query: Choice::All, headers: Choice::All, ..KeyPolicy::default() };
            let of = |(path, query, headers): &(String, String, Vec<(String, String)>)| {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let mut sorted = headers.clone();
                sorted.sort_by_key(|(name, _)| name.to_owned());
                let sorted: Vec<_> = sorted.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                (key(&policy, &format!("{path}?{query}"), &headers), (path.clone(), query.clone(), sorted))
            };
            let ((left_key, left), (right_key, right)) = (of(&left), of(&right));
            prop_assert_eq!(left_key == right_key, left == right);
        }
    }
}
