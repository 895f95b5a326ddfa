//! What bounds the configuration itself.

/// Of the main file, and of all that it includes together.
pub const FILE_BYTES: u64 = 16 << 20;
pub const INCLUDED_FILES: usize = 1_000;
/// Of folders, looked at for one pattern of `include`.
pub const INCLUDE_ENTRIES: usize = 10_000;
/// Of a file that `${file:PATH}` names.
pub const VALUE_FILE_BYTES: u64 = 64 << 10;
/// Values from the environment and from files in one configuration, and the bytes of all of them.
pub const INSERTED_VALUES: usize = 10_000;
pub const INSERTED_BYTES: usize = 16 << 20;
/// Files of one function's folder that are watched for changes.
pub const WATCHED_FILES: usize = 1_000;
pub const COMPONENT_BYTES: u64 = 256 << 20;
pub const BEHAVIORS_PER_SITE: usize = 75;
pub const PATH_PATTERN_BYTES: usize = 255;
/// CloudFront's quotas of trusted signers.
pub const KEY_GROUPS_PER_BEHAVIOR: usize = 4;
pub const KEYS_PER_GROUP: usize = 5;
/// A PEM file of an RSA key of 8192 bits has 1.5 KB.
pub const PUBLIC_KEY_FILE_BYTES: u64 = 16 << 10;
/// Key, value and total size of a key-value store (CloudFront KeyValueStore quotas).
pub const KV_KEY_BYTES: usize = 512;
pub const KV_VALUE_BYTES: usize = 1_024;
pub const KV_STORE_BYTES: usize = 5 << 20;
/// The JSON file of a store is larger than its content: quotes, escapes, white space.
pub const KV_FILE_BYTES: u64 = 8 * KV_STORE_BYTES as u64;
/// Of a chain of certificates, of which only the first one's dates are read.
pub const CHAIN_BYTES: u64 = 1 << 20;
/// A certificate with less time left is warned of.
pub const CERTIFICATE_DAYS_LEFT: i64 = 30;
/// The secret of the admin port, with its file's white space.
pub const ADMIN_TOKEN_BYTES: u64 = 1 << 10;
pub const ADMIN_TOKEN_BYTES_MIN: usize = 16;
/// Of a MaxMind database, which is whole in memory.
pub const GEO_BYTES: u64 = 1 << 30;
/// Policy `reuse` of a function: its defaults, and the most that it may say.
pub const REUSE_CALLS: u64 = 1_000;
pub const REUSE_CALLS_MAX: u64 = 1_000_000_000;
pub const REUSE_IDLE_S: u64 = 60;
pub const REUSE_IDLE_S_MAX: u64 = 86_400;
/// Entries of a function's `network`.
pub const GRANTS: usize = 256;
/// `[vpc.NAME]` tables. In each, the defaults of Amazon VPC's quotas: subnets, security groups, and rules of one group.
pub const VPCS: usize = 100;
pub const SUBNETS: usize = 200;
pub const SECURITY_GROUPS: usize = 2_500;
pub const EGRESS_RULES: usize = 60;
/// CIDR blocks of one subnet, or of one rule.
pub const CIDRS: usize = 100;
/// Lambda's quota for environment variables.
pub const ENVIRONMENT_BYTES: usize = 4_096;
/// Worker threads.
pub const WORKERS: u64 = 256;
/// A drain, unless the configuration says otherwise, and the longest that it may say.
pub const DRAIN_S: u64 = 30;
pub const DRAIN_S_MAX: u64 = 900;
/// Addresses of `http` and of `https`.
pub const LISTENERS: usize = 64;
pub const CERTIFICATES: usize = 1_000;
pub const EDGE_LOCATION_BYTES: usize = 64;
pub const ADMIN_HOSTS: usize = 64;
/// Headers that an origin is told besides, and of one its name and its value.
pub const ORIGIN_HEADERS: usize = 30;
pub const ORIGIN_HEADER_NAME_BYTES: usize = 256;
pub const ORIGIN_HEADER_VALUE_BYTES: usize = 1_783;
/// Of an origin that is a fixed response.
pub const FIXED_BODY_BYTES: u64 = 1 << 20;
/// Idle connections that an origin may be allowed.
pub const IDLE_CONNECTIONS_MAX: u64 = 10_000;
pub const HOSTS_PER_SITE: usize = 1_000;
pub const METHOD_BYTES: usize = 32;
/// Names of headers, cookies or parameters that a policy forwards.
pub const FORWARDED_NAMES: usize = 100;
pub const ERROR_PAGE_TARGET_BYTES: usize = 4_096;
/// Names in one list of a response headers policy.
pub const RESPONSE_HEADER_NAMES: usize = 100;
pub const RESPONSE_MAX_AGE_S_MAX: u64 = 86_400 * 365;
/// Ten years. CloudFront's console allows one, but its API takes more.
pub const TTL_S_MAX: u64 = 315_360_000;
/// Of the name of a site, origin, function or policy, which metrics, logs and headers repeat.
pub const NAME_BYTES: usize = 64;
/// Words of the command of a `[build]` table, and files and folders that are its sources.
pub const BUILD_WORDS: usize = 256;
pub const BUILD_SOURCES: usize = 256;

/// What bounds the report about a configuration that is refused.
pub mod report {
    /// Errors that are listed; the rest is counted.
    pub const ERRORS: usize = 100;
    /// Errors of syntax that are listed. A file with more is no TOML at all.
    pub const SYNTAX_ERRORS: usize = 10;
    /// Of a line of the file, as an error shows it.
    pub const LINE_CHARS: usize = 160;
    /// Names that a remedy lists; the rest is counted.
    pub const NAMES: usize = 40;
    /// A shorter part of a value that is hidden is no secret: it is replaced where it is quoted, and not everywhere.
    pub const SECRET_BYTES_MIN: usize = 4;
}
