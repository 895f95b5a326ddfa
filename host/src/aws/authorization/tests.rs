//! Tables of who may do what, and of who is nobody any more.

use std::net::IpAddr;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::aws::identities::{IdentityRecord, RoleRecord};

const ROLE: &str = "arn:aws:iam::123456789012:role/app/r";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";
const FOREIGN: &str = "arn:aws:lambda:us-east-1:999999999999:function:f";
const LISTS: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "lambda:Get*", "Resource": "*"},
    {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:*:*:function:f"},
    {"Effect": "Deny", "Action": "lambda:GetPolicy", "Resource": "*"}
]}"#;
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com", "AWS": "arn:aws:iam::123456789012:user/u"}, "Action": "sts:AssumeRole"}
]}"#;

struct World {
    _folder: TempDir,
    authority: Authority,
    administrator: Credential,
    user: Credential,
}

fn at(s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(s)
}

fn identity(name: &str, id: &str, path: &str, trust: Option<&str>) -> IdentityRecord {
    IdentityRecord {
        name: name.to_owned(),
        path: path.to_owned(),
        id: id.to_owned(),
        created_s: 0,
        inline: [("lists".to_owned(), LISTS.to_owned())].into(),
        attached: Vec::new(),
        tags: [("team".to_owned(), "fruit".to_owned())].into(),
        role: trust.map(|trust| RoleRecord { trust: trust.to_owned(), description: None, max_session_s: 3_600 }),
    }
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (authority, first) = Authority::open(folder.path(), store, Account::default()).unwrap();
    let world = World {
        administrator: first.unwrap(),
        user: authority.credentials.create_restricted("u", "AIDA1").unwrap(),
        authority,
        _folder: folder,
    };
    world.put(IdentityKind::User, &identity("u", "AIDA1", "/", None));
    world.put(IdentityKind::Role, &identity("r", "AROA1", "/app/", Some(TRUST)));
    world
}

impl World {
    fn put(&self, kind: IdentityKind, record: &IdentityRecord) {
        self.authority.identities.change(|change| Ok(self.authority.identities.put(change, kind, record)?)).unwrap();
    }

    fn session(&self, policy: Option<&str>) -> TemporaryCredential {
        let of = SessionOf::Role { arn: ROLE.to_owned(), id: "AROA1".to_owned(), name: "s".to_owned() };
        self.authority.sessions.issue(of, 900, policy.map(str::to_owned), at(1_000)).unwrap()
    }

    fn caller(&self, key: &str, token: Option<&str>) -> Caller {
        self.authority.identify(key, token, at(1_000)).unwrap().0
    }

    fn role(&self, policy: Option<&str>) -> Caller {
        let session = self.session(policy);
        self.caller(&session.access_key, Some(&session.session_token))
    }
}

fn context() -> RequestContext<'static> {
    RequestContext {
        source_ip: IpAddr::from([192, 0, 2, 1]),
        user_agent: Some("aws-cli/2"),
        time: at(1_700_000_000),
        secure: false,
        keys: Vec::new(),
        resource_tags: Vec::new(),
        request_tags: Vec::new(),
        tag_keys: Vec::new(),
    }
}

fn resource_policy(effect: &str, principal: &str) -> PolicyDocument {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "{effect}", "Principal": {principal}, "Action": "lambda:*", "Resource": "*"}}]}}"#
    );
    PolicyDocument::parse(&text, PolicyKind::Resource).unwrap()
}

