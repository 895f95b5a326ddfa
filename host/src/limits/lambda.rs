//! What Lambda bounds of a function and of a request to its API
//! (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).

/// Of a function's name; of all that names one, with account, region and qualifier; and of a qualifier.
pub const NAME_CHARS: usize = 64;
pub const IDENTIFIER_CHARS: usize = 140;
pub const QUALIFIER_CHARS: usize = 128;
pub const HANDLER_CHARS: usize = 128;
/// Of one function's `VpcConfig`, and characters of each id in it.
pub const SUBNETS: usize = 16;
pub const SECURITY_GROUPS: usize = 5;
pub const VPC_ID_CHARS: usize = 1_024;
pub const DESCRIPTION_CHARS: usize = 256;
pub const TIMEOUT_S: u32 = 3;
/// AWS has raised this from 900.
pub const TIMEOUT_S_MAX: i64 = 1_800;
/// Where API Gateway gives up.
pub const GATEWAY_S: i64 = 29;
/// What the service's model allows, of which functions of other kinds get more.
pub const TIMEOUT_S_MODEL: i64 = 5_400;
pub const MEMORY_MB: u32 = 128;
pub const MEMORY_MB_MIN: i64 = 128;
pub const MEMORY_MB_MAX: i64 = 10_240;
pub const MEMORY_MB_MODEL: i64 = 32_768;
/// Buys one processor.
pub const MEMORY_MB_PER_CPU: u32 = 1_769;
/// `/tmp`.
pub const STORAGE_MB: u32 = 512;
pub const STORAGE_MB_MIN: i64 = 512;
pub const STORAGE_MB_MAX: i64 = 10_240;
pub const STORAGE_MB_MODEL: i64 = 32_768;
/// Of all variables, as JSON.
pub const ENVIRONMENT_BYTES: usize = 4_096;
/// Of a variable's value, once its references are resolved: what a secret may have.
pub const RESOLVED_BYTES: usize = 65_536;
/// Of an archive that is sent in a request.
pub const ZIP_BYTES: usize = 52_428_800;
/// Of a whole request.
pub const REQUEST_BYTES: usize = 70_167_211;
/// Of requests that are read at the same time, in all: what a control plane needs, and no more than a machine can hold.
pub const REQUEST_BYTES_ALL: usize = 4 * REQUEST_BYTES;
/// A body above this is hashed on a thread that may block.
pub const HASHED_INLINE_BYTES: usize = 256 << 10;
/// The location of an archive is good for so long, as AWS's are.
pub const LOCATION_S: u64 = 600;
/// A stranger's keys make the file of credentials be read again this often at most.
pub const CREDENTIALS_AGAIN_MS: u64 = 1_000;
/// Of the ARN of a runtime's build.
pub const RUNTIME_VERSION_CHARS: std::ops::RangeInclusive<usize> = 26..=2_048;
/// Of a resource policy.
pub const POLICY_BYTES: usize = 20_480;
/// Of the client context, as it is sent.
pub const CLIENT_CONTEXT_BYTES: usize = 3_583;
/// Of a log that is sent back with a reply.
pub const LOG_TAIL_BYTES: usize = 4_096;
/// Of one message of a reply that is streamed.
pub const STREAM_CHUNK_BYTES: usize = 256 << 10;
/// So many pieces of an answer are made before its client has taken any.
pub const STREAM_PIECES: usize = 4;
/// Of one line in CloudWatch's embedded metric format.
pub const EMF_METRICS: usize = 100;
pub const EMF_DIMENSIONS: usize = 30;
pub const TAGS: usize = 50;
/// What a page of a list has at most, and without being asked.
pub const PAGE: usize = 50;
/// Functions of an account.
pub const FUNCTIONS: usize = 100_000;
/// Versions and aliases of a function.
pub const VERSIONS: usize = 10_000;
pub const ALIASES: usize = 1_000;

/// Calls that run at the same time, in the account.
pub const CONCURRENCY: u32 = 1_000;
/// What of it no function may reserve.
pub const UNRESERVED: u32 = 100;
/// Calls a second for each that may run at the same time.
pub const RATE_PER_CONCURRENCY: u32 = 10;

/// The credentials of a function's role end after so long; half of it before, they are renewed.
pub const CREDENTIAL_S: u64 = 43_200;

/// What versions that are kept built begin with, all together: it is on disk, and in the page cache where it is used. A version
/// counts for so much more, since it takes memory; what there is no room for is built again when it is called.
pub const BUILT_BYTES: u64 = 4 << 30;
pub const BUILT_BYTES_EACH: u64 = 512 << 10;

/// An environment that nobody calls is kept for so long.
pub const IDLE_S: u64 = 300;
/// And serves at most so many calls.
pub const CALLS: u64 = 1_000_000;
