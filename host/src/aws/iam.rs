//! AWS Identity and Access Management: roles, users, policies and access keys, as far as the usual deployment scripts go.
//!
//! Each action is asked of `authorization` before it is done, also for administrators. Records are in `identities`, keys in
//! `credentials`; whatever was parsed of either is forgotten at each change.
//!
//!     request ──► action, and what it is about ──► authorized ──► done in one change ──► XML
//!
//! Groups, providers of identities, permissions boundaries, service-linked roles and instance profiles are not here; lists of
//! them are empty where terraform asks for them before it deletes, and all else is refused by name. I block for the disk.
//!
//! Source: botocore's model of the service (2010-05-08, `query`); texts as AWS answers them.

mod access_keys;
mod account;
mod attached;
mod entity;
mod inline;
mod input;
mod operation;
mod paging;
mod policies;
mod policy_documents;
mod policy_versions;
mod roles;
mod simulation;
mod tags;
mod users;

use crate::aws::authorization::{Authority, Caller, RequestContext};
use crate::aws::error::ApiError;
use crate::aws::iam::operation::{Handler, IamOperation, IamSubject};
use crate::aws::query::{self, QueryForm};
use crate::aws::request::{ApiRequest, ApiResponse};

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// Actions, what they are about, and who answers.
const ACTIONS: &[(&str, IamSubject, Handler)] = &[
    ("AttachRolePolicy", IamSubject::Role, attached::attach),
    ("AttachUserPolicy", IamSubject::User, attached::attach),
    ("CreateAccessKey", IamSubject::NamedOrSelf, access_keys::create),
    ("CreatePolicy", IamSubject::NewPolicy, policies::create),
    ("CreatePolicyVersion", IamSubject::Policy, policy_versions::create),
    ("CreateRole", IamSubject::NewRole, roles::create),
    ("CreateUser", IamSubject::NewUser, users::create),
    ("DeleteAccessKey", IamSubject::NamedOrSelf, access_keys::delete),
    ("DeletePolicy", IamSubject::Policy, policies::delete),
    ("DeletePolicyVersion", IamSubject::Policy, policy_versions::delete),
    ("DeleteRole", IamSubject::Role, roles::delete),
    ("DeleteRolePolicy", IamSubject::Role, inline::delete),
    ("DeleteUser", IamSubject::User, users::delete),
    ("DeleteUserPolicy", IamSubject::User, inline::delete),
    ("DetachRolePolicy", IamSubject::Role, attached::detach),
    ("DetachUserPolicy", IamSubject::User, attached::detach),
    ("GetAccountSummary", IamSubject::Everything, account::summary),
    ("GetPolicy", IamSubject::Policy, policies::get),
    ("GetPolicyVersion", IamSubject::Policy, policy_versions::get),
    ("GetRole", IamSubject::Role, roles::get),
    ("GetRolePolicy", IamSubject::Role, inline::get),
    ("GetUser", IamSubject::NamedOrSelf, users::get),
    ("GetUserPolicy", IamSubject::User, inline::get),
    ("ListAccessKeys", IamSubject::NamedOrSelf, access_keys::list),
    ("ListAccountAliases", IamSubject::Everything, account::no_aliases),
    ("ListAttachedRolePolicies", IamSubject::Role, attached::list),
    ("ListAttachedUserPolicies", IamSubject::User, attached::list),
    ("ListEntitiesForPolicy", IamSubject::Policy, attached::entities),
    ("ListGroupsForUser", IamSubject::User, users::no_groups),
    ("ListInstanceProfilesForRole", IamSubject::Role, roles::no_instance_profiles),
    ("ListPolicies", IamSubject::Policies, policies::list),
    ("ListPolicyTags", IamSubject::Policy, tags::list),
    ("ListPolicyVersions", IamSubject::Policy, policy_versions::list),
    ("ListRolePolicies", IamSubject::Role, inline::list),
    ("ListRoleTags", IamSubject::Role, tags::list),
    ("ListRoles", IamSubject::Roles, roles::list),
    ("ListUserPolicies", IamSubject::User, inline::list),
    ("ListUserTags", IamSubject::User, tags::list),
    ("ListUsers", IamSubject::Users, users::list),
    ("PutRolePolicy", IamSubject::Role, inline::put),
    ("PutUserPolicy", IamSubject::User, inline::put),
    ("SetDefaultPolicyVersion", IamSubject::Policy, policy_versions::set_default),
    ("SimulatePrincipalPolicy", IamSubject::Simulated, simulation::simulate),
    ("TagPolicy", IamSubject::Policy, tags::tag),
    ("TagRole", IamSubject::Role, tags::tag),
    ("TagUser", IamSubject::User, tags::tag),
    ("UntagPolicy", IamSubject::Policy, tags::untag),
    ("UntagRole", IamSubject::Role, tags::untag),
    ("UntagUser", IamSubject::User, tags::untag),
    ("UpdateAccessKey", IamSubject::NamedOrSelf, access_keys::update),
    ("UpdateAssumeRolePolicy", IamSubject::Role, roles::update_trust),
    ("UpdateRole", IamSubject::Role, roles::update),
    ("UpdateRoleDescription", IamSubject::Role, roles::update_description),
];

/// Answers a request whose sender is known. Returns the action, for metrics. Blocks for the disk.
pub fn answer(
    authority: &Authority,
    caller: &Caller,
    context: &RequestContext<'_>,
    request: &ApiRequest,
) -> (&'static str, Result<ApiResponse, ApiError>) {
    let form = match QueryForm::read(request) {
        Ok(form) => form,
        Err(error) => return ("Unknown", Err(error)),
    };
    let Some(name) = form.parameter("Action") else { return ("Unknown", Err(ApiError::unknown_operation())) };
    let Some(&(name, subject, handler)) = ACTIONS.iter().find(|(known, ..)| *known == name) else {
        return ("Unsupported", Err(ApiError::not_there(&format!("iam:{}", name.chars().take(64).collect::<String>()))));
    };
    let operation =
        IamOperation { authority, caller, form: &form, subject, now_s: crate::aws::sessions::seconds(request.received) };
    let answered = operation.authorize(name, context).and_then(|()| handler(&operation));
    (name, answered.map(|result| query::answer(request, NAMESPACE, name, result.as_ref())))
}

#[cfg(test)]
mod tests;
