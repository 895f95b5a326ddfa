//! AWS Security Token Service: who am I, and who may I be for a while?
//!
//! Temporary credentials are `sessions`; whether a role may be assumed is for `authorization` to decide, by the role's trust.
//! What would need a provider of identities, a second factor or session tags is refused by name.
//!
//! Source: botocore's model of the service (2011-06-15, `query`); texts as AWS answers them.

use std::time::{Duration, SystemTime};

use crate::aws::authorization::{Authority, Caller, RequestContext};
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::policy::{PolicyDocument, PolicyKind};
use crate::aws::query::{self, QueryForm, Xml};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::sessions::{IssueError, SessionOf, TemporaryCredential};
use crate::limits::iam::{
    CHAINED_SESSION_S_MAX, SESSION_POLICY_CHARS, SESSION_S, SESSION_S_MAX, SESSION_S_MIN, TOKEN_BYTES, USER_SESSION_S,
    USER_SESSION_S_MAX,
};
use crate::telemetry::Timestamp;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// What AssumeRole has with AWS, and not here.
const NOT_OF_ROLES: [&str; 6] = ["PolicyArns", "Tags", "TransitiveTagKeys", "SerialNumber", "SourceIdentity", "ProvidedContexts"];

type Action = fn(&Authority, &Caller, &RequestContext<'_>, &QueryForm) -> Result<Xml, ApiError>;

const ACTIONS: [(&str, Action); 4] = [
    ("AssumeRole", assume_role),
    ("GetAccessKeyInfo", access_key_info),
    ("GetCallerIdentity", |_, caller, _, _| Ok(caller_identity(caller))),
    ("GetSessionToken", session_token),
];

/// Answers a request whose sender is known. Returns the action, for metrics. Reads the store if something in IAM has changed.
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
    let Some((name, action)) = ACTIONS.iter().find(|(known, _)| *known == name) else {
        return ("Unsupported", Err(ApiError::not_there(&format!("sts:{}", name.chars().take(64).collect::<String>()))));
    };
    let answered = action(authority, caller, context, &form);
    (name, answered.map(|result| query::answer(request, NAMESPACE, name, Some(&result))))
}

/// Nobody can be kept from asking this.
fn caller_identity(caller: &Caller) -> Xml {
    let mut xml = Xml::default();
    xml.text("Arn", caller.arn());
    xml.text("UserId", &caller.user_id);
    xml.text("Account", caller.account());
    xml
}

fn assume_role(authority: &Authority, caller: &Caller, context: &RequestContext<'_>, form: &QueryForm) -> Result<Xml, ApiError> {
    if let Some(absent) = NOT_OF_ROLES.iter().find(|name| form.has(name)) {
        return Err(ApiError::not_there(&format!("{absent} of sts:AssumeRole")));
    }
    let mut constraints = Constraints::default();
    let arn = constraints.required("roleArn", form.parameter("RoleArn")).unwrap_or_default();
    let name = constraints.required("roleSessionName", form.parameter("RoleSessionName")).unwrap_or_default();
    if form.has("RoleArn") {
        constraints.length("roleArn", arn, 20..=2_048);
    }
    if form.has("RoleSessionName") {
        constraints.length("roleSessionName", name, 2..=64);
        constraints.pattern("roleSessionName", name, "[\\w+=,.@-]*", is_name);
    }
    let external = form.parameter("ExternalId");
    if let Some(external) = external {
        constraints.length("externalId", external, 2..=1_224);
        let sound = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/\\-".contains(c));
        constraints.pattern("externalId", external, "[\\w+=,.@:\\/-]*", sound);
    }
    let asked_s = duration(&mut constraints, form, SESSION_S_MIN..=SESSION_S_MAX);
    let policy = form.parameter("Policy");
    if let Some(policy) = policy {
        constraints.length("policy", policy, 1..=SESSION_POLICY_CHARS);
        let sound = |text: &str| text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}'));
        constraints.pattern("policy", policy, "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+", sound);
    }
    constraints.finish()?;

    let mut context = context.clone().with("sts:RoleSessionName", name);
    if let Some(external) = external {
        context = context.with("sts:ExternalId", external);
    }
    // AWS does not tell a role that is not there from one that may not be assumed.
    let Some(role) = authority.identities.role_of(arn)? else {
        let why = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn());
        return Err(ApiError::forbidden("AccessDeniedException", why));
    };
    context.resource_tags = role.tags.clone().into_iter().collect();
    authority.authorize(caller, "sts:AssumeRole", arn, role.trust.as_ref(), &context)?;

    let role_max_s = i64::try_from(role.max_session_s).unwrap_or(SESSION_S_MAX);
    if caller.is_role() && asked_s.is_some_and(|asked_s| asked_s > CHAINED_SESSION_S_MAX) {
        let why = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(ApiError::validation(why));
    }
    let duration_s = asked_s.unwrap_or(SESSION_S);
    if duration_s > role_max_s {
        let why = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(ApiError::validation(why));
    }
    let policy = policy.map(session_policy).transpose()?;
    let packed = policy.as_ref().map(|policy| policy.len().saturating_mul(100).div_ceil(TOKEN_BYTES));
    let of = SessionOf::Role { arn: arn.to_owned(), id: role.id.clone(), name: name.to_owned() };
    let made = issue(authority, of, duration_s, policy, context.time)?;

    let session_arn = format!("arn:aws:sts::{}:assumed-role/{}/{name}", authority.account().id, role.name);
    let mut xml = Xml::default();
    credentials(&mut xml, &made);
    xml.within("AssumedRoleUser", |xml| {
        xml.text("AssumedRoleId", &format!("{}:{name}", role.id));
        xml.text("Arn", &session_arn);
    });
    xml.optional("PackedPolicySize", packed.map(|percent| percent.to_string()).as_deref());
    Ok(xml)
}

