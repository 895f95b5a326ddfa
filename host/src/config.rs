//! I am the only way from TOML to a `Config` that cannot be wrong.
//!
//! These are the checked values; `load` reads the files and reports every error at once, with its place. Names are
//! resolved: an origin that is referred to exists. I know no runtime types.

mod build;
mod cache;
mod error_page;
mod files;
mod function;
mod geo;
mod hidden;
mod hints;
mod include;
mod key_value;
mod load;
mod origin;
mod policies;
mod reader;
mod report;
mod response_headers;
mod server;
mod signing;
mod site;
mod sources;
#[cfg(test)]
mod tests;
mod tracing;
mod values;
mod vpc;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

pub use files::{Fault, FileStamp, Judges};
pub use hidden::Hidden;
pub use include::Include;
pub use load::{Loaded, api_only, builds, load, load_judged, parse};
pub use report::{ConfigError, ConfigErrors};
pub use sources::InputSnapshot;

use crate::account::Account;
use crate::cache::freshness::{Mode, Ttls};
use crate::cache::key::{Choice, KeyPolicy};
use crate::fields::Field;
use crate::function_name::QualifiedName;
use crate::language::Language;
use crate::limits::{Compiling, InstancePolicy, Limits, Profile};
use crate::network::{Grants, Vpcs};

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub cache: Cache,
    pub geo: Geo,
    /// None: nothing is traced.
    pub tracing: Option<Tracing>,
    pub key_value_stores: BTreeMap<String, Arc<KeyValues>>,
    pub functions: BTreeMap<String, Arc<Function>>,
    pub origins: BTreeMap<String, Arc<Origin>>,
    pub origin_groups: BTreeMap<String, Arc<OriginGroup>>,
    pub sites: Vec<Arc<Site>>,
}

/// Process-wide settings. Changing them takes a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Cleartext HTTP/1.1 and HTTP/2 (prior knowledge).
    pub http: Vec<SocketAddr>,
    /// TLS; ALPN chooses HTTP/2 or HTTP/1.1.
    pub https: Vec<SocketAddr>,
    /// The AWS APIs.
    pub api: Option<SocketAddr>,
    /// The same over TLS.
    pub api_https: Option<SocketAddr>,
    pub api_account: Account,
    /// Where functions of the API may connect to.
    pub api_network: Grants,
    /// Where the buckets are whose objects are archives of functions.
    pub api_buckets: Option<PathBuf>,
    /// Below which folders code of functions may be that is reloaded when it changes.
    pub api_hot_reload: Vec<PathBuf>,
    /// Whether the clock of events may be moved: of hosts without a configuration, for trials.
    pub api_movable_clock: bool,
    /// What functions of the API can be attached to: `[vpc.NAME]`.
    pub vpcs: Vpcs,
    /// Private: metrics, health, drain.
    pub admin: Option<SocketAddr>,
    pub admin_access: Arc<AdminAccess>,
    /// One thread with one runtime each; default: the number of CPUs.
    pub workers: usize,
    /// The AOT cache lives here.
    pub data_dir: PathBuf,
    /// Where the Runtimes of sources are; None: where they are installed.
    pub runtimes: Option<PathBuf>,
    /// What compiling one component may cost. Heard at a reload.
    pub compiling: Compiling,
    pub edge_location: String,
    /// How long open requests may finish after SIGTERM.
    pub drain: Duration,
    /// How long listening goes on after SIGTERM at least; None: as long as it makes sense.
    pub drain_listen: Option<Duration>,
    /// None: there is none.
    pub access_log: Option<AccessLog>,
    /// Open WebSocket tunnels of one worker.
    pub websockets_per_worker: usize,
    /// Open connections of one client address; without a number, addresses of private networks are not counted.
    pub connections_per_client: Option<usize>,
    /// What a request's body must bring on average while it is waited for; 0 is nothing.
    pub upload_bytes_per_s: usize,
    /// Certificates by SNI; the first is the default.
    pub certificates: Vec<Certificate>,
}

