//! Under which name a response is stored.
//!
//! A [`Key`] is the SHA-256 of the length-prefixed parts that a [`KeyPolicy`] chooses: two requests with different
//! parts never meet, and there is nothing to keep or compare but 32 bytes. The parts are hashed where they lie;
//! only policies that take *all* headers (or all but some) allocate, one list to sort.
//!
//! In CloudFront mode that is all. In standards mode a stored response may vary by more of the request
//! ([`Vary`]); its variants are stored under [`Key::variant`]s of the same key.

use std::sync::Arc;

use http::Method;
use http::header::{self, GetAll, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::limits::negotiation::VARY_NAMES;

/// Which of many named things are part of the key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice<T> {
    #[default]
    None,
    Only(Vec<T>),
    Except(Vec<T>),
    All,
}

impl<T> Choice<T> {
    pub fn takes(&self, is_listed: impl Fn(&T) -> bool) -> bool {
        match self {
            Choice::None => false,
            Choice::Only(list) => list.iter().any(is_listed),
            Choice::Except(list) => !list.iter().any(is_listed),
            Choice::All => true,
        }
    }
}

/// What the cache key is made of, beside the site, the method and the path. Names of query strings and cookies are
/// case-sensitive and compared as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPolicy {
    /// The Host that the viewer asked for, beside the site.
    pub host: bool,
    pub query: Choice<String>,
    pub headers: Choice<HeaderName>,
    pub cookies: Choice<String>,
    pub encodings: Encodings,
}

impl KeyPolicy {
    /// Whether `Authorization` is in the key.
    pub fn has_authorization(&self) -> bool {
        self.headers.takes(|name| *name == header::AUTHORIZATION)
    }
}

/// Which content codings a behaviour lets the origin choose from, or a request accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encodings {
    pub gzip: bool,
    pub brotli: bool,
    pub zstd: bool,
}

impl Encodings {
    /// Of these, the ones that the request names, or means by `*`, and does not refuse with `q=0`.
    pub fn accepted(self, asked: &HeaderMap) -> Encodings {
        let mut accepted = Encodings::default();
        if self == accepted {
            return accepted;
        }
        let (mut named, mut any) = (Encodings::default(), false);
        let lines = asked.get_all(header::ACCEPT_ENCODING).iter();
        for coding in lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')) {
            let mut parts = coding.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let taken = !parts.any(is_zero_quality);
            if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
                (named.gzip, accepted.gzip) = (true, taken);
            } else if name.eq_ignore_ascii_case(b"br") {
                (named.brotli, accepted.brotli) = (true, taken);
            } else if name.eq_ignore_ascii_case(b"zstd") {
                (named.zstd, accepted.zstd) = (true, taken);
            } else if name == b"*" {
                any = taken;
            }
        }
        // The star is about codings that are not named beside it (RFC 9110 section 12.5.3).
        let takes = |offered: bool, named: bool, accepted: bool| offered && if named { accepted } else { any };
        Encodings {
            gzip: takes(self.gzip, named.gzip, accepted.gzip),
            brotli: takes(self.brotli, named.brotli, accepted.brotli),
            zstd: takes(self.zstd, named.zstd, accepted.zstd),
        }
    }

    /// What we compress with for whoever accepts these. For br over gzip that is CloudFront's preference.
    pub fn preferred(self) -> Option<Coding> {
        if self.brotli {
            return Some(Coding::Brotli);
        }
        if self.zstd {
            return Some(Coding::Zstd);
        }
        self.gzip.then_some(Coding::Gzip)
    }

    /// The normalised Accept-Encoding, for the key and for the origin.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(match (self.brotli, self.zstd, self.gzip) {
            (true, true, true) => "br,zstd,gzip",
            (true, true, false) => "br,zstd",
            (true, false, true) => "br,gzip",
            (true, false, false) => "br",
            (false, true, true) => "zstd,gzip",
            (false, true, false) => "zstd",
            (false, false, true) => "gzip",
            (false, false, false) => "identity",
        })
    }
}

/// A content coding that we can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// As `Content-Encoding` has it.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

