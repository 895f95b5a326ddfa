//! Tags of roles, users and policies.

use std::collections::BTreeMap;

use crate::aws::error::ApiError;
use crate::aws::iam::operation::{IamOperation, IamSubject};
use crate::aws::iam::paging::ListPage;
use crate::aws::iam::{entity, input, policies, users};
use crate::aws::policy::ManagedPolicy;
use crate::aws::query::Xml;
use crate::limits::iam::TAGS;

pub fn tag(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let new = input::tags(op.form)?;
    change(op, |tags| {
        for (key, value) in new {
            // A key that differs in case only takes the other's place.
            tags.retain(|known, _| !known.eq_ignore_ascii_case(&key));
            tags.insert(key, value);
        }
        if tags.len() > TAGS {
            return Err(entity::limit("TagsPerEntity", TAGS));
        }
        Ok(())
    })
}

pub fn untag(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let keys = input::tag_keys(op.form)?;
    change(op, |tags| {
        tags.retain(|known, _| !keys.iter().any(|key| known.eq_ignore_ascii_case(key)));
        Ok(())
    })
}

pub fn list(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    let tags = if op.subject == IamSubject::Policy {
        let arn = input::policy_arn(op.form)?;
        if ManagedPolicy::by_arn(arn).is_some() { BTreeMap::new() } else { policies::own(op, arn)?.tags }
    } else {
        users::record(op)?.tags
    };
    let page = ListPage::of(op.form, tags.into_iter().collect(), |(key, _): &(String, String)| key.clone())?;
    let mut xml = Xml::default();
    entity::tag_list(&mut xml, page.items.iter().map(|(key, value)| (key, value)));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn change(
    op: &IamOperation<'_>,
    work: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), ApiError>,
) -> Result<Option<Xml>, ApiError> {
    if op.subject == IamSubject::Policy {
        policies::change(op, |record| work(&mut record.tags))?;
    } else {
        users::change(op, |record| work(&mut record.tags))?;
    }
    Ok(None)
}
