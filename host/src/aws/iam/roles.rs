//! Roles: who may be assumed, and by whom.

use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::nothing;
use crate::aws::iam::{entity, input, policy_documents, users};
use crate::aws::identities::{IdentityKind, IdentityRecord, RoleRecord};
use crate::aws::policy::{PolicyKind, PolicySize};
use crate::aws::query::{QueryForm, Xml};
use crate::limits::iam::{ROLE_SESSION_S_MIN, ROLES, SESSION_S, SESSION_S_MAX};
use crate::percent::encoded;

const KIND: IdentityKind = IdentityKind::Role;

pub fn create(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let role = RoleRecord {
        trust: policy_documents::read(op.form, "AssumeRolePolicyDocument", PolicyKind::Trust, Some(PolicySize::Trust))?
            .to_owned(),
        description: input::description(op.form)?,
        max_session_s: max_session(op.form)?.unwrap_or(SESSION_S.unsigned_abs()),
    };
    let mut record = users::new(op, input::role_name(op.form)?, "AROA")?;
    record.role = Some(role);
    op.identities().change(|change| {
        users::require_free(op, KIND, &record.name, ("Role", "RolesPerAccount", ROLES))?;
        Ok(op.identities().put(change, KIND, &record)?)
    })?;
    Ok(Some(one(op, &record)))
}

pub fn get(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let record = users::record(op)?;
    let mut xml = Xml::default();
    xml.within("Role", |xml| {
        members(op, xml, &record);
        // When it was used last is not kept.
        xml.within("RoleLastUsed", |_| {});
    });
    Ok(Some(xml))
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let page = users::page(op)?;
    let mut xml = Xml::default();
    // AWS leaves these out of lists, too.
    xml.list("Roles", &page.items, |xml, record| {
        members(op, xml, &IdentityRecord { tags: Default::default(), ..record.clone() })
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

pub fn delete(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    users::remove(op, |_| Ok(()))
}

pub fn update(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let (description, max_session_s) = (input::description(op.form)?, max_session(op.form)?);
    users::change(op, |record| {
        let Some(role) = &mut record.role else { return Ok(()) };
        if op.form.has("Description") {
            role.description = description;
        }
        role.max_session_s = max_session_s.unwrap_or(role.max_session_s);
        Ok(())
    })?;
    Ok(Some(Xml::default()))
}

pub fn update_description(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let description = input::description(op.form)?;
    let record = users::change(op, |record| {
        if let Some(role) = &mut record.role {
            role.description = description;
        }
        Ok(())
    })?;
    Ok(Some(one(op, &record)))
}

pub fn update_trust(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let text = policy_documents::read(op.form, "PolicyDocument", PolicyKind::Trust, Some(PolicySize::Trust))?;
    users::change(op, |record| {
        if let Some(role) = &mut record.role {
            role.trust = text.to_owned();
        }
        Ok(())
    })?;
    Ok(None)
}

/// Terraform asks before it deletes a role.
pub fn no_instance_profiles(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    users::record(op).map(|_| Some(nothing("InstanceProfiles")))
}

/// `MaxSessionDuration`, in seconds.
fn max_session(form: &QueryForm) -> Result<Option<u64>, ApiError> {
    let asked = input::number(form, "MaxSessionDuration", ROLE_SESSION_S_MIN..=SESSION_S_MAX)?;
    Ok(asked.map(i64::unsigned_abs))
}

fn one(op: &IamOperation<'_>, record: &IdentityRecord) -> Xml {
    let mut xml = Xml::default();
    xml.within("Role", |xml| members(op, xml, record));
    xml
}

fn members(op: &IamOperation<'_>, xml: &mut Xml, record: &IdentityRecord) {
    xml.text("Path", &record.path);
    xml.text("RoleName", &record.name);
    xml.text("RoleId", &record.id);
    xml.text("Arn", &op.identities().arn_of(KIND, record));
    entity::date(xml, "CreateDate", record.created_s);
    if let Some(role) = &record.role {
        xml.text("AssumeRolePolicyDocument", &encoded(&role.trust));
        xml.optional("Description", role.description.as_deref());
        xml.text("MaxSessionDuration", &role.max_session_s.to_string());
    }
    entity::tags(xml, &record.tags);
}