fn is_zero_quality(parameter: &[u8]) -> bool {
    let Some(value) = parameter.strip_prefix(b"q=").or(parameter.strip_prefix(b"Q=")) else { return false };
    value.first() == Some(&b'0') && value[1..].iter().all(|byte| matches!(byte, b'.' | b'0'))
}

/// A request, as its key is derived from it: after the viewer-request hook.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Keeps sites apart. With an origin that is asked by the viewer's scheme, the scheme belongs in here.
    pub site: &'a str,
    pub host: &'a str,
    pub method: &'a Method,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
}

/// SHA-256 of the length-prefixed parts of the cache key: no two keys meet, nothing to allocate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key([u8; 32]);

impl Key {
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    pub fn derive(policy: &KeyPolicy, asked: &Asked) -> Key {
        let mut parts = Parts::begin("key");
        parts.part(asked.site.as_bytes());
        // HEAD is answered from what GET has stored.
        parts.part(if *asked.method == Method::OPTIONS { b"OPTIONS" } else { b"GET" });
        parts.part(asked.path.as_bytes());
        if policy.host {
            parts.section(b'h');
            parts.lower_case(asked.host.as_bytes());
        }
        query(&mut parts, &policy.query, asked.query);
        headers(&mut parts, &policy.headers, asked.headers);
        cookies(&mut parts, &policy.cookies, asked.headers);
        let encodings = policy.encodings.accepted(asked.headers);
        if encodings != Encodings::default() {
            parts.section(b'e');
            parts.part(encodings.header().as_bytes());
        }
        parts.end()
    }

    /// The key of one variant under a primary key (Vary, RFC 9111 4.1): values normalised as 4.1 allows.
    pub fn variant(&self, names: &[HeaderName], asked: &HeaderMap) -> Key {
        let mut parts = Parts::begin("variant");
        parts.part(&self.0);
        for name in names {
            parts.section(b'v');
            parts.part(name.as_str().as_bytes());
            let values = asked.get_all(name);
            if is_list(name) { parts.list(name, &values) } else { parts.lines(&values) }
        }
        parts.end()
    }
}

/// Pairs in the order of the request: CloudFront takes another order for another object.
fn query(parts: &mut Parts, choice: &Choice<String>, query: Option<&str>) {
    match choice {
        Choice::None => {}
        Choice::All => {
            if let Some(query) = query {
                parts.section(b'q');
                parts.part(query.as_bytes());
            }
        }
        Choice::Only(_) | Choice::Except(_) => {
            for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
                let name = pair.split('=').next().unwrap_or_default();
                if choice.takes(|listed| listed == name) {
                    parts.section(b'p');
                    parts.part(pair.as_bytes());
                }
            }
        }
    }
}

fn headers(parts: &mut Parts, choice: &Choice<HeaderName>, asked: &HeaderMap) {
    let mut one = |name: &HeaderName| {
        let values = asked.get_all(name);
        if values.iter().next().is_some() {
            parts.section(b'f');
            parts.part(name.as_str().as_bytes());
            parts.lines(&values);
        }
    };
    match choice {
        Choice::None => {}
        Choice::Only(list) => list.iter().for_each(one),
        Choice::Except(_) | Choice::All => {
            let mut names: Vec<_> = asked.keys().filter(|name| choice.takes(|listed| listed == *name)).collect();
            names.sort_unstable_by_key(|name| name.as_str());
            names.into_iter().for_each(&mut one);
        }
    }
}

/// Chosen cookies in the order of the choice, so that a client's order makes no difference; others as they come.
fn cookies(parts: &mut Parts, choice: &Choice<String>, asked: &HeaderMap) {
    let all = || {
        let lines = asked.get_all(header::COOKIE).iter();
        lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
    };
    let name = |pair: &[u8]| pair.split(|&byte| byte == b'=').next().map_or(0, <[u8]>::len);
    let mut one = |pair: &[u8]| {
        parts.section(b'c');
        parts.part(pair);
    };
    match choice {
        Choice::None => {}
        Choice::Only(list) => {
            for listed in list {
                all().filter(|pair| &pair[..name(pair)] == listed.as_bytes()).for_each(&mut one);
            }
        }
        Choice::Except(_) | Choice::All => {
            all().filter(|pair| choice.takes(|listed| &pair[..name(pair)] == listed.as_bytes())).for_each(one);
        }
    }
}

