//! Bounds of a policy: its length, by what it is written for, and how many parts it has.
//!
//! Source of the lengths, in characters besides white space, which IAM does not count:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.

/// The longest text of a policy with its white space.
pub const TEXT_BYTES_MAX: usize = 131_072;
/// The most statements of a policy.
pub const STATEMENTS_MAX: usize = 200;
/// The most actions, resources, principals and values of conditions of a policy, together.
pub const VALUES_MAX: usize = 1_000;

pub const MANAGED_CHARS: usize = 6_144;
/// Of all inline policies of a user, of a group and of a role.
pub const USER_INLINE_CHARS: usize = 2_048;
pub const ROLE_INLINE_CHARS: usize = 10_240;
pub const TRUST_CHARS: usize = 2_048;
/// Of the policy of a resource, such as a function.
pub const RESOURCE_CHARS: usize = 20_480;
