//! The API as a client has it: forms in, XML out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use tempfile::TempDir;

use crate::account::Account;
use crate::aws::authorization::{Authority, Caller, RequestContext};
use crate::aws::request::ApiRequest;
use crate::aws::sigv4::{SignatureClaim, Signed};
use crate::aws::{iam, query, sts};
use crate::limits::iam as limits;
use crate::store::Store;

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:*","Resource":"*"}]}"#;
const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}"#;

pub struct Host {
    _folder: TempDir,
    pub authority: Authority,
    key: String,
}

impl Host {
    pub fn new() -> Host {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let (authority, first) = Authority::open(folder.path(), store, Account::default()).unwrap();
        Host { _folder: folder, authority, key: first.unwrap().access_key }
    }

    /// Who has a key, with its token, if it is one of a session.
    pub fn caller(&self, key: &str, token: Option<&str>) -> Caller {
        let mut headers = HeaderMap::new();
        let (signature, mut signed) = ("0".repeat(64), "host;x-amz-date".to_owned());
        if let Some(token) = token {
            headers.insert("x-amz-security-token", token.parse().unwrap());
            signed.push_str(";x-amz-security-token");
        }
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20240101/us-east-1/iam/aws4_request, SignedHeaders={signed}, Signature={signature}"
        );
        headers.insert("authorization", value.parse().unwrap());
        headers.insert("x-amz-date", "20240101T000000Z".parse().unwrap());
        let claim = SignatureClaim::read(&Signed { method: "POST", path: "/", query: "", headers: &headers }).unwrap().unwrap();
        self.authority.authenticate(&claim, SystemTime::now()).unwrap().0
    }

    /// `200 <xml>` or `409 Code: message`, of the administrator.
    pub fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.ask_as(&self.caller(&self.key, None), action, parameters)
    }

    pub fn ask_as(&self, caller: &Caller, action: &str, parameters: &[(&str, &str)]) -> String {
        let encode = crate::percent::encoded;
        let body: String = parameters.iter().map(|(key, value)| format!("&{key}={}", encode(value))).collect();
        let (action, is_sts) = action.strip_prefix("sts:").map_or((action, false), |action| (action, true));
        let request = ApiRequest {
            id: "id".to_owned(),
            method: Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: format!("Action={action}&Version=x{body}").into(),
            client: IpAddr::from([127, 0, 0, 1]),
            secure: true,
            received: SystemTime::now(),
        };
        let context = RequestContext::of(&request);
        let answer = if is_sts { sts::answer } else { iam::answer };
        match answer(&self.authority, caller, &context, &request).1 {
            Ok(response) => format!("{} {}", response.status().as_u16(), text(response)),
            Err(error) => {
                let told = text(query::refusal(&request, &error));
                format!("{} {}: {}", error.status.as_u16(), between(&told, "Code"), between(&told, "Message"))
            }
        }
    }
}

fn text(response: crate::aws::request::ApiResponse) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

pub fn between<'a>(xml: &'a str, name: &str) -> &'a str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(inside, _)| inside)
}

#[track_caller]
fn done(answer: String) -> String {
    assert!(answer.starts_with("200 "), "{answer}");
    answer
}

#[track_caller]
fn assert_starts(answer: &str, start: &str) {
    assert!(answer.starts_with(start), "{answer}");
}