/// What else of the request a response depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vary {
    Nothing,
    /// Lower-case, sorted, each once.
    Names(Arc<[HeaderName]>),
    /// `*`, more than we count, or something that is no name.
    Everything,
}

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
                Ok(name) if member != b"*" => names.push(name),
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

/// Fields whose commas and spaces are not those of a list, or whose every byte counts.
fn is_list(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "authorization" | "cookie" | "date" | "if-modified-since" | "if-range" | "proxy-authorization" | "referer" | "user-agent"
    )
}

/// Hashes parts so that no two sequences of parts look alike.
struct Parts(Sha256);

impl Parts {
    fn begin(purpose: &str) -> Parts {
        let mut parts = Parts(Sha256::new());
        parts.part(purpose.as_bytes());
        parts
    }

    /// Sections tell optional parts from each other.
    fn section(&mut self, tag: u8) {
        self.0.update([tag]);
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
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

    /// A header's lines as they are.
    fn lines(&mut self, values: &GetAll<HeaderValue>) {
        for line in values {
            self.section(b'l');
            self.part(line.as_bytes());
        }
    }

    /// A header's members, however they are spread over lines and whatever is around their commas.
    fn list(&mut self, name: &HeaderName, values: &GetAll<HeaderValue>) {
        let members = values.iter().flat_map(|line| members(line.as_bytes())).filter(|member| !member.is_empty());
        if *name == header::ACCEPT_ENCODING {
            // Neither order nor case means anything here.
            let mut codings: Vec<_> = members.map(<[u8]>::to_ascii_lowercase).collect();
            codings.iter_mut().for_each(|coding| coding.retain(|byte| !matches!(byte, b' ' | b'\t')));
            codings.sort_unstable();
            codings.iter().for_each(|coding| self.member(coding));
        } else {
            members.for_each(|member| self.member(member));
        }
        // An empty field is not an absent one.
        if values.iter().next().is_some() {
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
        Key::derive(policy, &Asked { site: "s", host: "Example.com", method: &Method::GET, path, query, headers: &headers })
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn by_default_only_site_and_path_count() {
        let policy = KeyPolicy::default();
        let plain = key(&policy, "/a", &[]);
        assert_eq!(plain, key(&policy, "/a?b=1", &[("cookie", "a=1"), ("x", "y"), ("accept-encoding", "gzip")]));
        assert_ne!(plain, key(&policy, "/A", &[]));
        assert_ne!(plain, key(&policy, "/a/", &[]));
        let headers = HeaderMap::new();
        let other = Asked { site: "t", host: "", method: &Method::GET, path: "/a", query: None, headers: &headers };
        assert_ne!(plain, Key::derive(&policy, &other));
        let other = Asked { site: "s", ..other };
        assert_eq!(plain, Key::derive(&policy, &other));
        assert_eq!(plain, Key::derive(&policy, &Asked { method: &Method::HEAD, ..other }));
        assert_ne!(plain, Key::derive(&policy, &Asked { method: &Method::OPTIONS, ..other }));
    }

    #[test]
    fn hosts_differ_but_not_by_case() {
        let headers = HeaderMap::new();
        let of = |host| {
            let asked = Asked { site: "s", host, method: &Method::GET, path: "/", query: None, headers: &headers };
            Key::derive(&KeyPolicy { host: true, ..KeyPolicy::default() }, &asked)
        };
        assert_eq!(of("example.com"), of("EXAMPLE.com"));
        assert_ne!(of("example.com"), of("example.org"));
        let long = "a".repeat(200);
        assert_eq!(of(&long), of(&long.to_uppercase()));
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
            primary.variant(&names, &map(headers))
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
        assert_ne!(Key::from_bytes([8; 32]).variant(&[], &HeaderMap::new()), primary.variant(&[], &HeaderMap::new()));
    }

    proptest! {
        /// With everything in the key, two keys are equal only when the requests are.
        #[test]
        fn nothing_that_is_keyed_is_confused(
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
