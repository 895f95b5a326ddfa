//! Versions of the policies that the account makes. Of AWS's, there is the one that holds.

use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::ListPage;
use crate::aws::iam::{entity, input, policies, policy_documents};
use crate::aws::identities::{ManagedPolicyRecord, VersionRecord};
use crate::aws::policy::{ManagedPolicy, PolicyKind, PolicySize};
use crate::aws::query::Xml;
use crate::limits::iam::VERSIONS;
use crate::percent::encoded;

pub fn create(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let text = policy_documents::read(op.form, "PolicyDocument", PolicyKind::Identity, Some(PolicySize::Managed))?;
    let (number, is_default) = policies::change(op, |record| {
        if record.versions.len() >= VERSIONS {
            return Err(entity::limit_text(format!(
                "A managed policy can have up to {VERSIONS} versions. Before you create a new version, you must delete an existing version."
            )));
        }
        let number = record.next;
        record.next += 1;
        record.versions.insert(number, VersionRecord { text: text.to_owned(), created_s: op.now_s });
        if op.form.parameter("SetAsDefault") == Some("true") {
            record.default = number;
        }
        record.updated_s = op.now_s;
        Ok((number, record.default == number))
    })?;
    let mut xml = Xml::default();
    xml.within("PolicyVersion", |xml| members(xml, &format!("v{number}"), is_default, op.now_s));
    Ok(Some(xml))
}

pub fn get(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let (arn, id) = (input::policy_arn(op.form)?, input::required(op.form, "VersionId")?);
    let mut xml = Xml::default();
    if let Some(managed) = ManagedPolicy::by_arn(arn) {
        if id != managed.version_id {
            return Err(missing(arn, id));
        }
        xml.within("PolicyVersion", |xml| {
            xml.text("Document", &encoded(managed.document));
            members(xml, id, true, policies::MANAGED_S);
        });
        return Ok(Some(xml));
    }
    let record = policies::own(op, arn)?;
    let number = number(&record, arn, id)?;
    let version = &record.versions[&number];
    xml.within("PolicyVersion", |xml| {
        xml.text("Document", &encoded(&version.text));
        members(xml, id, record.default == number, version.created_s);
    });
    Ok(Some(xml))
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let arn = input::policy_arn(op.form)?;
    let versions = match ManagedPolicy::by_arn(arn) {
        Some(managed) => vec![(managed.version_id.to_owned(), true, policies::MANAGED_S)],
        None => {
            let record = policies::own(op, arn)?;
            let told =
                |(number, version): (&u32, &VersionRecord)| (format!("v{number}"), *number == record.default, version.created_s);
            record.versions.iter().map(told).collect()
        }
    };
    // The newest is the first: keys are sorted, and numbers have ten digits at most.
    let page = ListPage::of(op.form, versions, |(id, ..)| format!("{:010}", u32::MAX - id[1..].parse::<u32>().unwrap_or(0)))?;
    let mut xml = Xml::default();
    xml.list("Versions", &page.items, |xml, (id, is_default, created_s)| members(xml, id, *is_default, *created_s));
    page.end(&mut xml);
    Ok(Some(xml))
}

pub fn delete(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let (arn, id) = (input::policy_arn(op.form)?, input::required(op.form, "VersionId")?);
    policies::change(op, |record| {
        let number = number(record, arn, id)?;
        if record.default == number {
            return Err(entity::in_use("Cannot delete the default version of a policy."));
        }
        record.versions.remove(&number);
        record.updated_s = op.now_s;
        Ok(())
    })?;
    Ok(None)
}

pub fn set_default(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let (arn, id) = (input::policy_arn(op.form)?, input::required(op.form, "VersionId")?);
    policies::change(op, |record| {
        record.default = number(record, arn, id)?;
        record.updated_s = op.now_s;
        Ok(())
    })?;
    Ok(None)
}

/// The number of a version that is there.
fn number(record: &ManagedPolicyRecord, arn: &str, id: &str) -> Result<u32, ApiError> {
    let number = id.strip_prefix('v').and_then(|number| number.parse().ok());
    // `v01` and `v+1` are numbers, too.
    let number = number.filter(|number| record.versions.contains_key(number) && id == format!("v{number}"));
    number.ok_or_else(|| missing(arn, id))
}

fn missing(arn: &str, id: &str) -> ApiError {
    let id: String = id.chars().take(32).collect();
    entity::missing(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

fn members(xml: &mut Xml, id: &str, is_default: bool, created_s: u64) {
    xml.text("VersionId", id);
    xml.text("IsDefaultVersion", if is_default { "true" } else { "false" });
    entity::date(xml, "CreateDate", created_s);
}
