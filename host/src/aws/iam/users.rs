//! Users, and what roles have in common with them.
//!
//! An administrator is a user of whom there is no record: it can be looked at, and only the command line changes it.

use crate::aws::authorization::administrator_id;
use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::{ListPage, nothing};
use crate::aws::iam::{entity, input};
use crate::aws::identities::{IdentityKind, IdentityRecord};
use crate::aws::query::Xml;
use crate::aws::unique_id;
use crate::limits::iam::{PATH_CHARS, USERS};

const KIND: IdentityKind = IdentityKind::User;

pub fn create(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let record = new(op, input::user_name(op.form)?, "AIDA")?;
    op.identities().change(|change| {
        require_free(op, KIND, &record.name, ("User", "UsersPerAccount", USERS))?;
        if administrator(op, &record.name)?.is_some() {
            return Err(entity::taken(format!("User with name {} already exists.", record.name)));
        }
        Ok(op.identities().put(change, KIND, &record)?)
    })?;
    Ok(Some(one(op, &record, true)))
}

pub fn get(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let name = op.user()?;
    let record = match op.identities().record(KIND, &name)? {
        Some(record) => record,
        None => administrator(op, &name)?.ok_or_else(|| entity::missing_identity(KIND, &name))?,
    };
    Ok(Some(one(op, &record, true)))
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let page = page(op)?;
    let mut xml = Xml::default();
    xml.list("Users", &page.items, |xml, record| members(op, xml, record, false));
    page.end(&mut xml);
    Ok(Some(xml))
}

pub fn delete(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    remove(op, |record| {
        let keys = op.authority.credentials.of_user(&record.id).map_err(|error| ApiError::internal(&error))?;
        if !keys.is_empty() {
            return Err(entity::in_use("Cannot delete entity, must delete access keys first."));
        }
        Ok(())
    })
}

/// Terraform asks before it deletes a user.
pub fn no_groups(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    record(op).map(|_| Some(nothing("Groups")))
}

/// What an administrator's record would be.
fn administrator(op: &IamOperation<'_>, name: &str) -> Result<Option<IdentityRecord>, ApiError> {
    let found = op.authority.credentials.administrator(name).map_err(|error| ApiError::internal(&error))?;
    Ok(found.map(|credential| IdentityRecord {
        id: administrator_id(&credential.name),
        name: credential.name,
        path: "/".to_owned(),
        created_s: credential.created_ms / 1_000,
        inline: Default::default(),
        attached: Vec::new(),
        tags: Default::default(),
        role: None,
    }))
}

fn one(op: &IamOperation<'_>, record: &IdentityRecord, with_tags: bool) -> Xml {
    let mut xml = Xml::default();
    xml.within("User", |xml| members(op, xml, record, with_tags));
    xml
}

fn members(op: &IamOperation<'_>, xml: &mut Xml, record: &IdentityRecord, with_tags: bool) {
    xml.text("Path", &record.path);
    xml.text("UserName", &record.name);
    xml.text("UserId", &record.id);
    xml.text("Arn", &op.identities().arn_of(KIND, record));
    entity::date(xml, "CreateDate", record.created_s);
    if with_tags {
        entity::tags(xml, &record.tags);
    }
}

/// A new role or user.
///
/// # Errors
/// What the model excludes; a permissions boundary, which would be forgotten otherwise.
pub fn new(op: &IamOperation<'_>, name: &str, id: &str) -> Result<IdentityRecord, ApiError> {
    if op.form.has("PermissionsBoundary") {
        return Err(ApiError::not_there("PermissionsBoundary"));
    }
    Ok(IdentityRecord {
        name: name.to_owned(),
        path: input::path(op.form)?.to_owned(),
        id: unique_id::id(id).map_err(|error| ApiError::internal(&error))?,
        created_s: op.now_s,
        inline: Default::default(),
        attached: Vec::new(),
        tags: input::tags(op.form)?,
        role: None,
    })
}

/// Asks, in a change, for a name that nothing has, in upper case or lower, and for room: `(kind, quota, most)`.
pub fn require_free(
    op: &IamOperation<'_>,
    kind: IdentityKind,
    name: &str,
    (title, quota, most): (&str, &str, usize),
) -> Result<(), ApiError> {
    let names = op.identities().names(kind.folder())?;
    if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(entity::taken(format!("{title} with name {name} already exists.")));
    }
    if names.len() >= most {
        return Err(entity::limit(quota, most));
    }
    Ok(())
}

/// The name of the role or user that a request is about.
pub fn name<'a>(op: &IamOperation<'a>) -> Result<&'a str, ApiError> {
    match op.kind() {
        IdentityKind::Role => input::role_name(op.form),
        IdentityKind::User => input::user_name(op.form),
    }
}

/// The role or user that a request is about.
pub fn record(op: &IamOperation<'_>) -> Result<IdentityRecord, ApiError> {
    let name = name(op)?;
    op.identities().record(op.kind(), name)?.ok_or_else(|| entity::missing_identity(op.kind(), name))
}

/// Changes the role or user that a request is about.
pub fn change(
    op: &IamOperation<'_>,
    work: impl FnOnce(&mut IdentityRecord) -> Result<(), ApiError>,
) -> Result<IdentityRecord, ApiError> {
    op.identities().change(|change| {
        let mut record = record(op)?;
        work(&mut record)?;
        op.identities().put(change, op.kind(), &record)?;
        Ok(record)
    })
}

/// Deletes the role or user that a request is about, once it has no policies.
pub fn remove(
    op: &IamOperation<'_>,
    also: impl FnOnce(&IdentityRecord) -> Result<(), ApiError>,
) -> Result<Option<Xml>, ApiError> {
    op.identities().change(|change| {
        let record = record(op)?;
        if !record.attached.is_empty() {
            return Err(entity::in_use("Cannot delete entity, must detach all policies first."));
        }
        if !record.inline.is_empty() {
            return Err(entity::in_use("Cannot delete entity, must delete policies first."));
        }
        also(&record)?;
        Ok(op.identities().remove(change, op.kind().folder(), &record.name)?)
    })?;
    Ok(None)
}

/// The page of roles or users that a request asks for, of those under `PathPrefix`.
pub fn page(op: &IamOperation<'_>) -> Result<ListPage<IdentityRecord>, ApiError> {
    let prefix = op.form.parameter("PathPrefix").unwrap_or("/");
    if prefix.len() > PATH_CHARS || !prefix.starts_with('/') {
        return Err(ApiError::validation("The specified value for pathPrefix is invalid. It must begin with /."));
    }
    let mut records = op.identities().records(op.kind())?;
    records.retain(|record| record.path.starts_with(prefix));
    ListPage::of(op.form, records, |record| record.name.clone())
}
