//! What secrets and parameters are bounded by alike, where AWS bounds them alike.

/// Of a request. The largest that AWS accepts has 65,536 bytes, each escaped in JSON as six.
pub const BODY_BYTES: usize = 1 << 20;
/// Of a token for the next page, which has the name of a record in it.
pub const TOKEN_BYTES: usize = 4_096;
/// Of a secret or parameter.
pub const TAGS: usize = 50;
pub const TAG_KEY_CHARS: usize = 128;
pub const TAG_VALUE_CHARS: usize = 256;

/// Of the store's cache: what is read again is in memory as records, or in the page cache.
pub const CACHE_BYTES: usize = 64 << 20;
