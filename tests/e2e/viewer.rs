//! What hooks and origins are told of the viewer.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::harness::{Client, Config, Edge, Origin, Seen, component, mmdb};

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// An edge that knows where two addresses are.
fn edge(origin: &Origin, more: impl Into<Config>) -> Edge {
    let folder = tempfile::tempdir().unwrap();
    let city = json!({
        "country": {"iso_code": "AT", "names": {"de": "Österreich", "en": "Austria"}},
        "subdivisions": [{"iso_code": "9", "names": {"en": "Vienna"}}],
        "city": {"names": {"en": "Sankt Pölten"}},
        "postal": {"code": "1010"},
        "location": {"time_zone": "Europe/Vienna", "latitude": 48.2, "longitude": -16.366_667, "metro_code": 819},
    });
    let cities = mmdb::database(&[(HERE, city), (THERE, json!({"country": {"iso_code": "DE", "names": {"en": "Germany"}}}))]);
    std::fs::write(folder.path().join("city.mmdb"), cities).unwrap();
    let networks = mmdb::database(&[(HERE, json!({"autonomous_system_number": 64_500}))]);
    std::fs::write(folder.path().join("asn.mmdb"), networks).unwrap();
    let config =
        Config::new().table("geo").set("city", "city.mmdb").set("asn", "asn.mmdb").origin("o", origin.url()).site("o").with(more);
    Edge::start_in(folder, &config)
}

/// From an address of our choice.
fn get(edge: &Edge, from: Ipv4Addr, target: &str, headers: &str) -> u16 {
    Client::connect_from(from, edge.http()).request("GET", target, "www", headers, b"").status
}

fn told(seen: &Seen) -> Vec<(&str, &str)> {
    let told = seen.headers.iter().filter(|(name, _)| name.starts_with("cloudfront-"));
    let mut told: Vec<_> = told.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    told.sort_unstable();
    told
}

#[test]
fn an_origin_is_told_what_the_databases_know() {
    let origin = Origin::echo();
    let edge = edge(
        &origin,
        "viewer_headers = [\"CloudFront-Viewer-Country\", \"cloudfront-viewer-country-name\", \
         \"cloudfront-viewer-country-region\", \"cloudfront-viewer-country-region-name\", \"cloudfront-viewer-city\", \
         \"cloudfront-viewer-postal-code\", \"cloudfront-viewer-time-zone\", \"cloudfront-viewer-latitude\", \
         \"cloudfront-viewer-longitude\", \"cloudfront-viewer-metro-code\", \"cloudfront-viewer-asn\", \
         \"cloudfront-forwarded-proto\", \"cloudfront-viewer-http-version\"]",
    );
    assert_eq!(get(&edge, HERE, "/", ""), 200);
    assert_eq!(
        told(&origin.last()),
        [
            ("cloudfront-forwarded-proto", "http"),
            ("cloudfront-viewer-asn", "64500"),
            ("cloudfront-viewer-city", "Sankt P%C3%B6lten"),
            ("cloudfront-viewer-country", "AT"),
            ("cloudfront-viewer-country-name", "Austria"),
            ("cloudfront-viewer-country-region", "9"),
            ("cloudfront-viewer-country-region-name", "Vienna"),
            ("cloudfront-viewer-http-version", "1.1"),
            ("cloudfront-viewer-latitude", "48.20000"),
            ("cloudfront-viewer-longitude", "-16.36667"),
            ("cloudfront-viewer-metro-code", "819"),
            ("cloudfront-viewer-postal-code", "1010"),
            ("cloudfront-viewer-time-zone", "Europe/Vienna"),
        ]
    );
}

#[test]
fn forwarding_headers_of_a_client_are_not_trusted() {
    let origin = Origin::echo();
    let edge = edge(
        &origin,
        "viewer_headers = [\"cloudfront-viewer-country\", \"cloudfront-viewer-city\", \"cloudfront-viewer-address\"]",
    );
    let lies = "CloudFront-Viewer-Country: US\r\nCloudFront-Viewer-City: Springfield\r\nCloudFront-Viewer-Address: 1.2.3.4:5\r\n";
    get(&edge, THERE, "/", lies);
    let seen = origin.last();
    let [("cloudfront-viewer-address", address), country] = told(&seen)[..] else { panic!("{seen:?}") };
    assert!(address.starts_with("127.0.0.2:"), "{address}");
    assert_eq!(country, ("cloudfront-viewer-country", "DE"));
    // Nobody knows where this one is.
    get(&edge, Ipv4Addr::new(127, 0, 0, 3), "/", lies);
    assert_eq!(told(&origin.last()).len(), 1);
}

#[test]
fn a_device_in_the_key_keeps_answers_apart() {
    let origin = Origin::start(|seen| {
        let mobile = seen.header("cloudfront-is-mobile-viewer").to_owned();
        crate::harness::Reply::new(200, mobile).header("cache-control", "max-age=60")
    });
    let policy = Config::new()
        .set("cache_policy", "by-device")
        .table("cache_policy.by-device")
        .set("headers", ["CloudFront-Is-Mobile-Viewer"]);
    let edge = edge(&origin, policy);
    let (phone, desktop) = ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148", "curl/8.5.0");
    for (agent, mobile, asked) in [(phone, "true", 1), (desktop, "false", 2), ("", "false", 2), (phone, "true", 2)] {
        let lie = "CloudFront-Is-Mobile-Viewer: perhaps\r\n";
        let headers = format!("User-Agent: {agent}\r\n{lie}");
        let answer = Client::connect_from(HERE, edge.http()).request("GET", "/", "www", &headers, b"");
        assert_eq!((answer.text().as_str(), origin.seen().len()), (mobile, asked), "{agent}");
    }
}

#[test]
fn a_hook_decides_by_country() {
    let origin = Origin::echo();
    let hook = Config::new().set("viewer_request", "f").set("viewer_headers", ["cloudfront-viewer-country"]);
    let hook = hook.function("f", component("country-redirect"));
    let edge = edge(&origin, hook);
    let redirect = Client::connect_from(THERE, edge.http()).request("GET", "/", "www", "", b"");
    assert_eq!((redirect.status, redirect.header("location")), (302, "/de/"), "{redirect:?}");
}

#[test]
fn a_country_in_the_key_keeps_answers_apart() {
    let origin = Origin::start(|seen| {
        let country = seen.header("cloudfront-viewer-country").to_owned();
        crate::harness::Reply::new(200, country).header("cache-control", "max-age=60")
    });
    let policy = Config::new()
        .set("cache_policy", "by-country")
        .table("cache_policy.by-country")
        .set("headers", ["cloudfront-viewer-country"]);
    let edge = edge(&origin, policy);
    for (from, country, asked) in [(HERE, "AT", 1), (THERE, "DE", 2), (HERE, "AT", 2)] {
        let answer = Client::connect_from(from, edge.http()).request("GET", "/", "www", "", b"");
        assert_eq!((answer.text().as_str(), origin.seen().len()), (country, asked));
    }
}
