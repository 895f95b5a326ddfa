//! Reads a policy's text, and refuses what IAM would.
//!
//! Names of elements and operators are as IAM writes them, and no other is taken: a member that was misspelt would widen what
//! a statement grants. A condition's key may be there once, in whatever case.

use super::condition::PolicyCondition;
use super::document::{PolicyDocument, PolicyKind, PolicySelection, PolicyStatement, Version};
use super::effect::Effect;
use super::error::{Place, PolicyError, PolicyFault, PolicySize};
use super::json::Json;
use super::named::{Category, NamedPrincipal, Principals};
use super::operator::Operator;
use super::pattern::PolicyPattern;
use crate::limits::policy::{STATEMENTS_MAX, TEXT_BYTES_MAX, VALUES_MAX};

type JsonMembers = Vec<(String, Json)>;

/// What holds for all of a policy.
struct PolicyReader {
    kind: PolicyKind,
    version: Version,
    /// Actions, resources, principals and values of conditions so far.
    values: usize,
}

impl PolicyDocument {
    /// Reads a policy of a kind.
    ///
    /// Fails at the first thing that is wrong, with its place. Limits: `PolicySize::Resource` for the text, `TEXT_BYTES_MAX`
    /// with white space, `STATEMENTS_MAX`, `VALUES_MAX`. The tighter `PolicySize`s are the caller's to check.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<PolicyDocument, PolicyError> {
        document(text, kind)
    }
}

fn document(text: &str, kind: PolicyKind) -> Result<PolicyDocument, PolicyError> {
    let place = Place::POLICY;
    if text.len() > TEXT_BYTES_MAX {
        return Err(place.error(PolicyFault::TooMany { what: "bytes", max: TEXT_BYTES_MAX }));
    }
    PolicySize::Resource.check(text)?;
    let json: Json = serde_json::from_str(text).map_err(|error| place.syntax(format!("not JSON: {error}")))?;
    let mut members = object(json, &place)?;

    let version = take(&mut members, "Version").map(|json| string(json, &place.member("Version"))).transpose()?;
    let version = match version.as_deref() {
        None | Some("2008-10-17") => Version::V2008,
        Some("2012-10-17") => Version::V2012,
        Some(_) => return Err(place.member("Version").syntax("the version is neither `2012-10-17` nor `2008-10-17`")),
    };
    let id = take(&mut members, "Id").map(|json| string(json, &place.member("Id"))).transpose()?;
    let place = place.member("Statement");
    let mut reader = PolicyReader { kind, version, values: 0 };
    let statements = match take(&mut members, "Statement") {
        None => return Err(place.syntax("the policy has no statement")),
        Some(Json::List(items)) if items.is_empty() => return Err(place.syntax("the list is empty")),
        Some(Json::List(items)) if items.len() > STATEMENTS_MAX => {
            return Err(place.error(PolicyFault::TooMany { what: "statements", max: STATEMENTS_MAX }));
        }
        Some(Json::List(items)) => {
            let items = items.into_iter().enumerate();
            items.map(|(i, json)| reader.statement(json, &place.index(i))).collect::<Result<_, _>>()?
        }
        Some(json) => vec![reader.statement(json, &place)?],
    };
    nothing_left(&members, &Place::POLICY)?;
    sids_differ(&statements, &place)?;
    Ok(PolicyDocument { kind, version, id, statements })
}

impl PolicyReader {
    fn statement(&mut self, json: Json, place: &Place) -> Result<PolicyStatement, PolicyError> {
        let mut members = object(json, place)?;
        let sid = take(&mut members, "Sid").map(|json| self.sid(json, &place.member("Sid"))).transpose()?;
        let effect = match take(&mut members, "Effect") {
            Some(Json::Text(text)) if text == "Allow" => Effect::Allow,
            Some(Json::Text(text)) if text == "Deny" => Effect::Deny,
            Some(_) => return Err(place.member("Effect").syntax("the effect is neither `Allow` nor `Deny`")),
            None => return Err(place.syntax("the statement has no `Effect`")),
        };
        let principals = self.principals(&mut members, effect, place)?;
        let actions = self.selection(&mut members, ["Action", "NotAction"], place, PolicyReader::action)?;
        let actions = actions.ok_or_else(|| place.error(PolicyFault::NoActions))?;
        let resources = self.selection(&mut members, ["Resource", "NotResource"], place, PolicyReader::resource)?;
        if self.kind == PolicyKind::Identity && resources.is_none() {
            return Err(place.error(PolicyFault::NoResources));
        }
        let conditions = match take(&mut members, "Condition") {
            None => Vec::new(),
            Some(json) => self.conditions(json, &place.member("Condition"))?,
        };
        nothing_left(&members, place)?;
        Ok(PolicyStatement { sid: sid.filter(|sid| !sid.is_empty()), effect, principals, actions, resources, conditions })
    }

