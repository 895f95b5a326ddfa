//! Access keys of users: restricted ones, which may do what the user's policies say.
//!
//! A key is made while no change to users is: the user cannot be deleted meanwhile. Administrators' keys are not seen here.

use crate::aws::credentials::{CredentialsError, KeyStatus};
use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::ListPage;
use crate::aws::iam::{entity, input};
use crate::aws::identities::{IdentityKind, IdentityRecord};
use crate::aws::query::Xml;
use crate::limits::iam::ACCESS_KEYS;

pub fn create(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let made = op.identities().change(|_| {
        let user = user(op)?;
        op.authority.credentials.create_restricted(&user.name, &user.id).map_err(|error| told(&error, ""))
    })?;
    let mut xml = Xml::default();
    xml.within("AccessKey", |xml| {
        xml.text("UserName", &made.name);
        xml.text("AccessKeyId", &made.access_key);
        xml.text("Status", made.status.name());
        xml.text("SecretAccessKey", &made.secret_key);
        entity::date(xml, "CreateDate", made.created_ms / 1_000);
    });
    Ok(Some(xml))
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let user = user(op)?;
    let keys = op.authority.credentials.of_user(&user.id).map_err(|error| ApiError::internal(&error))?;
    let page = ListPage::of(op.form, keys, |key| key.access_key.clone())?;
    let mut xml = Xml::default();
    xml.list("AccessKeyMetadata", &page.items, |xml, key| {
        xml.text("UserName", &user.name);
        xml.text("AccessKeyId", &key.access_key);
        xml.text("Status", key.status.name());
        entity::date(xml, "CreateDate", key.created_ms / 1_000);
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

pub fn update(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let (user, key) = (user(op)?, input::required(op.form, "AccessKeyId")?);
    let status = match input::required(op.form, "Status")? {
        "Active" => KeyStatus::Active,
        "Inactive" => KeyStatus::Inactive,
        other => {
            let mut constraints = crate::aws::constraints::Constraints::default();
            constraints.one_of("status", other, &["Active", "Inactive"]);
            return constraints.finish().map(|()| None);
        }
    };
    op.authority.credentials.turn(key, &user.id, status).map_err(|error| told(&error, key))?;
    Ok(None)
}

pub fn delete(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let (user, key) = (user(op)?, input::required(op.form, "AccessKeyId")?);
    op.authority.credentials.remove(key, &user.id).map_err(|error| told(&error, key))?;
    Ok(None)
}

fn user(op: &IamOperation<'_>) -> Result<IdentityRecord, ApiError> {
    let name = op.user()?;
    let record = op.identities().record(IdentityKind::User, &name)?;
    record.ok_or_else(|| entity::missing_identity(IdentityKind::User, &name))
}

fn told(error: &CredentialsError, key: &str) -> ApiError {
    match error {
        CredentialsError::TooMany(_) => entity::limit("AccessKeysPerUser", ACCESS_KEYS),
        CredentialsError::Full => entity::limit_text(error.to_string()),
        CredentialsError::Unknown => {
            entity::missing(format!("The Access Key with id {} cannot be found.", key.chars().take(128).collect::<String>()))
        }
        other => ApiError::internal(other),
    }
}