/// What a line of the access log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// In the order of a line.
    pub fields: Vec<Field>,
    /// Whether queries of signed URLs are written down, which let their readers in.
    pub signed_queries: bool,
}

impl Default for AccessLog {
    fn default() -> AccessLog {
        AccessLog { fields: Field::defaults(), signed_queries: false }
    }
}

/// Who may ask the admin port, beside those who ask for its address or for `localhost`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdminAccess {
    /// Names that it is asked by, in lower case.
    pub hosts: Vec<String>,
    /// What who asks must know.
    pub token: Option<Token>,
}

/// A secret, of which only the digest is kept: a comparison takes as long for a good guess as for a bad one.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    pub fn new(secret: &str) -> Token {
        Token(Sha256::digest(secret).into())
    }

    pub fn is(&self, given: &str) -> bool {
        *self == Token::new(given)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// What is known of where a viewer is.
#[derive(Debug, Clone, Default)]
pub struct Geo {
    /// With MaxMind's fields of a country, and, for the headers that need them, of a city.
    pub city: Option<Database>,
    pub asn: Option<Database>,
}

/// A database in MaxMind's format, whole in memory.
#[derive(Clone)]
pub struct Database(pub Arc<maxminddb::Reader<Box<[u8]>>>);

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.0.metadata().database_type)
    }
}

/// A request header that tells of the viewer, by CloudFront's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerHeader {
    Country,
    CountryName,
    Region,
    RegionName,
    City,
    PostalCode,
    TimeZone,
    Latitude,
    Longitude,
    MetroCode,
    Asn,
    Address,
    Protocol,
    HttpVersion,
    IsDesktop,
    IsMobile,
    IsTablet,
    IsSmartTv,
    IsIos,
    IsAndroid,
}

/// Where traces go. Changing it takes a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// Of the collector.
    pub host: String,
    pub port: u16,
    /// Of the URL that spans are posted to.
    pub path: String,
    pub headers: Hidden<Vec<(String, String)>>,
    pub service_name: String,
    /// 0 to 1.
    pub sample_rate: f64,
}

/// How much is kept. Changing it takes a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    pub memory_bytes: u64,
    /// The largest body that is kept in memory.
    pub memory_object_bytes: u64,
    pub disk: Option<DiskCache>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCache {
    pub folder: PathBuf,
    pub bytes: u64,
    pub object_bytes: u64,
}

/// CloudFront's cache policy: for how long, and what tells two requests apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePolicy {
    pub name: String,
    pub mode: Mode,
    pub ttls: Ttls,
    pub key: KeyPolicy,
    /// In standards mode, whether responses are stored that set cookies, and those with them, though no cookie is keyed.
    pub store_set_cookie: bool,
}

/// CloudFront's origin request policy: what the origin sees without its being in the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    pub query: Choice<String>,
    pub headers: Choice<HeaderName>,
    pub cookies: Choice<String>,
}

/// CloudFront's response headers policy: what is added to responses, and taken out of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    pub cors: Option<Cors>,
    /// Whatever the origin says.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Unless the origin has one.
    pub add: Vec<(HeaderName, HeaderValue)>,
    pub remove: Vec<HeaderName>,
    /// Per cent of the responses that have `Server-Timing`.
    pub server_timing: u8,
}

/// The Fetch standard's CORS protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    pub origins: AllowedOrigins,
    pub credentials: bool,
    /// For preflights.
    pub methods: Option<HeaderValue>,
    pub headers: Option<HeaderValue>,
    pub max_age: Option<HeaderValue>,
    /// For all others.
    pub expose: Option<HeaderValue>,
    /// Also when the origin has said something of it.
    pub overrides: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    Any,
    /// In lower case; `https://*.example.com` stands for all names below.
    Some(Vec<String>),
}

impl Default for AllowedOrigins {
    fn default() -> AllowedOrigins {
        AllowedOrigins::Some(Vec::new())
    }
}

