//! The part of an edge.toml that serves the events of APIs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A path of an API that a function answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventRoute {
    /// As SAM writes it: `/items/{id}`, `/{proxy+}`.
    pub(super) path: String,
    /// `None` is any.
    pub(super) method: Option<String>,
    pub(super) function: String,
    pub(super) alias: Option<String>,
}

/// Empty if there are no routes.
pub(super) fn tables(stack: &str, routes: &[EventRoute]) -> String {
    if routes.is_empty() {
        return String::new();
    }
    let mut by_path: BTreeMap<String, Vec<&EventRoute>> = BTreeMap::new();
    for route in routes {
        by_path.entry(pattern(&route.path)).or_default().push(route);
    }
    let mut paths: Vec<(String, Vec<&EventRoute>)> = by_path.into_iter().collect();
    // The first one that matches applies: those that say more stand first.
    paths.sort_by_key(|(path, _)| (path.contains('*'), std::cmp::Reverse(path.len())));
    let (none, name) = (quoted(&format!("{stack}-not-found")), quoted(stack));
    let mut text = format!("[origin.{none}]\nfixed = {{ status = 404, body = '{{\"message\":\"Not Found\"}}' }}\n\n");
    // The one origin of each path is its first function.
    let called: BTreeMap<&str, &EventRoute> = paths.iter().map(|(_, routes)| (routes[0].function.as_str(), routes[0])).collect();
    for (origin, EventRoute { function, alias, .. }) in called {
        let function = alias.as_ref().map_or_else(|| function.clone(), |alias| format!("{function}:{alias}"));
        let _ = write!(text, "[origin.{}]\napi = {{ function = {} }}\n\n", quoted(origin), quoted(&function));
    }
    let _ = write!(text, "[[site]]\nname = {name}\nhosts = [\"*\"]\norigin = {none}\n");
    for (path, routes) in paths {
        let first = routes[0];
        let _ = write!(text, "\n[[site.behavior]]\npath = {}\norigin = {}\n", quoted(&path), quoted(&first.function));
        let others: BTreeSet<&str> =
            routes.iter().map(|route| route.function.as_str()).filter(|name| *name != first.function).collect();
        for other in others {
            let _ = writeln!(
                text,
                "# {other} answers other methods of this path: a behavior has one origin, so let one function answer all."
            );
        }
        let methods: Option<BTreeSet<&str>> = routes.iter().map(|route| route.method.as_deref()).collect();
        if let Some(mut methods) = methods {
            methods.extend(["GET", "HEAD", "OPTIONS"]);
            let methods: Vec<String> = methods.into_iter().map(quoted).collect();
            let _ = writeln!(text, "allowed_methods = [{}]", methods.join(", "));
        }
    }
    text
}

/// A path as behaviors have it.
fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('{') {
        pattern.push_str(&rest[..at]);
        pattern.push('*');
        rest = rest[at..].find('}').map_or("", |end| &rest[at + end + 1..]);
    }
    pattern + rest
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_become_behaviors_and_what_says_more_stands_first() {
        let route = |path: &str, method: Option<&str>, function: &str| EventRoute {
            path: path.to_owned(),
            method: method.map(str::to_owned),
            function: function.to_owned(),
            alias: (function == "b").then(|| "live".to_owned()),
        };
        let routes = [
            route("/{proxy+}", None, "a"),
            route("/items/{id}", Some("GET"), "b"),
            route("/items/{id}", Some("PUT"), "c"),
            route("/items", Some("POST"), "b"),
        ];
        expect_test::expect![[r#"
            [origin."shop-not-found"]
            fixed = { status = 404, body = '{"message":"Not Found"}' }

            [origin."a"]
            api = { function = "a" }

            [origin."b"]
            api = { function = "b:live" }

            [[site]]
            name = "shop"
            hosts = ["*"]
            origin = "shop-not-found"

            [[site.behavior]]
            path = "/items"
            origin = "b"
            allowed_methods = ["GET", "HEAD", "OPTIONS", "POST"]

            [[site.behavior]]
            path = "/items/*"
            origin = "b"
            # c answers other methods of this path: a behavior has one origin, so let one function answer all.
            allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT"]

            [[site.behavior]]
            path = "/*"
            origin = "a"
        "#]]
        .assert_eq(&tables("shop", &routes));
        assert_eq!(tables("shop", &[]), "");
    }
}
