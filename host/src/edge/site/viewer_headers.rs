//! CloudFront's headers that tell hooks and origins who the viewer is ("Add CloudFront request headers").
//!
//! What a client sends in one of these headers is replaced, or removed when nothing is known. Latitude and longitude have
//! five digits after the point; characters outside ASCII are percent-encoded as UTF-8.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::Version;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use maxminddb::{LookupResult, PathElement, path};
use serde::de::DeserializeOwned;

use crate::cache::key::Choice;
use crate::config::{Behavior, Database, Geo, ViewerHeader};
use crate::edge::request::device::Device;
use crate::net::Client;

/// The headers of one behavior, and the databases that their values come from.
pub(crate) struct ViewerHeaders {
    geo: Geo,
    added: Vec<(HeaderName, ViewerHeader)>,
    /// Whether one of them describes the device.
    of_device: bool,
}

impl ViewerHeaders {
    /// The headers that the behavior lists, and those that its policies name and for which there is a database. `None` if
    /// there are none.
    pub(crate) fn new(behavior: &Behavior, geo: &Geo) -> Option<ViewerHeaders> {
        let keyed = behavior.cache.as_ref().map(|policy| &policy.key.headers);
        let forwarded = behavior.forwarding.as_ref().map(|forwarding| &forwarding.headers);
        let named = |names: Option<&Choice<HeaderName>>, name: &str| match names {
            Some(Choice::Only(names)) => names.iter().any(|other| other.as_str() == name),
            _ => false,
        };
        let added = ViewerHeader::ALL.into_iter().filter(|header| {
            let name = header.name();
            let wanted = behavior.viewer_headers.contains(header) || named(keyed, name) || named(forwarded, name);
            wanted && geo.knows(*header)
        });
        let added: Vec<_> = added.map(|header| (HeaderName::from_static(header.name()), header)).collect();
        let of_device = added.iter().any(|(_, header)| Device::default().is(*header).is_some());
        (!added.is_empty()).then(|| ViewerHeaders { geo: geo.clone(), added, of_device })
    }

    pub(crate) fn add_to(&self, headers: &mut HeaderMap, client: &Client, version: Version) {
        let (city, asn) = (self.geo.city.as_ref(), self.geo.asn.as_ref());
        let city = city.and_then(|database| find(database, client.peer.ip()));
        let asn = asn.and_then(|database| find(database, client.peer.ip()));
        let device = self.of_device.then(|| Device::of(headers));
        for (name, header) in &self.added {
            let value = match header {
                ViewerHeader::Address => address(client.peer),
                ViewerHeader::Protocol => Some(HeaderValue::from_static(if client.tls.is_some() { "https" } else { "http" })),
                ViewerHeader::HttpVersion => Some(HeaderValue::from_static(http_version(version))),
                ViewerHeader::Asn => asn.as_ref().and_then(|found| number::<u32>(found, &path!["autonomous_system_number"])),
                header => match device.and_then(|device| device.is(*header)) {
                    Some(is) => Some(HeaderValue::from_static(if is { "true" } else { "false" })),
                    None => city.as_ref().and_then(|found| place(found, *header)),
                },
            };
            match value {
                Some(value) => drop(headers.insert(name.clone(), value)),
                None => drop(headers.remove(name)),
            }
        }
    }
}

type GeoRecord<'a> = LookupResult<'a, Box<[u8]>>;

/// A damaged entry counts as none.
fn find(database: &Database, ip: IpAddr) -> Option<GeoRecord<'_>> {
    database.0.lookup(ip.to_canonical()).ok().filter(LookupResult::has_data)
}

fn place(found: &GeoRecord<'_>, header: ViewerHeader) -> Option<HeaderValue> {
    match header {
        ViewerHeader::Country => text(found, &path!["country", "iso_code"]),
        ViewerHeader::CountryName => text(found, &path!["country", "names", "en"]),
        ViewerHeader::Region => text(found, &path!["subdivisions", 0, "iso_code"]),
        ViewerHeader::RegionName => text(found, &path!["subdivisions", 0, "names", "en"]),
        ViewerHeader::City => text(found, &path!["city", "names", "en"]),
        ViewerHeader::PostalCode => text(found, &path!["postal", "code"]),
        ViewerHeader::TimeZone => text(found, &path!["location", "time_zone"]),
        ViewerHeader::Latitude => degrees(found, &path!["location", "latitude"]),
        ViewerHeader::Longitude => degrees(found, &path!["location", "longitude"]),
        ViewerHeader::MetroCode => number::<u16>(found, &path!["location", "metro_code"]),
        _ => None,
    }
}

fn text(found: &GeoRecord<'_>, path: &[PathElement<'_>]) -> Option<HeaderValue> {
    let text: &str = found.decode_path(path).ok()??;
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").ok()?,
        }
    }
    HeaderValue::try_from(encoded).ok()
}

fn number<T: DeserializeOwned + Into<HeaderValue>>(found: &GeoRecord<'_>, path: &[PathElement<'_>]) -> Option<HeaderValue> {
    found.decode_path::<T>(path).ok()?.map(T::into)
}

fn degrees(found: &GeoRecord<'_>, path: &[PathElement<'_>]) -> Option<HeaderValue> {
    let degrees: f64 = found.decode_path(path).ok()??;
    HeaderValue::try_from(format!("{degrees:.5}")).ok()
}

/// `ADDRESS:PORT`; IPv6 has no brackets.
fn address(peer: SocketAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{}:{}", peer.ip().to_canonical(), peer.port())).ok()
}

fn http_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2.0",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
