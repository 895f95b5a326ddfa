//! What IAM and STS bound of an account, of an identity and of a session
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).

use std::time::Duration;

pub const ROLES: usize = 1_000;
pub const USERS: usize = 5_000;
/// That the account has made.
pub const POLICIES: usize = 1_500;
/// Managed policies that are attached to one identity.
pub const ATTACHED: usize = 10;
pub const VERSIONS: usize = 5;
pub const ACCESS_KEYS: usize = 2;
pub const TAGS: usize = 50;
pub const TAG_KEY_CHARS: usize = 128;
pub const TAG_VALUE_CHARS: usize = 256;
pub const ROLE_NAME_CHARS: usize = 64;
pub const USER_NAME_CHARS: usize = 64;
/// Of managed policies and of inline ones.
pub const POLICY_NAME_CHARS: usize = 128;
pub const PATH_CHARS: usize = 512;
pub const DESCRIPTION_CHARS: usize = 1_000;
/// What a page of a list has, and at most.
pub const PAGE: usize = 100;
pub const PAGE_MAX: i64 = 1_000;
/// Of the marker of a page.
pub const MARKER_BYTES: usize = 512;
/// Parameters of one request.
pub const PARAMETERS: usize = 1_000;
/// Decisions that one simulation makes: actions times resources.
pub const SIMULATED: usize = 100;
/// Of an ARN, action or value that is held against policies: what a decision takes grows with it.
pub const RESOURCE_BYTES: usize = 2_048;

/// How long a session of a role holds, in seconds: at least, if nobody says, and at most.
pub const SESSION_S_MIN: i64 = 900;
pub const SESSION_S: i64 = 3_600;
pub const SESSION_S_MAX: i64 = 43_200;
/// The least that a role may have for the longest.
pub const ROLE_SESSION_S_MIN: i64 = 3_600;
/// Of a session that was begun by another session.
pub const CHAINED_SESSION_S_MAX: i64 = 3_600;
/// Of a user's session.
pub const USER_SESSION_S: i64 = 43_200;
pub const USER_SESSION_S_MAX: i64 = 129_600;
/// Of a session's policy.
pub const SESSION_POLICY_CHARS: usize = 2_048;
/// Of a session's token: a policy whose characters have two bytes, in Base64, with names and times.
pub const TOKEN_BYTES: usize = 8_192;

/// Of the HMAC that signs a token, and of the part of one that is a session's secret: 40 letters of Base64.
pub const TOKEN_TAG_BYTES: usize = 32;
pub const SECRET_BYTES: usize = 30;
/// Of an access key and of an id, behind the four letters that say what it is.
pub const ACCESS_KEY_LETTERS: usize = 16;
pub const ID_LETTERS: usize = 17;

/// A stranger's keys make the file of keys be read again this often at most.
pub const READ_AGAIN: Duration = Duration::from_secs(1);
/// Of keys in `credentials.json`: two for each user, and administrators.
pub const CREDENTIALS: usize = 12_000;

/// What is kept parsed, in bytes of the texts of policies.
pub const PARSED_BYTES: u64 = 16 << 20;
/// Identities that are kept parsed.
pub const PARSED: usize = 4_096;
/// Sessions' policies that are kept parsed.
pub const PARSED_SESSIONS: usize = 512;
/// What a policy's condition sees of a user agent.
pub const USER_AGENT_CHARS: usize = 512;
