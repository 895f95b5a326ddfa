//! What Parameter Store bounds of an account, of a parameter and of a request.
//!
//! Sources: <https://docs.aws.amazon.com/general/latest/gr/ssm.html> and botocore's model of 2014-11-06.

/// Of an account, as AWS has it for the advanced tier. Each is in memory, without its values.
pub const PARAMETERS: usize = 100_000;
/// Of a name or an ARN in a request.
pub const ID_CHARS: usize = 2_048;
/// Of a name, as AWS documents it.
pub const NAME_CHARS: usize = 1_011;
/// Parts of a name between slashes.
pub const LEVELS: usize = 15;
/// Of a value, by tier.
pub const STANDARD_BYTES: usize = 4_096;
pub const ADVANCED_BYTES: usize = 8_192;
pub const DESCRIPTION_CHARS: usize = 1_024;
/// Of the id of a KMS key.
pub const KEY_ID_CHARS: usize = 256;
/// Of a parameter; the oldest goes when another one comes.
pub const VERSIONS: usize = 100;
/// Of a version, and of a request.
pub const LABELS: usize = 10;
pub const LABEL_CHARS: usize = 100;

/// Parameters of one page.
pub const PAGE: usize = 50;
/// Parameters of one page of a path.
pub const PAGE_BELOW_PATH: usize = 10;
/// Versions of one page.
pub const PAGE_VERSIONS: usize = 50;
/// Parameters that one request names.
pub const NAMES: usize = 10;
/// Of one request: each key but `tag:` comes once, and a parameter has as many tags.
pub const FILTERS: usize = 60;
/// `tag:` and the key of a tag.
pub const FILTER_KEY_CHARS: usize = 132;
/// Of one filter.
pub const FILTER_VALUES: usize = 50;
pub const FILTER_VALUE_CHARS: usize = 1_024;
