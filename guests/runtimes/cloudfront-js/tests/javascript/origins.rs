//! The origin of a request, chosen by a function.

use crate::harness::{get, run, table};

#[test]
fn an_origin_is_changed_or_chosen() {
    let of = |body: &&str| {
        run(
            &format!(
                "import cf from 'cloudfront';\nfunction handler(event) {{ try {{ {body} }} catch (e) {{ console.log(e.name + ': ' + e.message) }} return event.request }}"
            ),
            &get(),
        )
    };
    table(
        &[
            ("cf.updateRequestOrigin({ domainName: 'api.example.com' })", "address api.example.com 443 1"),
            (
                "cf.updateRequestOrigin({ domainName: 'a.example', customOriginConfig: { port: 8080, protocol: 'http', sslProtocols: ['TLSv1.2'] } })",
                "address a.example 8080 0",
            ),
            (
                "cf.updateRequestOrigin({ domainName: 'a.example', customOriginConfig: { protocol: 'http' } })",
                "address a.example 80 0",
            ),
            ("cf.updateRequestOrigin({ originPath: '/v2', hostHeader: 'b.example' })", "path /v2\nhost b.example"),
            ("cf.updateRequestOrigin({ customHeaders: {} })", "clear"),
            ("cf.updateRequestOrigin({ customHeaders: { 'x-a': '1', 'x-b': '2' } })", "clear\norigin x-a: 1\norigin x-b: 2"),
            (
                "cf.updateRequestOrigin({ timeouts: { readTimeout: 5, connectionTimeout: 2 }, connectionAttempts: 1 })",
                "timeouts 2000 5000 1",
            ),
            ("cf.updateRequestOrigin({ originShield: { enabled: true, region: 'eu-central-1' } })", ""),
            ("cf.updateRequestOrigin({ originAccessControlConfig: { enabled: false } })", ""),
            ("cf.selectRequestOriginById('api')", "select api"),
            ("cf.selectRequestOriginById('api', { originPath: '/v2' })", "select api\npath /v2"),
            (
                "cf.createRequestOriginGroup({ originIds: ['a', { originId: 'b' }], failoverCriteria: { statusCodes: [500, 503] } })",
                "group a b [500, 503]",
            ),
            (
                "cf.createRequestOriginGroup({ originIds: [{ originId: 'a' }, { originId: 'b' }], failoverCriteria: { statusCodes: [500] }, selectionCriteria: 'default' })",
                "group a b [500]",
            ),
            ("console.log(cf.edgeLocation.name)", "log FRA1"),
            // What is not right is not done.
            ("cf.updateRequestOrigin()", "log TypeError: the origin must be an object"),
            ("cf.updateRequestOrigin({ domainName: 5 })", "log TypeError: origin.domainName must be a string"),
            (
                "cf.updateRequestOrigin({ customOriginConfig: { port: 80 } })",
                "log Error: origin.customOriginConfig needs a domainName beside it",
            ),
            (
                "cf.updateRequestOrigin({ domainName: 'a', customOriginConfig: { port: 70000 } })",
                "log RangeError: origin.customOriginConfig.port must be a whole number from 1 to 65535",
            ),
            (
                "cf.updateRequestOrigin({ domainName: 'a', customOriginConfig: { protocol: 'ftp' } })",
                "log TypeError: origin.customOriginConfig.protocol must be \"http\" or \"https\"",
            ),
            (
                "cf.updateRequestOrigin({ timeouts: { readTimeout: 121 } })",
                "log RangeError: origin.timeouts.readTimeout must be a whole number from 1 to 120",
            ),
            (
                "cf.updateRequestOrigin({ connectionAttempts: 4 })",
                "log RangeError: origin.connectionAttempts must be a whole number from 1 to 3",
            ),
            (
                "cf.updateRequestOrigin({ originAccessControlConfig: { enabled: true, originType: 's3' } })",
                "log Error: origin.originAccessControlConfig is not supported",
            ),
            ("cf.updateRequestOrigin({ sni: 'a' })", "log Error: origin.sni is not supported"),
            ("cf.selectRequestOriginById()", "log TypeError: the origin's id must be a string"),
            ("cf.createRequestOriginGroup({ originIds: ['a'] })", "log TypeError: originIds must be an array of two origins"),
            (
                "cf.createRequestOriginGroup({ originIds: ['a', 'b'], failoverCriteria: { statusCodes: [] } })",
                "log TypeError: failoverCriteria.statusCodes must be an array of 1 to 16 statuses",
            ),
            (
                "cf.createRequestOriginGroup({ originIds: ['a', 'b'], failoverCriteria: { statusCodes: [200] } })",
                "log RangeError: failoverCriteria.statusCodes[0] must be a whole number from 400 to 599",
            ),
            (
                "cf.createRequestOriginGroup({ originIds: ['a', 'b'], failoverCriteria: { statusCodes: [500] }, selectionCriteria: 'media-quality-score' })",
                "log Error: selectionCriteria \"media-quality-score\" is not supported",
            ),
        ],
        |source| of(&source),
    );
}

#[test]
fn a_response_has_no_origin_to_choose() {
    let source = "import cf from 'cloudfront';\nfunction handler(event) { cf.updateRequestOrigin({ originPath: '/x' }); return event.response }";
    let answer = run(source, &get().response(200, &[]));
    assert!(answer.starts_with("failed Error: updateRequestOrigin works in viewer-request only\n"), "{answer}");
    // A generated response goes to no origin.
    let source =
        "import cf from 'cloudfront';\nfunction handler(event) { cf.selectRequestOriginById('a'); return { statusCode: 204 } }";
    assert_eq!(run(source, &get()), "respond 204");
}