/// A session of the user who asks. Its own policies count, and nothing is asked of them: so it is with AWS.
fn session_token(
    authority: &Authority,
    caller: &Caller,
    context: &RequestContext<'_>,
    form: &QueryForm,
) -> Result<Xml, ApiError> {
    if form.has("SerialNumber") || form.has("TokenCode") {
        return Err(ApiError::not_there("SerialNumber of sts:GetSessionToken"));
    }
    if caller.is_session() {
        return Err(ApiError::forbidden("AccessDeniedException", "Cannot call GetSessionToken with session credentials"));
    }
    let mut constraints = Constraints::default();
    let asked_s = duration(&mut constraints, form, SESSION_S_MIN..=USER_SESSION_S_MAX);
    constraints.finish()?;
    let of = SessionOf::User { access_key: caller.access_key.clone() };
    let made = issue(authority, of, asked_s.unwrap_or(USER_SESSION_S), None, context.time)?;
    let mut xml = Xml::default();
    credentials(&mut xml, &made);
    Ok(xml)
}

/// The account of a key: there is one here.
fn access_key_info(
    authority: &Authority,
    caller: &Caller,
    context: &RequestContext<'_>,
    form: &QueryForm,
) -> Result<Xml, ApiError> {
    authority.authorize(caller, "sts:GetAccessKeyInfo", "*", None, context)?;
    let mut constraints = Constraints::default();
    let key = constraints.required("accessKeyId", form.parameter("AccessKeyId")).unwrap_or_default();
    if form.has("AccessKeyId") {
        constraints.length("accessKeyId", key, 16..=128);
        constraints.pattern("accessKeyId", key, "[\\w]*", |key| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    }
    constraints.finish()?;
    // Sessions' keys are not stored, so that no one of them can be told from another.
    if !key.starts_with("ASIA") && authority.credentials.find(key).is_none() {
        return Err(ApiError::validation("The specified access key does not exist."));
    }
    let mut xml = Xml::default();
    xml.text("Account", &authority.account().id);
    Ok(xml)
}

fn issue(
    authority: &Authority,
    of: SessionOf,
    duration_s: i64,
    policy: Option<String>,
    now: SystemTime,
) -> Result<TemporaryCredential, ApiError> {
    let duration_s = u64::try_from(duration_s).map_err(|error| ApiError::internal(&error))?;
    authority.sessions.issue(of, duration_s, policy, now).map_err(|error| match error {
        IssueError::TooLong => ApiError::bad_request("PackedPolicyTooLargeException", error.to_string()),
        other => ApiError::internal(&other),
    })
}

/// `DurationSeconds`.
fn duration(constraints: &mut Constraints, form: &QueryForm, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let asked = form.parameter("DurationSeconds")?;
    let Ok(asked_s) = asked.parse() else {
        constraints.fail("durationSeconds", &asked, "be a number");
        return None;
    };
    constraints.range("durationSeconds", asked_s, range);
    Some(asked_s)
}

/// In its shortest form, which is what the token has.
fn session_policy(text: &str) -> Result<String, ApiError> {
    let parsed = PolicyDocument::parse(text, PolicyKind::Identity);
    parsed.map(|policy| policy.to_string()).map_err(|error| ApiError::bad_request(error.code(), error.aws_message()))
}

fn credentials(xml: &mut Xml, made: &TemporaryCredential) {
    let expires = Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(made.expires_s));
    xml.within("Credentials", |xml| {
        xml.text("AccessKeyId", &made.access_key);
        xml.text("SecretAccessKey", &made.secret_key);
        xml.text("SessionToken", &made.session_token);
        xml.text("Expiration", &expires.as_str().replace(".000Z", "Z"));
    });
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}
