//! What is not wrong, but probably not meant.

use super::{folder, with};
use crate::config::load::parse_loaded;

/// What is warned of, in lines.
fn hints(text: &str) -> Vec<String> {
    let folder = folder();
    parse_loaded(text, &folder.path().join("edge.toml"), None).unwrap_or_else(|errors| panic!("{errors}")).warnings
}

const APP: &str = "[origin.app]\nurl = \"http://127.0.0.1:1\"\n[[site.behavior]]\n";

#[test]
fn a_policy_that_drops_cookies_of_logins_is_warned_about() {
    for (behavior, swallows) in [
        ("cache_policy = \"CachingOptimized\"\nallowed_methods = [\"GET\", \"POST\"]\n", true),
        ("cache_policy = \"CachingOptimized\"\nallowed_methods = [\"GET\"]\n", false),
        // For images nobody chooses methods.
        ("cache_policy = \"CachingOptimized\"\n", false),
        ("cache_policy = \"CachingDisabled\"\norigin_request_policy = \"AllViewer\"\nallowed_methods = [\"POST\"]\n", false),
        ("allowed_methods = [\"POST\"]\n", false),
    ] {
        let told = hints(&with(&format!("{APP}path = \"/x/*\"\norigin = \"app\"\n{behavior}")));
        assert_eq!(told.len(), usize::from(swallows), "{behavior} {told:?}");
        assert!(told.iter().all(|line| line.starts_with("site `www`, behavior `/x/*`: POST is allowed")), "{told:?}");
    }
    // A folder knows no logins.
    let folder =
        "[[site.behavior]]\npath = \"/x/*\"\ncache_policy = \"CachingOptimized\"\nallowed_methods = [\"GET\", \"POST\"]\n";
    assert_eq!(hints(&with(folder)), <Vec<String>>::new());
}

#[test]
fn a_hook_that_a_behavior_does_not_inherit_is_told_of() {
    let text = |own: &str| {
        format!(
            "[server]\nhttp = [\"127.0.0.1:8080\"]\n[function.f]\ncomponent = \"hook.wasm\"\n[origin.o]\nfolder = \"www\"\n\
             [[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"o\"\nviewer_request = \"f\"\n\
             [[site.behavior]]\npath = \"/x/*\"\n{own}"
        )
    };
    let told = hints(&text(""));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("site `www`, behavior `/x/*`: `viewer_request` of the site, `f`, does not run here"), "{told:?}");
    assert_eq!(hints(&text("viewer_request = \"f\"\n")), <Vec<String>>::new());
}

#[test]
fn a_certificate_that_expires_soon_is_warned_about() {
    let folder = folder();
    let path = folder.path().join("edge.toml");
    let text = with("[[server.certificate]]\nchain = \"dated.pem\"\nkey = \"key.pem\"\n");
    let told = |year: i32| {
        let mut issue = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        issue.not_after = rcgen::date_time_ymd(year, 1, 2);
        let issued = issue.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("dated.pem"), issued.pem()).unwrap();
        parse_loaded(&text, &path, None).unwrap().warnings
    };
    let expired = told(2020);
    assert!(expired.len() == 1 && expired[0].contains("dated.pem expired"), "{expired:?}");
    assert_eq!(told(4000), <Vec<String>>::new());
}

#[test]
fn a_certificate_is_warned_about_a_month_before_it_expires() {
    let certificate = |not_after_s| crate::config::Certificate {
        hosts: Vec::new(),
        chain: "c.pem".into(),
        key: "k.pem".into(),
        not_after_s: Some(not_after_s),
    };
    let (now, month) = (1_000_000_000, 30 * 86_400);
    let told = |left| crate::config::hints::ending(&certificate(now + left), now);
    assert_eq!(told(month), None);
    assert!(told(month - 1).unwrap().contains("expires in 29 days"));
    assert!(told(0).unwrap().contains("expires in 0 days"));
    assert!(told(-1).unwrap().contains("expired"));
}
