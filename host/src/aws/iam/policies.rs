//! Managed policies: those that the account makes, and AWS's, which can be looked at.

use std::collections::{BTreeMap, HashMap};

use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::ListPage;
use crate::aws::iam::{entity, input, policy_documents};
use crate::aws::identities::{IdentityKind, ManagedPolicyRecord, VersionRecord};
use crate::aws::policy::{MANAGED, ManagedPolicy, PolicyKind, PolicySize};
use crate::aws::query::Xml;
use crate::aws::unique_id;
use crate::limits::iam::{PATH_CHARS, POLICIES};

/// When AWS's policies were made, as far as this host is concerned: 2015-02-06, in seconds since 1970.
pub const MANAGED_S: u64 = 1_423_217_640;

pub fn create(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let text = policy_documents::read(op.form, "PolicyDocument", PolicyKind::Identity, Some(PolicySize::Managed))?;
    let record = ManagedPolicyRecord {
        name: input::policy_name(op.form)?.to_owned(),
        path: input::path(op.form)?.to_owned(),
        id: unique_id::id("ANPA").map_err(|error| ApiError::internal(&error))?,
        created_s: op.now_s,
        updated_s: op.now_s,
        description: input::description(op.form)?,
        versions: BTreeMap::from([(1, VersionRecord { text: text.to_owned(), created_s: op.now_s })]),
        default: 1,
        next: 2,
        tags: input::tags(op.form)?,
    };
    op.identities().change(|change| {
        let names = op.identities().names("policy")?;
        if names.iter().any(|known| known.eq_ignore_ascii_case(&record.name)) {
            let name = &record.name;
            return Err(entity::taken(format!("A policy called {name} already exists. Duplicate names are not allowed.")));
        }
        if names.len() >= POLICIES {
            return Err(entity::limit("PoliciesPerAccount", POLICIES));
        }
        Ok(op.identities().put_policy(change, &record)?)
    })?;
    Ok(Some(one(&Shown::own(op, record), 0)))
}

pub fn get(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let arn = input::policy_arn(op.form)?;
    let shown = match ManagedPolicy::by_arn(arn) {
        Some(managed) => Shown::managed(managed),
        None => Shown::own(op, own(op, arn)?),
    };
    let count = attachments(op)?.remove(arn).unwrap_or(0);
    Ok(Some(one(&shown, count)))
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let scope = op.form.parameter("Scope").unwrap_or("All");
    let prefix = op.form.parameter("PathPrefix").unwrap_or("/");
    let mut constraints = crate::aws::constraints::Constraints::default();
    constraints.one_of("scope", scope, &["All", "AWS", "Local"]);
    constraints.length("pathPrefix", prefix, 1..=PATH_CHARS);
    constraints.finish()?;
    let mut found = Vec::new();
    if scope != "AWS" {
        found.extend(op.identities().policies()?.into_iter().map(|record| Shown::own(op, record)));
    }
    if scope != "Local" {
        found.extend(MANAGED.iter().map(Shown::managed));
    }
    let counts = attachments(op)?;
    let count = |shown: &Shown| counts.get(&shown.arn).copied().unwrap_or(0);
    let only_attached = op.form.parameter("OnlyAttached") == Some("true");
    found.retain(|shown| shown.path.starts_with(prefix) && (!only_attached || count(shown) > 0));
    let page = ListPage::of(op.form, found, |shown| shown.arn.clone())?;
    let mut xml = Xml::default();
    // AWS leaves description and tags out of lists, too.
    xml.list("Policies", &page.items, |xml, shown| members(xml, shown, count(shown)));
    page.end(&mut xml);
    Ok(Some(xml))
}

