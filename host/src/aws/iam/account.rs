//! What the account has, in numbers.

use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::nothing;
use crate::aws::policy::PolicySize;
use crate::aws::query::Xml;
use crate::limits::iam::{ACCESS_KEYS, ATTACHED, POLICIES, ROLES, USERS, VERSIONS};

/// `GetAccountSummary`, as far as there is something.
pub fn summary(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let count = |folder| op.identities().names(folder).map(|names| names.len());
    let numbers = [
        ("AccessKeysPerUserQuota", ACCESS_KEYS),
        ("AccountAccessKeysPresent", 1),
        ("AccountMFAEnabled", 0),
        ("AssumeRolePolicySizeQuota", PolicySize::Trust.chars_max()),
        ("AttachedPoliciesPerRoleQuota", ATTACHED),
        ("AttachedPoliciesPerUserQuota", ATTACHED),
        ("Groups", 0),
        ("MFADevices", 0),
        ("Policies", count("policy")?),
        ("PoliciesQuota", POLICIES),
        ("PolicySizeQuota", PolicySize::Managed.chars_max()),
        ("Providers", 0),
        ("RolePolicySizeQuota", PolicySize::RoleInline.chars_max()),
        ("Roles", count("role")?),
        ("RolesQuota", ROLES),
        ("UserPolicySizeQuota", PolicySize::UserInline.chars_max()),
        ("Users", count("user")?),
        ("UsersQuota", USERS),
        ("VersionsPerPolicyQuota", VERSIONS),
    ];
    let mut xml = Xml::default();
    xml.within("SummaryMap", |xml| {
        for (key, number) in numbers {
            xml.within("entry", |xml| {
                xml.text("key", key);
                xml.text("value", &number.to_string());
            });
        }
    });
    Ok(Some(xml))
}

/// An account here has its number for a name.
pub fn no_aliases(_: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    Ok(Some(nothing("AccountAliases")))
}
