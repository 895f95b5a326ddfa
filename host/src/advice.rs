//! The traps of functions: what is allowed, and probably not meant. `edgeward deploy` tells of them before it makes a function,
//! `edgeward doctor` where functions are.
//!
//! I know no template and no API: who asks says what a function is, and how it is called (`whose`, such as "function `pay`").

use serde::Serialize;

use crate::limits::lambda::{GATEWAY_S, UNRESERVED};

/// One thing that is probably not meant, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    pub trap: Trap,
    pub severity: Severity,
    pub message: String,
    pub remedy: String,
}

/// What somebody has walked into. Names are stable: programs read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trap {
    /// The code cannot be run.
    Failed,
    /// Who waits for an answer gives up before the function must.
    Timeout,
    /// A secret that can be read by who may see the function.
    Secret,
    /// Nobody hears of an event that could not be handled.
    LostEvents,
    /// Functions may find no room for a call.
    Concurrency,
    /// More may call it than is probably meant.
    Open,
    /// What it asks of AWS's APIs is refused.
    Role,
    /// Something in a file is not what it seems.
    File,
    /// Who looks may not see all.
    Unseen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Warning,
    /// Often meant.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

impl Advice {
    fn warning(trap: Trap, message: String, remedy: &str) -> Advice {
        Advice { trap, severity: Severity::Warning, message, remedy: remedy.to_owned() }
    }

    fn note(trap: Trap, message: String, remedy: &str) -> Advice {
        Advice { severity: Severity::Note, ..Advice::warning(trap, message, remedy) }
    }

    /// In one line.
    pub fn told(&self) -> String {
        format!("{}; {}", self.message, self.remedy)
    }
}

/// A function whose newest code or settings cannot be used.
pub fn failed(whose: &str, why: &str) -> Advice {
    Advice::warning(
        Trap::Failed,
        format!("{whose} cannot be run as it was last changed: {why}"),
        "change its code or its settings",
    )
}

/// API Gateway in front of a function that may take longer than it waits
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>).
pub fn behind_gateway(whose: &str, timeout_s: i64) -> Option<Advice> {
    behind(whose, timeout_s, "API Gateway", GATEWAY_S)
}

/// Something in front of a function, which waits for so long.
pub fn behind(whose: &str, timeout_s: i64, front: &str, waits_s: i64) -> Option<Advice> {
    (timeout_s >= waits_s).then(|| {
        let message = format!("the timeout of {whose} is {timeout_s} s, and {front} waits for {waits_s} s");
        Advice::warning(
            Trap::Timeout,
            message,
            "the client would be told of an error while the function goes on: let it take less, or call it asynchronously",
        )
    })
}

/// A variable of the environment that probably is a secret in plain text.
pub fn secret(whose: &str, variable: &str, value: &str) -> Option<Advice> {
    is_secret(variable, value).then(|| {
        let message = format!("`{variable}` of {whose} looks like a secret, and stands there in plain text");
        Advice::warning(Trap::Secret, message, "keep it in Secrets Manager, and say `{{resolve:secretsmanager:NAME}}`")
    })
}