/// A key whose signatures are believed.
#[derive(Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// What signed URLs call it: `Key-Pair-Id`.
    pub id: String,
    pub kind: KeyKind,
    /// An RSAPublicKey in DER, or an uncompressed point of the curve.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Rsa,
    EcdsaP256,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Host names, `*.example.com` allowed; empty: what the certificate says.
    pub hosts: Vec<String>,
    pub chain: PathBuf,
    pub key: PathBuf,
    /// Until when the server's own certificate is valid (RFC 5280 section 4.1.2.5), in seconds since 1970; `None` where
    /// the chain cannot be read.
    pub not_after_s: Option<i64>,
}

/// A key-value store's contents, read from its JSON file (one object of strings).
#[derive(Debug, PartialEq, Eq)]
pub struct KeyValues {
    pub name: String,
    /// Counted: the revisions that read it share it.
    pub values: Hidden<Arc<BTreeMap<String, Vec<u8>>>>,
}

/// A component and its settings: what a Revision is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub name: String,
    /// The file that has its table.
    pub defined_in: PathBuf,
    pub code: FunctionCode,
    /// Viewer if any viewer moment of a site refers to it, else Worker.
    pub profile: Profile,
    pub limits: Limits,
    pub policy: InstancePolicy,
    /// Instances kept clean and ready, per worker. None: as the pool sees fit.
    pub min_warm: Option<usize>,
    pub key_value_store: Option<Arc<KeyValues>>,
    /// Where the component may connect to. Workers only.
    pub network: Grants,
    /// Environment variables of a worker component.
    pub environment: Hidden<Arc<BTreeMap<String, String>>>,
}

/// What a function runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionCode {
    Component(PathBuf),
    /// A source in a language whose Runtime runs it.
    Source {
        file: PathBuf,
        language: Language,
        text: Arc<str>,
    },
    /// A function's file or folder, in a language whose Runtime runs it.
    Package {
        files: PathBuf,
        language: Language,
        handler: String,
        /// Folders and zip archives, the content of its `/opt`: a later one before an earlier one.
        layers: Vec<PathBuf>,
    },
}

impl FunctionCode {
    pub fn file(&self) -> &Path {
        match self {
            FunctionCode::Component(file) | FunctionCode::Source { file, .. } | FunctionCode::Package { files: file, .. } => file,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    pub name: String,
    pub kind: OriginKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum OriginKind {
    Url(UrlOrigin),
    /// A folder; `index` is served for a path that ends in `/`.
    Folder {
        root: PathBuf,
        index: String,
    },
    Fixed {
        status: u16,
        headers: Hidden<Vec<(String, String)>>,
        body: bytes::Bytes,
    },
    /// A component that handles wasi:http, by function name.
    Component {
        function: String,
    },
    /// A function of the AWS APIs.
    Api {
        function: QualifiedName,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct UrlOrigin {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// Prefix, empty or `/x` without a trailing slash.
    pub path: String,
    /// What the origin sees as Host; default: `host` (with the port if it is not the scheme's), as CloudFront.
    pub host_header: Option<String>,
    /// Keep the viewer's Host instead.
    pub forward_host: bool,
    /// Added to each request.
    pub headers: Hidden<Vec<(String, String)>>,
    /// 1–10 s each; CloudFront's default is 10 s.
    pub connect_timeout: Duration,
    /// 1–3.
    pub connect_attempts: u32,
    /// Until the response's head, and between two reads of its body; 1–120 s, default 30 s.
    pub read_timeout: Duration,
    /// Idle connections are kept this long; 1–120 s, default 5 s.
    pub keepalive: Duration,
    pub max_idle_per_worker: usize,
    /// Open connections of one worker thread, idle ones and tunnels too.
    pub connections_per_worker: usize,
    /// Extra CA certificates (PEM), for private origins.
    pub ca: Option<PathBuf>,
}

/// Two origins; the second is asked when the first fails or answers with one of `status`.
/// GET, HEAD and OPTIONS only ("Optimize high availability with CloudFront origin failover").
#[derive(Debug, Clone, PartialEq)]
pub struct OriginGroup {
    pub name: String,
    pub primary: String,
    pub secondary: String,
    pub status: Vec<u16>,
}

/// What CloudFront calls a distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    pub name: String,
    /// Exact names, `*.example.com`, or `*`. The most exact match wins over all sites.
    pub hosts: Vec<String>,
    /// Tested in order, the first match wins; the default behavior (`*`) is last and always there.
    pub behaviors: Vec<Behavior>,
    /// Served for `/`; empty: none.
    pub default_root_object: String,
    /// One for each status at most.
    pub error_pages: Vec<ErrorPage>,
}

/// Which function a hook at the origin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginHookName {
    /// A function of the configuration.
    Declared(String),
    /// One that the AWS APIs make: it need not be there yet.
    Api(QualifiedName),
}

impl OriginHookName {
    /// The function of the configuration.
    pub fn declared(&self) -> Option<&String> {
        match self {
            OriginHookName::Declared(name) => Some(name),
            OriginHookName::Api(_) => None,
        }
    }
}

impl fmt::Display for OriginHookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginHookName::Declared(name) => f.write_str(name),
            OriginHookName::Api(name) => name.fmt(f),
        }
    }
}