    fn sid(&self, json: Json, place: &Place) -> Result<String, PolicyError> {
        let sid = string(json, place)?;
        // The services have rules of their own for the policies of their resources.
        if self.kind != PolicyKind::Resource && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(place.error(PolicyFault::SidCharacters));
        }
        Ok(sid)
    }

    /// A pair of elements, of which one may be there.
    fn selection(
        &mut self,
        members: &mut JsonMembers,
        [only, all_but]: [&str; 2],
        place: &Place,
        read: impl Fn(&PolicyReader, &str, &Place) -> Result<PolicyPattern, PolicyError>,
    ) -> Result<Option<PolicySelection>, PolicyError> {
        let mut patterns = |json, place: &Place| {
            let texts = self.strings(json, place)?.into_iter().enumerate();
            texts.map(|(i, text)| read(self, &text, &place.index(i))).collect::<Result<Vec<_>, _>>()
        };
        match (take(members, only), take(members, all_but)) {
            (Some(_), Some(_)) => Err(place.syntax(format!("both `{only}` and `{all_but}` are there"))),
            (Some(json), None) => Ok(Some(PolicySelection::Only(patterns(json, &place.member(only))?))),
            (None, Some(json)) => Ok(Some(PolicySelection::AllBut(patterns(json, &place.member(all_but))?))),
            (None, None) => Ok(None),
        }
    }

    fn action(&self, text: &str, place: &Place) -> Result<PolicyPattern, PolicyError> {
        let vendor = match text.split_once(':') {
            None if text == "*" => "*",
            None => return Err(place.error(PolicyFault::ActionWithoutVendor(text.to_owned()))),
            Some((_, name)) if name.contains(':') => return Err(place.error(PolicyFault::ActionColons(text.to_owned()))),
            Some((_, "")) => return Err(place.syntax("no action follows the service")),
            Some((vendor, _)) => vendor,
        };
        let is_name = !vendor.is_empty() && vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        if !is_name && vendor != "*" {
            return Err(place.error(PolicyFault::Vendor(vendor.to_owned())));
        }
        if self.kind == PolicyKind::Trust && !vendor.eq_ignore_ascii_case("sts") {
            return Err(place.error(PolicyFault::TrustAction(text.to_owned())));
        }
        Ok(PolicyPattern::without_variables(text))
    }

    fn resource(&self, text: &str, place: &Place) -> Result<PolicyPattern, PolicyError> {
        if self.kind == PolicyKind::Trust {
            return Err(place.error(PolicyFault::ResourceProhibited));
        }
        let mut parts = text.splitn(4, ':');
        let is_arn = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| !partition.is_empty())
            && parts.next().is_some_and(|service| !service.is_empty() && !service.contains('*'))
            && parts.next().is_some();
        if text != "*" && !is_arn {
            return Err(place.error(PolicyFault::Resource(text.to_owned())));
        }
        self.pattern(text).map_err(|why| place.syntax(why))
    }

    fn pattern(&self, text: &str) -> Result<PolicyPattern, &'static str> {
        match self.version {
            Version::V2008 => Ok(PolicyPattern::without_variables(text)),
            Version::V2012 => PolicyPattern::with_variables(text),
        }
    }

    fn principals(
        &mut self,
        members: &mut JsonMembers,
        effect: Effect,
        place: &Place,
    ) -> Result<Option<Principals>, PolicyError> {
        let only = take(members, "Principal");
        let all_but = take(members, "NotPrincipal");
        if self.kind == PolicyKind::Identity && (only.is_some() || all_but.is_some()) {
            return Err(place.error(PolicyFault::PrincipalProhibited));
        }
        match (only, all_but) {
            (Some(_), Some(_)) => Err(place.syntax("both `Principal` and `NotPrincipal` are there")),
            (None, None) if self.kind == PolicyKind::Identity => Ok(None),
            (None, None) => Err(place.syntax("the statement has no `Principal`")),
            (Some(Json::Text(text)), None) if text == "*" => {
                self.count(1, &place.member("Principal"))?;
                Ok(Some(Principals::Everyone))
            }
            (Some(json), None) => Ok(Some(Principals::Only(self.named(json, &place.member("Principal"))?))),
            (None, Some(_)) if self.kind == PolicyKind::Trust || effect == Effect::Allow => {
                let place = place.member("NotPrincipal");
                Err(place.syntax("`NotPrincipal` belongs only to a Deny in the policy of a resource"))
            }
            (None, Some(Json::Text(text))) if text == "*" => Ok(Some(Principals::AllBut(vec![NamedPrincipal::Anyone]))),
            (None, Some(json)) => Ok(Some(Principals::AllBut(self.named(json, &place.member("NotPrincipal"))?))),
        }
    }

    fn named(&mut self, json: Json, place: &Place) -> Result<Vec<NamedPrincipal>, PolicyError> {
        if let Json::Text(text) = json {
            return Err(place.error(PolicyFault::Principal(text)));
        }
        let mut named = Vec::new();
        for (name, json) in object(json, place)? {
            let place = place.member(&name);
            let category = Category::ALL.into_iter().find(|category| category.name() == name);
            let category = category.ok_or_else(|| place.syntax("no such kind of principal"))?;
            for (i, text) in self.strings(json, &place)?.into_iter().enumerate() {
                let principal = NamedPrincipal::parse(category, &text);
                named.push(principal.ok_or_else(|| place.index(i).error(PolicyFault::Principal(text)))?);
            }
        }
        if named.is_empty() {
            return Err(place.syntax("the object is empty"));
        }
        named.sort_by_key(NamedPrincipal::category);
        Ok(named)
    }

    fn conditions(&mut self, json: Json, place: &Place) -> Result<Vec<PolicyCondition>, PolicyError> {
        let mut conditions: Vec<PolicyCondition> = Vec::new();
        for (name, json) in object(json, place)? {
            let place = place.member(&name);
            let operator = Operator::parse(&name).ok_or_else(|| place.syntax("no such operator"))?;
            for (key, json) in object(json, &place)? {
                let place = place.member(&key);
                if key.is_empty() {
                    return Err(place.syntax("the key has no name"));
                }
                if conditions.iter().any(|other| other.operator == operator && lowercase(&other.key).eq(lowercase(&key))) {
                    return Err(place.syntax("the key is there twice"));
                }
                let texts = self.texts(json, &place, scalar)?;
                let condition = PolicyCondition::new(operator.clone(), &key, texts, |text| self.pattern(text));
                conditions.push(condition.map_err(|(i, why)| place.index(i).syntax(why))?);
            }
        }
        Ok(conditions)
    }

    /// A string or a list of strings.
    fn strings(&mut self, json: Json, place: &Place) -> Result<Vec<String>, PolicyError> {
        self.texts(json, place, string)
    }

    /// What `read` makes of a value, or of each in a list.
    fn texts(
        &mut self,
        json: Json,
        place: &Place,
        read: impl Fn(Json, &Place) -> Result<String, PolicyError>,
    ) -> Result<Vec<String>, PolicyError> {
        let items = match json {
            Json::List(items) if items.is_empty() => return Err(place.syntax("the list is empty")),
            Json::List(items) => items,
            item => vec![item],
        };
        self.count(items.len(), place)?;
        items.into_iter().enumerate().map(|(i, item)| read(item, &place.index(i))).collect()
    }

    fn count(&mut self, values: usize, place: &Place) -> Result<(), PolicyError> {
        self.values += values;
        if self.values > VALUES_MAX {
            return Err(place.error(PolicyFault::TooMany { what: "values", max: VALUES_MAX }));
        }
        Ok(())
    }
}

