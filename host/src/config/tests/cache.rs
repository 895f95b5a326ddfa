//! `[cache]` and the policies: what they are when nothing is said, and what is refused, with which words.

use expect_test::expect;

use super::{check, good, with};
use crate::cache::freshness::{Mode, Ttls};
use crate::cache::key::{Choice, Encodings};

/// The policy of the only behavior, named by `name`, after `lines`.
fn policy(name: &str, lines: &str) -> super::super::CachePolicy {
    let text = with(lines).replace("origin = \"o\"\n", &format!("origin = \"o\"\ncache_policy = \"{name}\"\n"));
    let policy = good(&text).sites[0].behaviors[0].cache.clone();
    super::super::CachePolicy::clone(&policy.expect("a policy"))
}

#[test]
fn managed_policies_are_cloudfronts() {
    let both = Encodings { gzip: true, brotli: true, zstd: false };
    let optimized = policy("CachingOptimized", "");
    assert_eq!((optimized.mode, optimized.ttls.min_ms, optimized.ttls.default_ms), (Mode::CloudFront, 1_000, 86_400_000));
    assert_eq!((optimized.key.query, optimized.key.cookies, optimized.key.encodings), (Choice::None, Choice::None, both));
    assert_eq!(policy("CachingDisabled", "").ttls.max_ms, 0);
    assert_eq!(policy("CachingOptimizedForUncompressedObjects", "").key.encodings, Encodings::default());
}

#[test]
fn a_policy_that_says_nothing_has_the_defaults_of_its_mode() {
    let plain = policy("p", "[cache_policy.p]\n");
    assert_eq!(
        (plain.mode, plain.ttls, plain.key.query, plain.key.host),
        (Mode::CloudFront, Ttls::CLOUDFRONT, Choice::None, false)
    );
    let standards = policy("p", "[cache_policy.p]\nmode = \"standards\"\n");
    assert_eq!((standards.ttls, standards.key.query, standards.key.host), (Ttls::STANDARDS, Choice::All, true));
    let chosen =
        policy("p", "[cache_policy.p]\nquery = { except = [\"utm\"] }\ncookies = [\"sid\"]\nmax_ttl_s = 60\ndefault_ttl_s = 5\n");
    assert_eq!(chosen.key.query, Choice::Except(vec!["utm".to_owned()]));
    assert_eq!(chosen.key.cookies, Choice::Only(vec!["sid".to_owned()]));
    assert_eq!((chosen.ttls.default_ms, chosen.ttls.max_ms), (5_000, 60_000));
}

