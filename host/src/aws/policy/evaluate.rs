//! Whether a request may be made: what the policies of its principal and of its resource say together.
//!
//! A Deny that is about the request ends the matter. Within an account either side may allow; across accounts both must. Where
//! the resource's policy names the principal's account, it leaves the answer to the account, whose own policies must allow. A
//! role is assumed only if its trust policy allows it. Services, providers' users and anonymous callers have no policies: the
//! resource's decides alone. An account's root user may do all in its account that no Deny is about.
//!
//! The order of policies and statements does not matter but for which of many Denies is reported: the first.
//!
//! Source: the IAM User Guide, "Policy evaluation logic" and "Troubleshoot access denied error messages".

use super::context::{Context, Principal};
use super::document::{PolicyDocument, PolicyKind, PolicySelection, PolicyStatement};
use super::effect::Effect;
use super::named::PrincipalReach;
use super::pattern::{Fit, LetterCase, PolicyPattern};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub principal: &'a Principal,
    /// Such as `lambda:InvokeFunction`.
    pub action: &'a str,
    /// An ARN, or `*` where an action has no resource.
    pub resource: &'a str,
    pub context: &'a Context,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    ExplicitlyDenied {
        by: PolicySide,
        /// The policy's place among the identity's; zero for a resource's policy.
        policy: usize,
        /// The statement's place in the policy.
        statement: usize,
        sid: Option<String>,
    },
    /// Nothing denies, and the policies of this side would have to allow.
    ImplicitlyDenied {
        missing: PolicySide,
    },
}

/// Whose policies they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySide {
    Identity,
    Resource,
    /// The trust policy of the role that is to be assumed.
    Trust,
}

/// Decides a request.
///
/// `identity_policies` are all of the principal's, those of its groups too. `resource_policy` is the resource's, and the role's
/// trust policy for `sts:AssumeRole…`. `same_account` says whether the resource is in the principal's account; it means
/// nothing for principals without one.
pub fn decide(
    request: &Request,
    identity_policies: &[&PolicyDocument],
    resource_policy: Option<&PolicyDocument>,
    same_account: bool,
) -> Decision {
    debug_assert!(identity_policies.iter().all(|policy| policy.kind == PolicyKind::Identity), "not an identity's policy");
    debug_assert!(resource_policy.is_none_or(|policy| policy.kind != PolicyKind::Identity), "not a resource's policy");
    let trust = is_assume_role(request.action) || resource_policy.is_some_and(|policy| policy.kind == PolicyKind::Trust);
    let resource_side = if trust { PolicySide::Trust } else { PolicySide::Resource };
    let identity = identity_policies.iter().enumerate().map(|(i, policy)| (PolicySide::Identity, i, *policy));
    for (by, policy, document) in identity.chain(resource_policy.map(|policy| (resource_side, 0, policy))) {
        let mut statements = document.statements.iter().enumerate();
        if let Some((statement, PolicyStatement { sid, .. })) =
            statements.find(|(_, statement)| statement.effect == Effect::Deny && statement.reach(request) != PrincipalReach::None)
        {
            return Decision::ExplicitlyDenied { by, policy, statement, sid: sid.clone() };
        }
    }

    let by_resource = resource_policy.map_or(PrincipalReach::None, |policy| policy.allow(request));
    let by_identity = match request.principal {
        Principal::Root { .. } => true,
        Principal::User { .. } | Principal::Session { .. } => {
            identity_policies.iter().any(|policy| policy.allow(request) != PrincipalReach::None)
        }
        Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => {
            return if by_resource == PrincipalReach::Principal {
                Decision::Allowed
            } else {
                Decision::ImplicitlyDenied { missing: resource_side }
            };
        }
    };
    let needs_resource = trust || !same_account;
    let needs_identity = !same_account || by_resource != PrincipalReach::Principal;
    if needs_identity && !by_identity {
        return Decision::ImplicitlyDenied { missing: PolicySide::Identity };
    }
    if needs_resource && by_resource == PrincipalReach::None {
        return Decision::ImplicitlyDenied { missing: resource_side };
    }
    Decision::Allowed
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        *self == Decision::Allowed
    }

    /// The message of AWS's `AccessDenied`; `None` if the request is allowed.
    pub fn refusal(&self, request: &Request) -> Option<String> {
        let action = request.action;
        let why = match self {
            Decision::Allowed => return None,
            Decision::ExplicitlyDenied { by: PolicySide::Identity, .. } => {
                "with an explicit deny in an identity-based policy".to_owned()
            }
            Decision::ExplicitlyDenied { by: PolicySide::Resource, .. } => {
                "with an explicit deny in a resource-based policy".to_owned()
            }
            Decision::ExplicitlyDenied { by: PolicySide::Trust, .. } => {
                "with an explicit deny in the role trust policy".to_owned()
            }
            Decision::ImplicitlyDenied { missing } => {
                let policy = match missing {
                    PolicySide::Identity => "identity-based",
                    PolicySide::Resource => "resource-based",
                    PolicySide::Trust => "role trust",
                };
                format!("because no {policy} policy allows the {action} action")
            }
        };
        let (user, resource) = (request.principal.name(), request.resource);
        Some(format!("User: {user} is not authorized to perform: {action} on resource: {resource} {why}"))
    }
}

impl PolicyDocument {
    /// How far the policy allows a request, were there no Deny.
    fn allow(&self, request: &Request) -> PrincipalReach {
        let allows = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        allows.map(|statement| statement.reach(request)).max().unwrap_or(PrincipalReach::None)
    }
}

impl PolicyStatement {
    /// Whether the statement is about a request, and through whom. A policy without principals is about its owner.
    fn reach(&self, request: &Request) -> PrincipalReach {
        let context = request.context;
        let about = self.actions.has(self.effect, |action| action.fits(request.action, LetterCase::Ignored, context))
            && self.resources.as_ref().is_none_or(|all| {
                all.has(self.effect, |resource| resource.fits(request.resource, LetterCase::Sensitive, context))
            });
        if !about {
            return PrincipalReach::None;
        }
        let reach = self.principals.as_ref().map_or(PrincipalReach::Principal, |principals| principals.reach(request.principal));
        if reach != PrincipalReach::None && self.conditions.iter().all(|condition| condition.holds(context, self.effect)) {
            reach
        } else {
            PrincipalReach::None
        }
    }
}

impl PolicySelection {
    /// Whether something is selected. While it is not known what `AllBut` leaves out, an Allow gets nothing and a Deny all.
    fn has(&self, effect: Effect, fit: impl Fn(&PolicyPattern) -> Fit) -> bool {
        match self {
            PolicySelection::Only(patterns) => patterns.iter().any(|pattern| fit(pattern) == Fit::Yes),
            PolicySelection::AllBut(patterns) => {
                patterns.iter().map(fit).all(|fit| fit == Fit::No || (fit == Fit::Unresolved && effect == Effect::Deny))
            }
        }
    }
}

fn is_assume_role(action: &str) -> bool {
    const PREFIX: &str = "sts:AssumeRole";
    action.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