/// What CloudFront calls a custom error response.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorPage {
    /// 400 to 599.
    pub status: u16,
    /// Of the page, on the same site; none: the error is served as it came.
    pub path: Option<String>,
    /// With which the page is served, instead of the error's own.
    pub response_status: Option<u16>,
    /// How long the error is remembered at least, instead of the cache policy's `error_ttl_s`.
    pub min_ttl_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// `*` is any run of characters (also `/`), `?` exactly one; matched on the path, case-sensitive.
    pub path: String,
    /// Name of an origin or an origin group.
    pub origin: String,
    pub viewer_protocol: ViewerProtocol,
    /// None: all but CONNECT and TRACE.
    pub allowed_methods: Option<Vec<String>>,
    /// They stand in the configuration, and are not the default.
    pub methods_are_chosen: bool,
    /// None: upgrades are not passed on.
    pub websocket: Option<WebSocket>,
    pub viewer_request: Option<String>,
    pub origin_request: Option<OriginHookName>,
    pub origin_response: Option<OriginHookName>,
    pub viewer_response: Option<String>,
    /// Origin hooks see request bodies.
    pub include_body: bool,
    /// None: nothing is cached, and everything is forwarded.
    pub cache: Option<Arc<CachePolicy>>,
    pub forwarding: Option<Arc<Forwarding>>,
    pub response_headers: Option<Arc<ResponseHeaders>>,
    pub forwarded_headers: ForwardedHeaders,
    /// Beside those that the policies name.
    pub viewer_headers: Vec<ViewerHeader>,
    /// What is stored is compressed for clients that can read it; only with a cache policy that keys a coding.
    pub compress: bool,
    /// By whose keys a request must be signed; empty: everybody has access.
    pub trusted_keys: Vec<Arc<PublicKey>>,
}

/// How WebSocket is passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocket {
    /// Without a byte in either direction for so long, a tunnel ends.
    pub idle: Duration,
}

/// What becomes of `Forwarded` (RFC 7239) and `X-Forwarded-Proto`, `-Host` and `-Port` on the way to an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeaders {
    /// The edge says them, in the place of what the client says; they are in every key.
    Set,
    Remove,
    /// As they come: for who has a proxy of his own before the edge. Policies of CloudFront's mode hold for them.
    Pass,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerProtocol {
    AllowAll,
    HttpsOnly,
    RedirectToHttps,
}

/// `[build.NAME]`: how `edgeward build` makes the component or the source of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    pub function: String,
    /// Where the command runs: the folder of the file that has the table.
    pub folder: PathBuf,
    /// The program and its arguments.
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
    pub product: BuildProduct,
    /// Files and folders whose changes `edgeward dev` notices.
    pub sources: Vec<PathBuf>,
}

/// What a build makes: of the command's `module`, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildProduct {
    Component {
        module: PathBuf,
        component: PathBuf,
    },
    /// The source of a viewer hook, of a script or an ES module.
    Script {
        module: PathBuf,
        source: PathBuf,
    },
    /// The command writes the function's source itself: a file or a folder.
    Source(PathBuf),
}