#[test]
fn who_may_do_what() {
    let world = world();
    let cut = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "*"},
        {"Effect": "Deny", "Action": "lambda:GetAlias", "Resource": "*"}]}"#;
    let administrator = world.caller(&world.administrator.access_key, None);
    let user = world.caller(&world.user.access_key, None);
    let (role, session) = (world.role(None), world.role(Some(cut)));
    let allows = |principal: &str| Some(resource_policy("Allow", principal));
    let denies = |principal: &str| Some(resource_policy("Deny", principal));
    let user_arn = r#"{"AWS": "arn:aws:iam::123456789012:user/u"}"#;
    let role_arn = r#"{"AWS": "arn:aws:iam::123456789012:role/app/r"}"#;
    let account = r#"{"AWS": "123456789012"}"#;
    let none_identity = "because no identity-based policy allows the";
    let denied = "with an explicit deny in an identity-based policy";
    type Case<'a> = (&'a str, &'a Caller, &'a str, &'a str, Option<PolicyDocument>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("administrator", &administrator, "lambda:DeleteFunction", FUNCTION, None, ""),
        ("administrator, foreign", &administrator, "lambda:GetLayerVersion", FOREIGN, None, ""),
        ("administrator, denied", &administrator, "lambda:GetFunction", FUNCTION, denies("\"*\""), "in a resource-based policy"),
        ("user, allowed", &user, "lambda:GetFunction", FUNCTION, None, ""),
        ("user, not allowed", &user, "lambda:DeleteFunction", FUNCTION, None, none_identity),
        ("user, denied", &user, "lambda:GetPolicy", FUNCTION, None, denied),
        ("user, allowed by the resource", &user, "lambda:DeleteFunction", FUNCTION, allows(user_arn), ""),
        ("user, denied in spite of it", &user, "lambda:GetPolicy", FUNCTION, allows(user_arn), denied),
        ("user, by account", &user, "lambda:DeleteFunction", FUNCTION, allows(account), none_identity),
        ("user, foreign", &user, "lambda:InvokeFunction", FOREIGN, None, "because no resource-based policy allows the"),
        ("user, foreign, both", &user, "lambda:InvokeFunction", FOREIGN, allows(user_arn), ""),
        ("user, foreign, resource alone", &user, "lambda:DeleteFunction", FOREIGN, allows(user_arn), none_identity),
        ("role, allowed", &role, "lambda:GetAlias", FUNCTION, None, ""),
        ("role, not allowed", &role, "lambda:DeleteFunction", FUNCTION, None, none_identity),
        ("role, denied", &role, "lambda:GetPolicy", FUNCTION, None, denied),
        ("role, allowed by the resource", &role, "lambda:DeleteFunction", FUNCTION, allows(role_arn), ""),
        ("session, allowed by both", &session, "lambda:GetFunction", FUNCTION, None, ""),
        (
            "session, cut",
            &session,
            "lambda:InvokeFunction",
            FUNCTION,
            None,
            "because no session policy allows the lambda:InvokeFunction action",
        ),
        ("session, denied", &session, "lambda:GetAlias", FUNCTION, None, "with an explicit deny in a session policy"),
        (
            "session, cut the resource's",
            &session,
            "lambda:DeleteFunction",
            FUNCTION,
            allows(role_arn),
            "because no session policy allows the",
        ),
        ("session gives nothing", &session, "lambda:GetPolicy", FUNCTION, None, denied),
    ];
    for (name, caller, action, resource, policy, expected) in cases {
        let answer = world.authority.authorize(caller, action, resource, policy.as_ref(), &context());
        match (answer, expected) {
            (Ok(()), "") => {}
            (Err(error), expected) if !expected.is_empty() => {
                let message = error.message.as_deref().unwrap();
                let start = format!("User: {} is not authorized to perform: {action} on resource: {resource} ", caller.arn());
                assert!(message.starts_with(&start) && message.contains(expected), "{name}: {message}");
                assert_eq!((error.code, error.status.as_u16()), ("AccessDeniedException", 403), "{name}");
            }
            (answer, _) => panic!("{name}: {answer:?}"),
        }
    }
    assert_eq!(session.arn(), "arn:aws:sts::123456789012:assumed-role/r/s");
    assert_eq!((session.user_id.as_str(), session.account()), ("AROA1:s", "123456789012"));
}

#[test]
fn a_role_is_assumed_only_by_whom_it_trusts() {
    let world = world();
    let trust = PolicyDocument::parse(TRUST, PolicyKind::Trust).unwrap();
    let may = |caller: &Caller| world.authority.authorize(caller, "sts:AssumeRole", ROLE, Some(&trust), &context());
    assert!(may(&world.caller(&world.user.access_key, None)).is_ok());
    let refused = may(&world.caller(&world.administrator.access_key, None)).unwrap_err();
    assert!(refused.message.unwrap().ends_with("because no role trust policy allows the sts:AssumeRole action"));
    assert!(may(&world.role(None)).is_err());
    let allow = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#;
    let trusting = TRUST.replace("user/u", "role/app/r");
    let trusting = PolicyDocument::parse(&trusting, PolicyKind::Trust).unwrap();
    for (policy, is_allowed) in [(None, true), (Some(allow), true), (Some(LISTS), false)] {
        let answer = world.authority.authorize(&world.role(policy), "sts:AssumeRole", ROLE, Some(&trusting), &context());
        assert_eq!(answer.is_ok(), is_allowed, "{policy:?}");
    }
}

