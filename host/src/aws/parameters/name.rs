//! Names of parameters: what they may be, and which parameter a request means.
//!
//! `/x` and `x` are one parameter, whose key is `x`; with more levels a name begins with a slash. A request may have an ARN in
//! the place of a name, and a selector behind it: `name:3`, `name:label`.

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::parameters::refusals::invalid;
use crate::limits::parameters::{ID_CHARS, LEVELS, NAME_CHARS};

/// A parameter that a request means.
#[derive(Debug, PartialEq)]
pub struct Selected {
    pub key: String,
    /// A version or a label.
    pub selector: Option<String>,
}

impl Selected {
    /// `prefix` is what the account's own ARNs begin with. Nothing for other ARNs.
    pub fn parse(id: &str, prefix: &str) -> Option<Selected> {
        let name = match id.strip_prefix(prefix).filter(|rest| rest.starts_with('/')) {
            Some(name) => name,
            None if id.starts_with("arn:") => return None,
            None => id,
        };
        let (name, selector) = match name.split_once(':') {
            Some((name, selector)) => (name, Some(selector.to_owned())),
            None => (name, None),
        };
        Some(Selected { key: key(name).to_owned(), selector })
    }
}

/// A name or ARN that a request must have.
pub fn required<'a>(member: &str, id: Option<&'a str>) -> Result<&'a str, ApiError> {
    let mut constraints = Constraints::default();
    if let Some(id) = constraints.required(member, id) {
        constraints.length(member, id, 1..=ID_CHARS);
    }
    constraints.finish()?;
    Ok(id.unwrap_or_default())
}

/// What a parameter is kept under.
pub fn key(name: &str) -> &str {
    name.strip_prefix('/').filter(|rest| !rest.contains('/')).unwrap_or(name)
}

/// A name as a path: with its slash.
pub fn path(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}

/// Whether a new parameter may have this name.
pub fn check(name: &str) -> Result<(), ApiError> {
    let relative = name.strip_prefix('/').unwrap_or(name);
    let is_path = relative.contains('/');
    let lower = relative.to_ascii_lowercase();
    if lower.starts_with("aws") && is_path {
        let message = format!("No access to reserved parameter name: {name}.");
        return Err(ApiError::bad_request("AccessDeniedException", message));
    }
    let sound = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    let reserved = lower.starts_with("aws") || lower.starts_with("ssm");
    if reserved && !is_path {
        let message = "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).";
        return Err(invalid(message.to_owned()));
    }
    if reserved || !relative.split('/').all(sound) {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of \
             sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 \
             symbols .-_"
                .to_owned(),
        ));
    }
    if is_path && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name.".to_owned()));
    }
    if name.chars().count() > NAME_CHARS {
        return Err(invalid(format!("Parameter name must have at most {NAME_CHARS} characters.")));
    }
    if relative.split('/').count() > LEVELS {
        let message = "A parameter hierarchy can have a maximum of 15 levels. For more information, see Requirements and \
                       constraints for parameter names in the AWS Systems Manager User Guide.";
        return Err(ApiError::bad_request("HierarchyLevelLimitExceededException", message));
    }
    Ok(())
}

/// Whether parameters may be looked for below this path.
pub fn check_path(path: &str) -> Result<(), ApiError> {
    let sound = |c: char| c.is_ascii_alphanumeric() || ".-_/".contains(c);
    if !path.starts_with('/') || path.contains("//") || !path.chars().all(sound) {
        return Err(invalid(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \
             \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the \
             following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if \
             specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_."
                .to_owned(),
        ));
    }
    Ok(())
}

/// Whether a parameter is below a path: directly, or at any depth.
pub fn is_below(name: &str, path_asked: &str, recursive: bool) -> bool {
    let path = path(name);
    let rest = path.strip_prefix(path_asked.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| recursive || !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_arns_and_selectors_mean_a_parameter() {
        let prefix = "arn:aws:ssm:r:1:parameter";
        let selected = |id| Selected::parse(id, prefix).map(|selected| (selected.key, selected.selector));
        let some = |key: &str, selector: Option<&str>| Some((key.to_owned(), selector.map(str::to_owned)));
        assert_eq!(selected("x"), some("x", None));
        assert_eq!(selected("/x:3"), some("x", Some("3")));
        assert_eq!(selected("/a/x:live"), some("/a/x", Some("live")));
        assert_eq!(selected("arn:aws:ssm:r:1:parameter/x"), some("x", None));
        assert_eq!(selected("arn:aws:ssm:r:1:parameter/a/x:3"), some("/a/x", Some("3")));
        assert_eq!(selected("arn:aws:ssm:r:2:parameter/a/x"), None);
        assert_eq!(selected("arn:aws:ssm:r:1:parameterx"), None);
    }

    #[test]
    fn names_are_checked() {
        let fifteen = "/l".repeat(15);
        let longest = format!("/a/{}", "b".repeat(1_008));
        for name in ["x", "/x", "/a/b", "A.b-c_1", &fifteen, &longest, "/a/aws"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        let sixteen = "/l".repeat(16);
        let longer = format!("{longest}b");
        for (name, text) in [
            ("", "each sub-path"),
            ("/", "each sub-path"),
            ("a b", "each sub-path"),
            ("/a//b", "each sub-path"),
            ("/a/", "each sub-path"),
            ("x:1", "each sub-path"),
            ("a/b", "fully qualified"),
            ("awsx", "\"aws\" or \"ssm\""),
            ("/SSMx", "\"aws\" or \"ssm\""),
            ("/ssm/x", "prefixed with \"ssm\""),
            ("/aws/x", "No access to reserved parameter name: /aws/x."),
            (&sixteen, "15 levels"),
            (&longer, "1011 characters"),
        ] {
            let error = check(name).unwrap_err();
            assert!(error.message.as_deref().unwrap().contains(text), "{name}: {error}");
        }
    }

    #[test]
    fn a_parameter_is_below_its_paths() {
        assert!(is_below("/a/b/c", "/a/b", false) && is_below("/a/b/c", "/a/b/", false));
        assert!(!is_below("/a/b/c", "/a", false) && is_below("/a/b/c", "/a", true));
        assert!(is_below("x", "/", false) && is_below("/a/b/c", "/", true));
        assert!(!is_below("/ab/c", "/a", true) && !is_below("/a/b", "/a/b", true));
    }
}