#[test]
fn policies_are_checked() {
    check(
        &with(
            r#"
[cache.disk]
bytes = 5
[cache_policy.CachingOptimized]
[cache_policy.a]
mode = "rfc"
query = "some"
headers = ["not a header"]
cookies = { except = [] }
[cache_policy.b]
min_ttl_s = 10
max_ttl_s = 5
[cache_policy.c]
mode = "standards"
min_ttl_s = 1
[[site.behavior]]
path = "/a"
"#,
        )
        .replace(
            "origin = \"o\"\n",
            "origin = \"o\"\ncache_policy = \"CachingOptimised\"\norigin_request_policy = \"AllViewers\"\n",
        ),
        expect![[r#"
            error: unknown cache policy `CachingOptimised`
             --> edge.toml:7:16
              |
            7 | cache_policy = "CachingOptimised"
              |                ^^^^^^^^^^^^^^^^^^ did you mean `CachingOptimized`? declared under [cache_policy]: `CachingOptimized`, `a`, `b`, `c`, `CachingDisabled`, `CachingOptimized`, `CachingOptimizedForUncompressedObjects`, `UseOriginCacheControlHeaders`

            error: unknown origin request policy `AllViewers`
             --> edge.toml:8:25
              |
            8 | origin_request_policy = "AllViewers"
              |                         ^^^^^^^^^^^^ did you mean `AllViewer`? declared under [origin_request_policy]: `AllViewer`, `AllViewerExceptHostHeader`, `CORS-CustomOrigin`, `CORS-S3Origin`, `UserAgentRefererHeaders`

            error: [cache.disk] has no `folder`
              --> edge.toml:12:1
               |
            12 | [cache.disk]
               | ^^^^^^^^^^^^ add `folder = "cache"`

            error: `bytes` is out of range
              --> edge.toml:13:9
               |
            13 | bytes = 5
               |         ^ 67108864 to 1125899906842624 is allowed

            error: `CachingOptimized` is a managed policy
              --> edge.toml:14:1
               |
            14 | [cache_policy.CachingOptimized]
               | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ take another name

            error: unknown mode `rfc`
              --> edge.toml:16:8
               |
            16 | mode = "rfc"
               |        ^^^^^ one of `cloudfront`, `standards`

            error: `query` is not a choice
              --> edge.toml:17:9
               |
            17 | query = "some"
               |         ^^^^^^ "none", "all", a list of names, or { except = ["name"] } is expected

            error: `not a header` is not a name for `headers`
              --> edge.toml:18:12
               |
            18 | headers = ["not a header"]
               |            ^^^^^^^^^^^^^^ such as "x-tenant"

            error: `cookies` excepts nothing
              --> edge.toml:19:11
               |
            19 | cookies = { except = [] }
               |           ^^^^^^^^^^^^^^^ "none", "all", a list of names, or { except = ["name"] } is expected

            error: the TTLs of [cache_policy.b] contradict each other
              --> edge.toml:20:1
               |
            20 | [cache_policy.b]
               | ^^^^^^^^^^^^^^^^ min_ttl_s <= default_ttl_s <= max_ttl_s

            error: `min_ttl_s` in standards mode
              --> edge.toml:23:1
               |
            23 | [cache_policy.c]
               | ^^^^^^^^^^^^^^^^ remove it: RFC 9111 knows no least time
        "#]],
    );
}

#[test]
fn an_origin_request_policy_needs_a_cache_policy() {
    let text = with("").replace("origin = \"o\"\n", "origin = \"o\"\norigin_request_policy = \"AllViewer\"\n");
    check(
        &text,
        expect![[r#"
        error: `origin_request_policy` without a cache policy
         --> edge.toml:7:25
          |
        7 | origin_request_policy = "AllViewer"
          |                         ^^^^^^^^^^^ add `cache_policy`, such as "CachingDisabled", or remove it: everything is forwarded then
    "#]],
    );
}

#[test]
fn only_what_a_policy_keys_can_be_compressed() {
    let with_site = |lines: &str, policy: &str| with(policy).replace("origin = \"o\"\n", &format!("origin = \"o\"\n{lines}\n"));
    for (lines, policy, compress) in [
        ("cache_policy = \"CachingOptimized\"\ncompress = true", "", true),
        ("cache_policy = \"CachingOptimized\"\ncompress = false", "", false),
        ("cache_policy = \"CachingOptimized\"", "", false),
        ("compress = false", "", false),
        ("cache_policy = \"CachingDisabled\"\ncompress = false", "", false),
        ("cache_policy = \"p\"\ncompress = true", "[cache_policy.p]\nzstd = true\n", true),
        ("cache_policy = \"p\"\ncompress = true", "[cache_policy.p]\nmode = \"standards\"\ngzip = true\n", true),
    ] {
        let behavior = &good(&with_site(lines, policy)).sites[0].behaviors[0];
        assert_eq!(behavior.compress, compress, "{lines} {policy}");
    }
    check(
        &with_site("compress = true", ""),
        expect![[r#"
        error: `compress` without a cache policy
         --> edge.toml:7:12
          |
        7 | compress = true
          |            ^^^^ add `cache_policy`, such as "CachingOptimized": what is compressed is what is stored
    "#]],
    );
    check(
        &with_site("cache_policy = \"CachingDisabled\"\ncompress = true", ""),
        expect![[r#"
        error: `compress`, but cache policy `CachingDisabled` keys no coding
         --> edge.toml:8:12
          |
        8 | compress = true
          |            ^^^^ set `gzip`, `brotli` or `zstd` in the policy, or take "CachingOptimized"
    "#]],
    );
    check(
        &with_site("cache_policy = \"p\"\ncompress = true", "[cache_policy.p]\n"),
        expect![[r#"
        error: `compress`, but cache policy `p` keys no coding
         --> edge.toml:8:12
          |
        8 | compress = true
          |            ^^^^ set `gzip`, `brotli` or `zstd` in the policy, or take "CachingOptimized"
    "#]],
    );
    let whole = "[cache_policy.p]\ngzip = true\nheaders = [\"accept-encoding\"]\n";
    check(
        &with_site("cache_policy = \"p\"\ncompress = true", whole),
        expect![[r#"
        error: `compress`, but cache policy `p` keys all of Accept-Encoding
         --> edge.toml:8:12
          |
        8 | compress = true
          |            ^^^^ take "accept-encoding" out of the policy's `headers`: `gzip`, `brotli` and `zstd` key what matters of it
    "#]],
    );
    check(
        &with_site("cache_policy = \"CachingOptimized\"\ncompress = \"br\"", ""),
        expect![[r#"
        error: `compress` is a string
         --> edge.toml:8:12
          |
        8 | compress = "br"
          |            ^^^^ true or false is expected
    "#]],
    );
}