/// By its name, or by a value that only keys have. One that says where a secret is, is none.
fn is_secret(variable: &str, value: &str) -> bool {
    if value.is_empty() || value.starts_with("{{resolve:") || value.starts_with("arn:") {
        return false;
    }
    let is_access_key = |word: &str| {
        word.len() == 20
            && (word.starts_with("AKIA") || word.starts_with("ASIA"))
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let begins = ["-----BEGIN ", "ghp_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "sk_live_"];
    if is_access_key(value) || begins.iter().any(|begin| value.starts_with(begin)) || has_password(value) {
        return true;
    }
    let name = variable.to_ascii_uppercase();
    let says_so = ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "KEY", "CREDENTIAL"].iter().any(|word| name.contains(word));
    let says_where =
        ["_ARN", "_NAME", "_ID", "_PATH", "_URL", "_URI", "_FILE", "_TTL", "_PREFIX"].iter().any(|end| name.ends_with(end));
    says_so && !says_where
}

/// `postgres://user:password@host/`.
fn has_password(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// A function that is called asynchronously, with nowhere to go for what it cannot handle.
pub fn lost_events(whose: &str) -> Advice {
    let message = format!("{whose} is called asynchronously, and has neither a dead-letter queue nor an `OnFailure` destination");
    Advice::warning(Trap::LostEvents, message, "name one: else an event is lost when its retries have failed")
}

/// A function that may run no call at all.
pub fn switched_off(whose: &str) -> Advice {
    let message = format!("the reserved concurrency of {whose} is 0: each call is refused with status 429");
    Advice::note(Trap::Concurrency, message, "delete it, or reserve some, when the function is to run again")
}

/// What `functions` that reserve nothing share, in an account that may run `limit` calls at the same time.
pub fn shared(limit: i64, unreserved: i64, functions: usize) -> Option<Advice> {
    let share = |n: i64| format!("{functions} functions reserve no concurrency, and share {n} of the account's {limit}");
    match functions {
        0 | 1 => None,
        _ if unreserved <= i64::from(UNRESERVED) => Some(Advice::warning(
            Trap::Concurrency,
            share(unreserved),
            "reserve less for the others, or configure a higher `concurrency`: a burst at one of them leaves no room for the rest",
        )),
        _ if unreserved == limit => Some(Advice::note(
            Trap::Concurrency,
            share(unreserved),
            "a burst at one of them leaves no room for the rest: reserve some for those that must always answer",
        )),
        _ => None,
    }
}

/// Environments that were asked for and could not be made.
pub fn not_provisioned(whose: &str, why: &str) -> Advice {
    let message = format!("the provisioned concurrency of {whose} could not be had: {why}");
    Advice::warning(Trap::Concurrency, message, "ask for it again once that is mended: its calls start cold until then")
}

/// A function URL that asks for no signature.
pub fn open_url(whose: &str, url: &str) -> Advice {
    let message = format!("whoever reaches {url} can call {whose}: its URL asks for no signature");
    Advice::note(Trap::Open, message, "say `AuthType` `AWS_IAM` unless everybody is meant")
}

/// A statement of a policy that lets everybody call a function.
pub fn open_policy(whose: &str, statement: &str) -> Advice {
    let message = format!("the statement `{statement}` of the policy of {whose} lets everybody call it");
    Advice::warning(Trap::Open, message, "name who may, or a condition such as `aws:SourceArn`")
}

/// A function whose role is not there.
pub fn no_role(whose: &str, role: &str) -> Advice {
    let message = format!("there is no role `{role}`, which {whose} has");
    Advice::note(Trap::Role, message, "what it asks of AWS's APIs is refused: make the role with `aws iam create-role`")
}

/// What an operation would tell of so many functions, or of the host, and may not tell whoever looks.
pub fn unseen(service: &str, operation: &str, functions: usize) -> Advice {
    let whose = match functions {
        0 => "the host".to_owned(),
        1 => "a function".to_owned(),
        _ => format!("{functions} functions"),
    };
    let message = format!("{whose} could not be looked at for what {operation} tells: it was refused");
    let remedy = format!("look with keys whose user may do `{service}:{operation}`");
    Advice { remedy, ..Advice::warning(Trap::Unseen, message, "") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_name_or_by_value() {
        let secrets = [
            ("DB_PASSWORD", "hunter2"),
            ("api_key", "x"),
            ("GITHUB_TOKEN", "x"),
            ("A", "AKIAIOSFODNN7EXAMPLE"),
            ("A", "-----BEGIN PRIVATE KEY-----\n"),
            ("A", "ghp_x"),
            ("DATABASE", "postgres://shop:hunter2@db.example.com/shop"),
        ];
        for (name, value) in secrets {
            assert!(secret("f", name, value).is_some(), "{name}={value}");
        }
        let others = [
            ("DB_PASSWORD", ""),
            ("DB_PASSWORD", "{{resolve:secretsmanager:db}}"),
            ("DB_PASSWORD_ARN", "x"),
            ("TOKEN_URL", "https://example.com/token"),
            ("SECRET_NAME", "db"),
            ("KEY", "arn:aws:kms:us-east-1:123456789012:key/x"),
            ("STAGE", "prod"),
            ("A", "AKIA"),
            ("DATABASE", "postgres://shop@db.example.com:5432/shop"),
            ("PAGE", "https://example.com/?at=a:b@c"),
        ];
        for (name, value) in others {
            assert_eq!(secret("f", name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn a_timeout_is_told_of_that_reaches_what_the_front_waits() {
        assert_eq!(behind_gateway("f", 28), None);
        assert!(behind_gateway("f", 29).is_some() && behind_gateway("f", 900).is_some());
        assert_eq!(behind("f", 29, "an origin", 30), None);
    }

    #[test]
    fn what_functions_share_is_told_of_when_it_is_little_or_all() {
        let severity = |unreserved, functions| shared(1_000, unreserved, functions).map(|advice| advice.severity);
        assert_eq!(severity(100, 2), Some(Severity::Warning));
        assert_eq!(severity(1_000, 2), Some(Severity::Note));
        assert_eq!([severity(500, 2), severity(100, 1), severity(1_000, 0)], [None; 3]);
    }
}