fn sids_differ(statements: &[PolicyStatement], place: &Place) -> Result<(), PolicyError> {
    for (i, statement) in statements.iter().enumerate() {
        if let Some(sid) = &statement.sid
            && statements[..i].iter().any(|other| other.sid.as_ref() == Some(sid))
        {
            return Err(place.index(i).member("Sid").error(PolicyFault::SidTwice(sid.clone())));
        }
    }
    Ok(())
}

fn object(json: Json, place: &Place) -> Result<JsonMembers, PolicyError> {
    let Json::Object(members) = json else {
        return Err(place.syntax(format!("{} where an object is expected", json.name())));
    };
    for (i, (name, _)) in members.iter().enumerate() {
        if members[..i].iter().any(|(other, _)| other == name) {
            return Err(place.member(name).syntax("the member is there twice"));
        }
    }
    Ok(members)
}

fn string(json: Json, place: &Place) -> Result<String, PolicyError> {
    match json {
        Json::Text(text) => Ok(text),
        other => Err(place.syntax(format!("{} where a string is expected", other.name()))),
    }
}

/// A value of a condition.
fn scalar(json: Json, place: &Place) -> Result<String, PolicyError> {
    match json {
        Json::Number(text) => Ok(text),
        Json::Bool(flag) => Ok(flag.to_string()),
        json => string(json, place),
    }
}

fn lowercase(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn take(members: &mut JsonMembers, name: &str) -> Option<Json> {
    let index = members.iter().position(|(own, _)| own == name)?;
    Some(members.remove(index).1)
}

fn nothing_left(members: &JsonMembers, place: &Place) -> Result<(), PolicyError> {
    match members.first() {
        None => Ok(()),
        Some((name, _)) => Err(place.member(name).syntax("no such element")),
    }
}