#[test]
fn conditions_see_the_request_and_the_caller() {
    let world = world();
    for (condition, is_met) in [
        (r#"{"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}"#, false),
        (r#"{"Bool": {"aws:SecureTransport": "false"}}"#, true),
        (r#"{"StringLike": {"aws:UserAgent": "aws-cli/*"}}"#, true),
        (r#"{"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}"#, true),
        (r#"{"DateGreaterThan": {"aws:CurrentTime": "2023-11-14T22:13:20Z"}}"#, false),
        (r#"{"NumericEquals": {"aws:EpochTime": "1700000000"}}"#, true),
        (r#"{"StringEquals": {"aws:userid": "AIDA1", "aws:username": "u", "aws:RequestedRegion": "us-east-1"}}"#, true),
        (r#"{"StringEquals": {"aws:PrincipalTag/team": "fruit"}}"#, true),
        (r#"{"StringEquals": {"aws:ResourceTag/team": "fruit"}}"#, true),
        (r#"{"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}"#, true),
        (r#"{"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}"#, true),
        (r#"{"Null": {"aws:TokenIssueTime": "true"}}"#, true),
    ] {
        let mut record = identity("u", "AIDA1", "/", None);
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {condition}}}}}"#
        );
        record.inline = [("p".to_owned(), text)].into();
        world.put(IdentityKind::User, &record);
        let mut context = context();
        context.resource_tags = vec![("team".to_owned(), "fruit".to_owned())];
        context.tag_keys = vec!["a".to_owned()];
        // What a request says of itself does not make it another's.
        context = context.with("aws:userid", "somebody");
        let caller = world.caller(&world.user.access_key, None);
        assert_eq!(world.authority.pass_role(&caller, ROLE, "lambda.amazonaws.com", &context).is_ok(), is_met, "{condition}");
    }
}

#[test]
fn who_is_gone_is_nobody_at_once() {
    let world = world();
    let identities = &world.authority.identities;
    let identify = |key: &str, token: Option<&str>, now| {
        world.authority.identify(key, token, at(now)).map(|_| ()).map_err(|error| error.code)
    };
    let (invalid, session) = (Err("UnrecognizedClientException"), world.session(None));
    let (key, token) = (session.access_key.as_str(), Some(session.session_token.as_str()));
    let of_user = SessionOf::User { access_key: world.user.access_key.clone() };
    let of_user = world.authority.sessions.issue(of_user, 900, None, at(1_000)).unwrap();
    let user_session = |now| identify(&of_user.access_key, Some(&of_user.session_token), now);

    assert_eq!((identify(key, token, 1_000), user_session(1_000)), (Ok(()), Ok(())));
    assert_eq!(identify(key, token, 1_900), Err("ExpiredTokenException"));
    assert_eq!(identify(key, None, 1_000), invalid);
    assert_eq!(identify(&world.user.access_key, token, 1_000), invalid);
    assert_eq!(identify("AKIANOBODY", None, 1_000), invalid);

    // A role of the same name is another.
    identities.change(|change| Ok(identities.remove(change, "role", "r")?)).unwrap();
    assert_eq!(identify(key, token, 1_000), invalid);
    world.put(IdentityKind::Role, &identity("r", "AROA2", "/app/", Some(TRUST)));
    assert_eq!(identify(key, token, 1_000), invalid);

    world.authority.credentials.turn(&world.user.access_key, "AIDA1", KeyStatus::Inactive).unwrap();
    assert_eq!((identify(&world.user.access_key, None, 1_000), user_session(1_000)), (invalid, invalid));
    world.authority.credentials.turn(&world.user.access_key, "AIDA1", KeyStatus::Active).unwrap();
    assert_eq!(identify(&world.user.access_key, None, 1_000), Ok(()));
    world.put(IdentityKind::User, &identity("u", "AIDA2", "/", None));
    assert_eq!((identify(&world.user.access_key, None, 1_000), user_session(1_000)), (invalid, invalid));
}

#[test]
fn a_changed_policy_counts_from_the_next_request_on() {
    let world = world();
    let may = || {
        let caller = world.caller(&world.user.access_key, None);
        world.authority.authorize(&caller, "lambda:GetFunction", FUNCTION, None, &context()).is_ok()
    };
    assert!(may() && may());
    let mut record = identity("u", "AIDA1", "/", None);
    record.inline.clear();
    world.put(IdentityKind::User, &record);
    assert!(!may());
    record.attached.push("arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess".to_owned());
    world.put(IdentityKind::User, &record);
    assert!(may());
    // What cannot be read allows nothing: it may have denied something.
    record.attached.push("arn:aws:iam::123456789012:policy/gone".to_owned());
    world.put(IdentityKind::User, &record);
    assert_eq!(world.authority.identify(&world.user.access_key, None, at(1)).unwrap_err().status, 500);
}

#[test]
fn readers_never_use_what_was_before_a_change() {
    let world = world();
    let stop = &std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (authority, key) = (&world.authority, world.user.access_key.as_str());
        for _ in 0..2 {
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    authority.identify(key, None, at(1)).unwrap();
                }
            });
        }
        for number in 0..50 {
            let mut record = identity("u", "AIDA1", "/", None);
            record.tags.insert("number".to_owned(), number.to_string());
            world.put(IdentityKind::User, &record);
            let seen = world.caller(key, None);
            assert_eq!(seen.identity().unwrap().tags["number"], number.to_string());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_function_does_what_its_role_allows() {
    let world = world();
    for gone in ["arn:aws:iam::123456789012:role/r", "arn:aws:iam::123456789012:role/nobody", ""] {
        let error = world.authority.function_credential(gone, "f", 900, at(1_000)).map(drop).unwrap_err();
        assert_eq!(error.code, "AccessDeniedException");
        assert_eq!(world.authority.is_trusting(gone, "lambda.amazonaws.com").unwrap(), None);
    }
    assert_eq!(world.authority.is_trusting(ROLE, "lambda.amazonaws.com").unwrap(), Some(true));
    assert_eq!(world.authority.is_trusting(ROLE, "events.amazonaws.com").unwrap(), Some(false));
    let made = world.authority.function_credential(ROLE, "f", 900, at(1_000)).unwrap();
    let (caller, secret) = world.authority.identify(&made.access_key, Some(&made.session_token), at(1_000)).unwrap();
    assert_eq!((caller.user_id.as_str(), secret.text()), ("AROA1:f", made.secret_key.as_str()));
    let may = |action: &str| world.authority.authorize(&caller, action, FUNCTION, None, &context());
    assert!(may("lambda:InvokeFunction").is_ok());
    let refused = may("lambda:DeleteFunction").unwrap_err().message.unwrap();
    assert!(refused.starts_with("User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized"), "{refused}");
}

#[test]
fn nothing_prints_a_secret() {
    let world = world();
    let session = world.session(None);
    let (caller, secret) = world.authority.identify(&session.access_key, Some(&session.session_token), at(1_000)).unwrap();
    let printed = format!("{caller:?} {secret:?} {session:?}");
    assert!(!printed.contains(&session.secret_key) && !printed.contains(&session.session_token), "{printed}");
}

#[test]
fn iam_is_signed_for_its_region_and_lambda_for_ours() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let account = Account { region: "eu-west-1".to_owned(), ..Account::default() };
    let (authority, _) = Authority::open(folder.path(), store, account).unwrap();
    for (service, region, is_ours) in [
        ("iam", "us-east-1", true),
        ("sts", "us-east-1", true),
        ("sts", "eu-west-1", true),
        ("lambda", "eu-west-1", true),
        ("lambda", "us-east-1", false),
        ("iam", "eu-central-1", false),
    ] {
        let mut headers = http::HeaderMap::new();
        let signature = "0".repeat(64);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAX/20240101/{region}/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        headers.insert("authorization", value.parse().unwrap());
        headers.insert("x-amz-date", "20240101T000000Z".parse().unwrap());
        headers.insert("host", "localhost".parse().unwrap());
        let signed = crate::aws::sigv4::Signed { method: "POST", path: "/", query: "", headers: &headers };
        let claim = SignatureClaim::read(&signed).unwrap().unwrap();
        assert_eq!(authority.require_scope(&claim).is_ok(), is_ours, "{service} {region}");
        assert_eq!(authority.authenticate(&claim, at(1)).unwrap_err().code, "UnrecognizedClientException");
    }
}
