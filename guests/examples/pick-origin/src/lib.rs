//! Chooses where a request goes: by path, by a canary cookie, or to a host of a tenant's own.
//!
//! The configuration declares the origins `api`, `api-standby` and `canary`; the key-value store leads from
//! a tenant (the first label of the host name) to a host.

use edgeward_sdk::{Request, kv};

edgeward_sdk::viewer_request!(handle);

fn handle(req: &mut Request) {
    if let Some(path) = req.uri().strip_prefix("/api/") {
        // The API does not know that it lives below /api.
        req.set_uri(["/", path]);
        // Reads may be answered by the standby; a write must not be made twice.
        if matches!(req.method(), "GET" | "HEAD") {
            req.set_origin_group("api", "api-standby", &[500, 502, 503, 504]);
        } else {
            req.select_origin("api");
            req.set_origin_timeouts(2_000, 60_000, 1);
        }
        return;
    }
    if req.cookie("canary") == Some("1") {
        req.select_origin("canary");
        return;
    }
    let tenant = req.header("host").and_then(|host| host.split_once('.')).map(|(tenant, _)| tenant);
    if let (Some(tenant), Some(host)) = (tenant, tenant.and_then(kv::get_text)) {
        req.set_origin_address(&host, 443, true);
        req.set_origin_host_header(&host);
        req.add_origin_header("x-tenant", tenant);
    }
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::{Case, Op};

    #[test]
    fn reads_may_fail_over_and_writes_may_not() {
        let read = Case::request("GET", "/api/users").run(super::handle);
        assert_eq!(read.uri(), Some("/users"));
        assert!(matches!(read.ops()[1], Op::OriginGroup(..)));
        let write = Case::request("POST", "/api/users").run(super::handle);
        assert_eq!(write.ops()[1], Op::SelectOrigin("api".into()));
    }

    #[test]
    fn tenants_have_their_own_hosts() {
        let case = Case::request("GET", "/").value("acme", "acme.internal.example");
        let known = case.clone().header("host", "acme.example.com").run(super::handle);
        assert_eq!(known.ops()[0], Op::OriginAddress("acme.internal.example".into(), 443, true));
        assert!(case.header("host", "other.example.com").run(super::handle).ops().is_empty());
    }
}
