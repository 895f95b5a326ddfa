//! Managed policies that are attached to roles and users: AWS's, and the account's own.

use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::ListPage;
use crate::aws::iam::{entity, input, policies, users};
use crate::aws::identities::{IdentityKind, IdentityRecord};
use crate::aws::query::Xml;
use crate::limits::iam::ATTACHED;

pub fn attach(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let arn = input::policy_arn(op.form)?;
    users::change(op, |record| {
        // In the change: the policy cannot be deleted meanwhile.
        if !policies::is_there(op, arn)? {
            return Err(entity::missing(format!("Policy {arn} does not exist or is not attachable.")));
        }
        if record.attached.iter().any(|known| known == arn) {
            return Ok(());
        }
        if record.attached.len() >= ATTACHED {
            let quota = if op.kind() == IdentityKind::Role { "PoliciesPerRole" } else { "PoliciesPerUser" };
            return Err(entity::limit(quota, ATTACHED));
        }
        record.attached.push(arn.to_owned());
        Ok(())
    })?;
    Ok(None)
}

pub fn detach(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let arn = input::policy_arn(op.form)?;
    users::change(op, |record| {
        let place = record.attached.iter().position(|known| known == arn);
        record.attached.remove(place.ok_or_else(|| entity::missing(format!("Policy {arn} was not found.")))?);
        Ok(())
    })?;
    Ok(None)
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let prefix = op.form.parameter("PathPrefix").unwrap_or("/");
    let mut arns = users::record(op)?.attached;
    arns.retain(|arn| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(prefix)));
    let page = ListPage::of(op.form, arns, String::clone)?;
    let mut xml = Xml::default();
    xml.list("AttachedPolicies", &page.items, |xml, arn| {
        xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
        xml.text("PolicyArn", arn);
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

/// Who has a policy: `ListEntitiesForPolicy`.
pub fn entities(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let arn = input::policy_arn(op.form)?;
    if !policies::is_there(op, arn)? {
        return Err(policies::missing(arn));
    }
    let (filter, prefix) = (op.form.parameter("EntityFilter"), op.form.parameter("PathPrefix").unwrap_or("/"));
    let boundaries = op.form.parameter("PolicyUsageFilter") == Some("PermissionsBoundary");
    let mut found = Vec::new();
    for (kind, name) in [(IdentityKind::Role, "Role"), (IdentityKind::User, "User")] {
        if filter.is_none_or(|filter| filter == name) && !boundaries {
            let records = op.identities().records(kind)?.into_iter();
            let has =
                |record: &IdentityRecord| record.attached.iter().any(|known| known == arn) && record.path.starts_with(prefix);
            found.extend(records.filter(has).map(|record| (kind, record)));
        }
    }
    let page = ListPage::of(op.form, found, |(kind, record)| [kind.folder(), "/", &record.name].concat())?;
    let mut xml = Xml::default();
    xml.list("PolicyGroups", [(); 0], |_, ()| {});
    for (of, list, title) in [(IdentityKind::Role, "PolicyRoles", "Role"), (IdentityKind::User, "PolicyUsers", "User")] {
        xml.list(list, page.items.iter().filter(|(kind, _)| *kind == of), |xml, (_, record)| {
            xml.text(&[title, "Name"].concat(), &record.name);
            xml.text(&[title, "Id"].concat(), &record.id);
        });
    }
    page.end(&mut xml);
    Ok(Some(xml))
}