fn role(name: &str) -> [(&str, &str); 2] {
    [("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]
}

#[test]
fn a_role_lives() {
    let host = Host::new();
    let made = done(host.ask(
        "CreateRole",
        &[&role("r")[..], &[("Path", "/a/"), ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v:@")]].concat(),
    ));
    assert_eq!(between(&made, "Arn"), "arn:aws:iam::123456789012:role/a/r");
    assert!(between(&made, "RoleId").starts_with("AROA") && made.contains("<Value>v:@</Value>"), "{made}");
    assert_eq!(host.ask("CreateRole", &role("R")), "409 EntityAlreadyExists: Role with name R already exists.");
    let name = [("RoleName", "r")];
    done(host.ask("PutRolePolicy", &[("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", ALLOW)]));
    assert!(done(host.ask("ListRolePolicies", &name)).contains("<member>p</member>"));
    assert!(done(host.ask("GetRolePolicy", &[("RoleName", "r"), ("PolicyName", "p")])).contains("%7B%22Version%22%3A"));
    let missing = "404 NoSuchEntity: The role policy with name x cannot be found.";
    assert_eq!(host.ask("GetRolePolicy", &[("RoleName", "r"), ("PolicyName", "x")]), missing);
    let managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    let attach = [("RoleName", "r"), ("PolicyArn", managed)];
    done(host.ask("AttachRolePolicy", &attach));
    done(host.ask("AttachRolePolicy", &attach));
    let listed = done(host.ask("ListAttachedRolePolicies", &name));
    assert_eq!(listed.matches("<member>").count(), 1);
    assert!(done(host.ask("ListEntitiesForPolicy", &[("PolicyArn", managed)])).contains("<RoleName>r</RoleName>"));
    assert_eq!(host.ask("DeleteRole", &name), "409 DeleteConflict: Cannot delete entity, must detach all policies first.");
    done(host.ask("DetachRolePolicy", &attach));
    assert_eq!(host.ask("DetachRolePolicy", &attach), format!("404 NoSuchEntity: Policy {managed} was not found."));
    assert_eq!(host.ask("DeleteRole", &name), "409 DeleteConflict: Cannot delete entity, must delete policies first.");
    done(host.ask("DeleteRolePolicy", &[("RoleName", "r"), ("PolicyName", "p")]));
    done(host.ask("UpdateRole", &[("RoleName", "r"), ("Description", "d"), ("MaxSessionDuration", "7200")]));
    let got = done(host.ask("GetRole", &name));
    assert_eq!((between(&got, "Description"), between(&got, "MaxSessionDuration")), ("d", "7200"));
    done(host.ask("DeleteRole", &name));
    assert_eq!(host.ask("GetRole", &name), "404 NoSuchEntity: The role with name r cannot be found.");
}

#[test]
fn what_is_wrong_is_refused_in_awss_words() {
    let host = Host::new();
    let error = "400 ValidationError: 1 validation error detected: Value ";
    for (action, parameters, expected) in [
        (
            "CreateRole",
            vec![("RoleName", "a b"), ("AssumeRolePolicyDocument", TRUST)],
            "'a b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+",
        ),
        ("GetRole", vec![], "null at 'roleName' failed to satisfy constraint: Member must not be null"),
        (
            "ListRoles",
            vec![("MaxItems", "0")],
            "'0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            "ListRoles",
            vec![("MaxItems", "1001")],
            "'1001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000",
        ),
        (
            "CreateRole",
            vec![("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST), ("MaxSessionDuration", "43201")],
            "'43201' at 'maxSessionDuration' failed to satisfy constraint: Member must have value less than or equal to 43200",
        ),
    ] {
        assert_eq!(host.ask(action, &parameters), format!("{error}{expected}"));
    }
    let malformed = |document: &str| host.ask("CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", document)]);
    assert_eq!(malformed("{"), "400 MalformedPolicyDocument: Syntax errors in policy.");
    assert_eq!(malformed(TRUST), "400 MalformedPolicyDocument: Policy document should not specify a principal.");
    let long = ALLOW.replace("lambda:*", &format!("lambda:{}", "x".repeat(6_144)));
    assert_eq!(malformed(&long), "409 LimitExceeded: Cannot exceed quota for PolicySize: 6144");
    assert_eq!(malformed("{\"\u{100}\": 1}").split(':').next(), Some("400 ValidationError"));
    let path = [&role("r")[..], &[("Path", "/*/")]].concat();
    assert!(host.ask("CreateRole", &path).starts_with("400 ValidationError"));
    let boundary = [&role("r")[..], &[("PermissionsBoundary", "arn:aws:iam::aws:policy/ReadOnlyAccess")]].concat();
    assert_starts(&host.ask("CreateRole", &boundary), "404 UnknownOperation: PermissionsBoundary");
    assert!(host.ask("CreateGroup", &[]).starts_with("404 UnknownOperation: iam:CreateGroup"));
    let tags = [("RoleName", "r"), ("Tags.member.1.Key", "a"), ("Tags.member.2.Key", "A")];
    done(host.ask("CreateRole", &role("r")));
    assert!(host.ask("TagRole", &tags).starts_with("400 InvalidInput: Duplicate tag keys found."));
}

#[test]
fn lists_come_in_pages_and_only_what_is_under_a_path() {
    let host = Host::new();
    for name in ["c", "a", "b", "e", "d"] {
        done(host.ask("CreateUser", &[("UserName", name), ("Path", if name < "d" { "/x/" } else { "/" })]));
    }
    let mut seen = Vec::new();
    let mut marker = String::new();
    loop {
        let page = done(host.ask("ListUsers", &[("MaxItems", "2"), ("Marker", &marker)]));
        seen.extend(page.split("<UserName>").skip(1).map(|rest| rest[..1].to_owned()));
        if between(&page, "IsTruncated") == "false" {
            break;
        }
        marker = between(&page, "Marker").to_owned();
        // What goes in between neither hides nor doubles others.
        if seen.len() == 2 {
            done(host.ask("DeleteUser", &[("UserName", "a")]));
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    assert_eq!(done(host.ask("ListUsers", &[("PathPrefix", "/x/")])).matches("<UserName>").count(), 2);
    assert_eq!(host.ask("ListUsers", &[("Marker", "%%")]), "400 ValidationError: Invalid Marker.");
}

#[test]
fn a_policy_lives_with_five_versions() {
    let host = Host::new();
    let made = done(host.ask("CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", ALLOW), ("Description", "d")]));
    let arn = between(&made, "Arn").to_owned();
    assert_eq!(arn, "arn:aws:iam::123456789012:policy/p");
    let by = [("PolicyArn", arn.as_str())];
    let taken = "409 EntityAlreadyExists: A policy called P already exists. Duplicate names are not allowed.";
    assert_eq!(host.ask("CreatePolicy", &[("PolicyName", "P"), ("PolicyDocument", ALLOW)]), taken);
    for number in 2..=limits::VERSIONS {
        let made = done(host.ask("CreatePolicyVersion", &[by[0], ("PolicyDocument", ALLOW), ("SetAsDefault", "true")]));
        assert_eq!(between(&made, "VersionId"), format!("v{number}"));
    }
    assert!(
        host.ask("CreatePolicyVersion", &[by[0], ("PolicyDocument", ALLOW)])
            .starts_with("409 LimitExceeded: A managed policy can have up to 5")
    );
    let version = |id| [by[0], ("VersionId", id)];
    assert_eq!(
        host.ask("DeletePolicyVersion", &version("v5")),
        "409 DeleteConflict: Cannot delete the default version of a policy."
    );
    done(host.ask("DeletePolicyVersion", &version("v2")));
    for id in ["v2", "v05", "5", ""] {
        assert!(host.ask("GetPolicyVersion", &version(id)).starts_with("404 NoSuchEntity"), "{id}");
    }
    done(host.ask("SetDefaultPolicyVersion", &version("v1")));
    assert_eq!(between(&done(host.ask("GetPolicy", &by)), "DefaultVersionId"), "v1");
    let listed = done(host.ask("ListPolicyVersions", &by));
    assert_eq!((listed.matches("<VersionId>").count(), between(&listed, "VersionId")), (4, "v5"));
    done(host.ask("CreateUser", &[("UserName", "u")]));
    done(host.ask("AttachUserPolicy", &[by[0], ("UserName", "u")]));
    assert_eq!(host.ask("DeletePolicy", &by), "409 DeleteConflict: Cannot delete a policy attached to entities.");
    assert_eq!(between(&done(host.ask("GetPolicy", &by)), "AttachmentCount"), "1");
    done(host.ask("DetachUserPolicy", &[by[0], ("UserName", "u")]));
    assert!(host.ask("DeletePolicy", &by).starts_with("409 DeleteConflict: This policy has more than one version."));
    for id in ["v3", "v4", "v5"] {
        done(host.ask("DeletePolicyVersion", &version(id)));
    }
    done(host.ask("DeletePolicy", &by));
    assert_eq!(host.ask("GetPolicy", &by), format!("404 NoSuchEntity: Policy {arn} was not found."));
    let aws = [("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess")];
    done(host.ask("GetPolicy", &aws));
    assert!(host.ask("DeletePolicy", &aws).starts_with("403 AccessDenied"));
}

#[test]
fn quotas_hold() {
    let host = Host::new();
    done(host.ask("CreateUser", &[("UserName", "u")]));
    for number in 0..=limits::ATTACHED {
        let arn = format!("arn:aws:iam::123456789012:policy/p{number}");
        done(host.ask("CreatePolicy", &[("PolicyName", &format!("p{number}")), ("PolicyDocument", ALLOW)]));
        let answer = host.ask("AttachUserPolicy", &[("UserName", "u"), ("PolicyArn", &arn)]);
        let refused = answer == "409 LimitExceeded: Cannot exceed quota for PoliciesPerUser: 10";
        assert_eq!(refused, number == limits::ATTACHED, "{answer}");
    }
    let inline = |chars: usize| ALLOW.replace("lambda:*", &format!("lambda:{}", "x".repeat(chars)));
    let fits = 2_048 - inline(0).len();
    let put = |name: &str, chars| {
        host.ask("PutUserPolicy", &[("UserName", "u"), ("PolicyName", name), ("PolicyDocument", &inline(chars))])
    };
    for (chars, is_accepted) in [(fits - 1, true), (fits, true), (fits + 1, false)] {
        let answer = put("a", chars);
        assert_eq!(answer.starts_with("200"), is_accepted, "{answer}");
    }
    assert_eq!(put("b", 1), "409 LimitExceeded: Maximum policy size of 2048 bytes exceeded for user u");
    for number in 0..limits::TAGS + 1 {
        let tag = format!("t{number}");
        let answer = host.ask("TagUser", &[("UserName", "u"), ("Tags.member.1.Key", &tag), ("Tags.member.1.Value", "")]);
        assert_eq!(answer.starts_with("200"), number < limits::TAGS, "{answer}");
    }
    let user = [("UserName", "u")];
    for _ in 0..limits::ACCESS_KEYS {
        done(host.ask("CreateAccessKey", &user));
    }
    assert_eq!(host.ask("CreateAccessKey", &user), "409 LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2");
}

#[test]
fn a_users_key_does_what_the_user_may_until_it_is_turned_off() {
    let host = Host::new();
    done(host.ask("CreateUser", &[("UserName", "u")]));
    let made = done(host.ask("CreateAccessKey", &[("UserName", "u")]));
    let (key, secret) = (between(&made, "AccessKeyId").to_owned(), between(&made, "SecretAccessKey").to_owned());
    assert_eq!((key.len(), secret.len()), (20, 40));
    let refused = host.ask_as(&host.caller(&key, None), "GetUser", &[]);
    assert!(refused.starts_with("403 AccessDenied: User: arn:aws:iam::123456789012:user/u is not authorized to perform: iam:GetUser on resource: arn:aws:iam::123456789012:user/u because no identity-based"), "{refused}");
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"}}"#;
    done(host.ask("PutUserPolicy", &[("UserName", "u"), ("PolicyName", "own"), ("PolicyDocument", own)]));
    let caller = host.caller(&key, None);
    assert_eq!(between(&done(host.ask_as(&caller, "GetUser", &[])), "UserName"), "u");
    assert!(host.ask_as(&caller, "GetUser", &[("UserName", "other")]).starts_with("403"));
    let listed = done(host.ask_as(&caller, "ListAccessKeys", &[]));
    assert!(listed.contains(&key) && !listed.contains(&secret));
    // An administrator's key is nobody's to turn off.
    let first = [("AccessKeyId", host.key.as_str()), ("Status", "Inactive")];
    assert!(host.ask_as(&caller, "UpdateAccessKey", &first).starts_with("404 NoSuchEntity"));
    assert!(host.ask("CreateUser", &[("UserName", "default")]).starts_with("409 EntityAlreadyExists"));
    assert_eq!(between(&done(host.ask("GetUser", &[])), "UserName"), "default");
    let policy = [("UserName", "u"), ("PolicyName", "own")];
    done(host.ask("DeleteUserPolicy", &policy));
    let keys = "409 DeleteConflict: Cannot delete entity, must delete access keys first.";
    assert_eq!(host.ask("DeleteUser", &[("UserName", "u")]), keys);
    done(host.ask("DeleteAccessKey", &[("UserName", "u"), ("AccessKeyId", &key)]));
    done(host.ask("DeleteUser", &[("UserName", "u")]));
}

#[test]
fn a_role_is_assumed_for_a_while() {
    let host = Host::new();
    done(host.ask("CreateRole", &role("r")));
    let arn = "arn:aws:iam::123456789012:role/r";
    let assume = [("RoleArn", arn), ("RoleSessionName", "me")];
    let made = done(host.ask("sts:AssumeRole", &assume));
    assert_eq!(between(&made, "Arn"), "arn:aws:sts::123456789012:assumed-role/r/me");
    let key = |made: &str| (between(made, "AccessKeyId").to_owned(), between(made, "SessionToken").to_owned());
    let (access_key, token) = key(&made);
    let session = host.caller(&access_key, Some(&token));
    let identity = done(host.ask_as(&session, "sts:GetCallerIdentity", &[]));
    assert!(between(&identity, "UserId").starts_with("AROA") && between(&identity, "UserId").ends_with(":me"), "{identity}");
    assert!(host.ask_as(&session, "ListRoles", &[]).starts_with("403 AccessDenied"));
    let whom = "400 ValidationError: Must specify userName when calling with non-User credentials";
    assert_eq!(host.ask_as(&session, "GetUser", &[]), whom);
    let renewed = host.ask_as(&session, "sts:GetSessionToken", &[]);
    assert_eq!(renewed, "403 AccessDenied: Cannot call GetSessionToken with session credentials");
    let with = |name: &str, value: &str| host.ask("sts:AssumeRole", &[&assume[..], &[(name, value)]].concat());
    for (seconds, expected) in [("899", "400"), ("900", "200"), ("3600", "200"), ("3601", "400"), ("43201", "400"), ("x", "400")]
    {
        assert!(with("DurationSeconds", seconds).starts_with(expected), "{seconds}");
    }
    assert!(with("Policy", "{").starts_with("400 MalformedPolicyDocument"));
    let long = ALLOW.replace('*', &"*".repeat(2_000));
    assert!(with("Policy", &long).starts_with("400 ValidationError"));
    assert!(with("Policy", &ALLOW.replace("lambda", "\u{100}")).starts_with("400 ValidationError"));
    assert_starts(&with("Tags.member.1.Key", "k"), "404 UnknownOperation");
    for (role_arn, name) in [("arn:aws:iam::123456789012:role/nobody", "me"), (arn, "a/b"), (arn, "x")] {
        let answer = host.ask("sts:AssumeRole", &[("RoleArn", role_arn), ("RoleSessionName", name)]);
        assert!(answer.starts_with("403 AccessDenied") || answer.starts_with("400 ValidationError"), "{answer}");
    }
    for absent in ["sts:DecodeAuthorizationMessage", "sts:AssumeRoleWithWebIdentity", "sts:GetFederationToken"] {
        assert!(host.ask(absent, &[]).starts_with(&format!("404 UnknownOperation: {absent} ")));
    }
    // A session of an administrator is one.
    let (access_key, token) = key(&done(host.ask("sts:GetSessionToken", &[("DurationSeconds", "129600")])));
    done(host.ask_as(&host.caller(&access_key, Some(&token)), "ListRoles", &[]));
    assert_eq!(between(&done(host.ask("sts:GetAccessKeyInfo", &[("AccessKeyId", &access_key)])), "Account"), "123456789012");
}

#[test]
fn who_may_tag_may_be_told_with_what() {
    let host = Host::new();
    done(host.ask("CreateRole", &role("r")));
    done(host.ask("CreateUser", &[("UserName", "u")]));
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*agRole","Resource":"*",
        "Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]},"Null":{"aws:TagKeys":"false"}}}}"#;
    done(host.ask("PutUserPolicy", &[("UserName", "u"), ("PolicyName", "p"), ("PolicyDocument", own)]));
    let made = done(host.ask("CreateAccessKey", &[("UserName", "u")]));
    let caller = host.caller(between(&made, "AccessKeyId"), None);
    for (key, start) in [("team", "200"), ("stage", "403 AccessDenied")] {
        assert_starts(&host.ask_as(&caller, "TagRole", &[("RoleName", "r"), ("Tags.member.1.Key", key)]), start);
        assert_starts(&host.ask_as(&caller, "UntagRole", &[("RoleName", "r"), ("TagKeys.member.1", key)]), start);
    }
}

#[test]
fn policies_are_tried_without_requests() {
    let host = Host::new();
    done(host.ask("CreateRole", &role("r")));
    done(host.ask("PutRolePolicy", &[("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", ALLOW)]));
    let tried = done(host.ask(
        "SimulatePrincipalPolicy",
        &[
            ("PolicySourceArn", "arn:aws:iam::123456789012:role/r"),
            ("ActionNames.member.1", "lambda:GetFunction"),
            ("ActionNames.member.2", "s3:GetObject"),
        ],
    ));
    assert!(tried.contains("<EvalDecision>allowed<") && tried.contains("<EvalDecision>implicitDeny<"), "{tried}");
    assert_eq!(host.ask("GetAccountSummary", &[]).matches("<entry>").count(), 19);
}

#[test]
fn there_are_so_many_roles_and_no_more() {
    let host = Host::new();
    done(host.ask("CreateRole", &role("r")));
    let identities = &host.authority.identities;
    let record = identities.record(crate::aws::identities::IdentityKind::Role, "r").unwrap().unwrap();
    let fill = |change: &crate::store::Change| {
        for number in 0..limits::ROLES - 2 {
            let record = crate::aws::identities::IdentityRecord { name: format!("r{number}"), ..record.clone() };
            identities.put(change, crate::aws::identities::IdentityKind::Role, &record)?;
        }
        Ok(())
    };
    identities.change(fill).unwrap();
    done(host.ask("CreateRole", &role("last")));
    assert_eq!(host.ask("CreateRole", &role("more")), "409 LimitExceeded: Cannot exceed quota for RolesPerAccount: 1000");
    assert_eq!(done(host.ask("ListRoles", &[("MaxItems", "1000")])).matches("<RoleName>").count(), limits::ROLES);
}

#[test]
fn nothing_longer_is_held_against_policies_than_an_arn_is() {
    let host = Host::new();
    let name = "x".repeat(100_000);
    for (action, parameter) in [
        ("CreateRole", "RoleName"),
        ("GetUser", "UserName"),
        ("CreatePolicy", "PolicyName"),
        ("GetPolicy", "PolicyArn"),
        ("SimulatePrincipalPolicy", "PolicySourceArn"),
    ] {
        let answer = host.ask(action, &[(parameter, name.as_str())]);
        assert!(answer.starts_with("400 ValidationError"), "{action}: {}", &answer[..80]);
    }
    assert!(host.ask("CreateUser", &[("UserName", "u"), ("Path", &format!("/{name}/"))]).starts_with("400 ValidationError"));
    done(host.ask("CreateUser", &[("UserName", "u")]));
    let simulate = |actions: usize| {
        let names: Vec<String> = (1..=actions).map(|number| format!("ActionNames.member.{number}")).collect();
        let mut parameters = vec![("PolicySourceArn", "arn:aws:iam::123456789012:user/u")];
        parameters.extend(names.iter().map(|name| (name.as_str(), "s3:GetObject")));
        host.ask("SimulatePrincipalPolicy", &parameters)
    };
    for (actions, start) in [(limits::SIMULATED - 1, "200"), (limits::SIMULATED, "200"), (limits::SIMULATED + 1, "400")] {
        assert!(simulate(actions).starts_with(start), "{actions}");
    }
}