pub fn delete(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let arn = require_own(op)?;
    op.identities().change(|change| {
        let record = own(op, arn)?;
        if attachments(op)?.contains_key(arn) {
            return Err(entity::in_use("Cannot delete a policy attached to entities."));
        }
        if record.versions.len() > 1 {
            return Err(entity::in_use(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        Ok(op.identities().remove(change, "policy", &record.name)?)
    })?;
    Ok(None)
}

/// The ARN of a policy that is to be changed.
///
/// # Errors
/// Nobody changes AWS's policies.
pub fn require_own<'a>(op: &IamOperation<'a>) -> Result<&'a str, ApiError> {
    let arn = input::policy_arn(op.form)?;
    if ManagedPolicy::by_arn(arn).is_some() {
        let why = format!("Policy {arn} is AWS's, and cannot be changed.");
        return Err(ApiError::forbidden("AccessDeniedException", why));
    }
    Ok(arn)
}

/// A policy that the account has made.
pub fn own(op: &IamOperation<'_>, arn: &str) -> Result<ManagedPolicyRecord, ApiError> {
    op.identities().policy(arn)?.ok_or_else(|| missing(arn))
}

/// Changes the policy that a request is about.
pub fn change<T>(
    op: &IamOperation<'_>,
    work: impl FnOnce(&mut ManagedPolicyRecord) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let arn = require_own(op)?;
    op.identities().change(|change| {
        let mut record = own(op, arn)?;
        let done = work(&mut record)?;
        op.identities().put_policy(change, &record)?;
        Ok(done)
    })
}

pub fn is_there(op: &IamOperation<'_>, arn: &str) -> Result<bool, ApiError> {
    Ok(ManagedPolicy::by_arn(arn).is_some() || op.identities().policy(arn)?.is_some())
}

pub fn missing(arn: &str) -> ApiError {
    entity::missing(format!("Policy {arn} was not found."))
}

/// How many roles and users have each policy that any has.
fn attachments(op: &IamOperation<'_>) -> Result<HashMap<String, usize>, ApiError> {
    let mut counts = HashMap::new();
    for kind in [IdentityKind::Role, IdentityKind::User] {
        for arn in op.identities().records(kind)?.into_iter().flat_map(|record| record.attached) {
            *counts.entry(arn).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

/// What answers tell of a policy.
struct Shown {
    arn: String,
    id: String,
    name: String,
    path: String,
    version: String,
    created_s: u64,
    updated_s: u64,
    description: Option<String>,
    tags: BTreeMap<String, String>,
}

impl Shown {
    fn own(op: &IamOperation<'_>, record: ManagedPolicyRecord) -> Shown {
        Shown {
            arn: op.identities().arn("policy", &record.path, &record.name),
            version: format!("v{}", record.default),
            id: record.id,
            name: record.name,
            path: record.path,
            created_s: record.created_s,
            updated_s: record.updated_s,
            description: record.description,
            tags: record.tags,
        }
    }

    fn managed(policy: &ManagedPolicy) -> Shown {
        use sha2::Digest as _;
        Shown {
            arn: policy.arn.to_owned(),
            id: unique_id::id_of_digest("ANPA", &sha2::Sha256::digest(policy.arn).into()),
            name: policy.name.to_owned(),
            path: policy.path().to_owned(),
            version: policy.version_id.to_owned(),
            created_s: MANAGED_S,
            updated_s: MANAGED_S,
            description: None,
            tags: BTreeMap::new(),
        }
    }
}

fn one(shown: &Shown, attached: usize) -> Xml {
    let mut xml = Xml::default();
    xml.within("Policy", |xml| {
        members(xml, shown, attached);
        xml.optional("Description", shown.description.as_deref());
        entity::tags(xml, &shown.tags);
    });
    xml
}

fn members(xml: &mut Xml, shown: &Shown, attached: usize) {
    xml.text("PolicyName", &shown.name);
    xml.text("PolicyId", &shown.id);
    xml.text("Arn", &shown.arn);
    xml.text("Path", &shown.path);
    xml.text("DefaultVersionId", &shown.version);
    xml.text("AttachmentCount", &attached.to_string());
    xml.text("PermissionsBoundaryUsageCount", "0");
    xml.text("IsAttachable", "true");
    entity::date(xml, "CreateDate", shown.created_s);
    entity::date(xml, "UpdateDate", shown.updated_s);
}
