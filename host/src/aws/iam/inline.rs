//! Policies that are part of a role or of a user.

use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::ListPage;
use crate::aws::iam::{entity, input, policy_documents, users};
use crate::aws::identities::IdentityKind;
use crate::aws::policy::{PolicyKind, PolicySize};
use crate::aws::query::Xml;
use crate::percent::encoded;

pub fn put(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let name = input::policy_name(op.form)?;
    let text = policy_documents::read(op.form, "PolicyDocument", PolicyKind::Identity, None)?;
    let size = match op.kind() {
        IdentityKind::Role => PolicySize::RoleInline,
        IdentityKind::User => PolicySize::UserInline,
    };
    users::change(op, |record| {
        record.inline.insert(name.to_owned(), text.to_owned());
        // They count together.
        let all: String = record.inline.values().map(String::as_str).collect();
        size.check(&all).map_err(|_| {
            let (kind, most) = (op.kind().folder(), size.chars_max());
            entity::limit_text(format!("Maximum policy size of {most} bytes exceeded for {kind} {}", record.name))
        })
    })?;
    Ok(None)
}

pub fn get(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let (record, name) = (users::record(op)?, input::policy_name(op.form)?);
    let text = record.inline.get(name).ok_or_else(|| missing(op.kind(), name))?;
    let mut xml = Xml::default();
    xml.text(if op.kind() == IdentityKind::Role { "RoleName" } else { "UserName" }, &record.name);
    xml.text("PolicyName", name);
    xml.text("PolicyDocument", &encoded(text));
    Ok(Some(xml))
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let names: Vec<String> = users::record(op)?.inline.into_keys().collect();
    let page = ListPage::of(op.form, names, String::clone)?;
    let mut xml = Xml::default();
    xml.list("PolicyNames", &page.items, |xml, name| xml.say(name));
    page.end(&mut xml);
    Ok(Some(xml))
}

pub fn delete(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let name = input::policy_name(op.form)?;
    users::change(op, |record| record.inline.remove(name).map(drop).ok_or_else(|| missing(op.kind(), name)))?;
    Ok(None)
}

fn missing(kind: IdentityKind, name: &str) -> ApiError {
    entity::missing(format!("The {} policy with name {name} cannot be found.", kind.folder()))
}
