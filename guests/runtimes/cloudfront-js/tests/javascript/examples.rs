//! The examples in `guests/examples-js` do what they say.

use cloudfront_js::host::native::WORLD;

use crate::harness::{Event, call, get, load, run, run_in};

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!("../../../../examples-js/", $name, ".js"))
    };
}

#[test]
fn folders_get_an_index() {
    let source = example!("index-rewrite");
    for (uri, expected) in
        [("/", "uri /index.html"), ("/docs/", "uri /docs/index.html"), ("/docs", "uri /docs/index.html"), ("/a.css", "")]
    {
        assert_eq!(run(source, &get().uri(uri)), expected, "{uri}");
    }
}

#[test]
fn responses_get_the_security_headers() {
    let source = example!("security-headers");
    let event = get().response(200, &[("x-powered-by", "php"), ("x-frame-options", "SAMEORIGIN")]);
    let answer = run(source, &event);
    assert_eq!(run_in("cloudfront-js-1.0", source, &event), answer);
    assert_eq!(
        answer,
        "set x-frame-options: DENY\nset strict-transport-security: max-age=63072000; includeSubDomains; preload\n\
         set content-security-policy: default-src 'self'; object-src 'none'; frame-ancestors 'none'\n\
         set x-content-type-options: nosniff\nset referrer-policy: strict-origin-when-cross-origin\nremove x-powered-by"
    );
}

#[test]
fn visitors_keep_their_group() {
    let function = load("cloudfront-js-2.0", example!("ab-cookie")).unwrap();
    assert_eq!(call(&function, &get().header("cookie", "group=b")), "uri /b/a/b\nset x-group: b");
    assert_eq!(call(&function, &get().header("cookie", "group=a")), "set x-group: a");
    let groups: Vec<String> = (0..20)
        .map(|seed| {
            WORLD.with_borrow_mut(|world| world.seed = seed);
            call(&function, &get())
        })
        .collect();
    assert!(
        groups.iter().any(|answer| answer == "set x-group: a")
            && groups.iter().any(|answer| answer == "uri /b/a/b\nset x-group: b")
    );
    let event = get().header("x-group", "b").response(200, &[]);
    assert_eq!(call(&function, &event), "add set-cookie: group=b; Path=/; Max-Age=2592000; SameSite=Lax");
    assert_eq!(call(&function, &event.header("cookie", "group=b")), "");
}

#[test]
fn the_start_page_knows_countries() {
    let source = example!("geo-redirect");
    let from = |country| run(source, &get().uri("/").header("cloudfront-viewer-country", country));
    assert_eq!(
        from("AT"),
        "respond 302 Found\nset location: /de/\nset cache-control: private, max-age=0\nset vary: cloudfront-viewer-country"
    );
    assert_eq!((from("US"), from("constructor")), (String::new(), String::new()));
    assert_eq!(run(source, &get().header("cloudfront-viewer-country", "AT")), "");
}

#[test]
fn tokens_are_checked() {
    WORLD.with_borrow_mut(|world| world.store = [("jwt.secret".to_owned(), b"your-256-bit-secret".to_vec())].into());
    let source = example!("jwt-check");
    let with = |token: &str| run(source, &get().header("authorization", &format!("Bearer {token}")));
    // The token that the documentation of tokens shows everywhere.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    assert_eq!(with(token), "set x-subject: 1234567890");
    let refused = |reason: &str| format!("respond 401 Unauthorized\nset www-authenticate: Bearer\nlog refused: {reason}");
    assert_eq!(run(source, &get()), refused("no token"));
    assert_eq!(with("a.b"), refused("not a token"));
    assert_eq!(with(&token.replace("SflK", "SflL")), refused("a wrong signature"));
    assert_eq!(with(&token.replacen("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "eyJhbGciOiJub25lIn0", 1)), refused("not HS256"));
    WORLD.with_borrow_mut(|world| world.store.clear());
    assert_eq!(with(token), refused("KeyNotFound: the key-value store has no key \"jwt.secret\""));
}

#[test]
fn old_addresses_lead_to_new_ones() {
    WORLD.with_borrow_mut(|world| world.store = [("/old".to_owned(), b"/new".to_vec())].into());
    let source = example!("kvs-redirect");
    let redirect = |target: &str| format!("respond 301 Moved Permanently\nset location: {target}");
    assert_eq!(run(source, &get().uri("/old")), redirect("/new"));
    assert_eq!(run(source, &get().uri("/old").query("a=%20")), redirect("/new?a=%20"));
    assert_eq!(run(source, &get().uri("/other")), "");
}

#[test]
fn what_means_the_same_has_one_form() {
    let event: Event =
        get().uri("/A/b").query("z=1&utm_source=x&a=2&z=0&gclid=5&flag").header("accept-encoding", "gzip, deflate, br");
    assert_eq!(run(example!("cache-key"), &event), "uri /a/b\nquery a=2&flag=&z=0&z=1\nset accept-encoding: br");
}
