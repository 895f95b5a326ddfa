//! `[geo]`: MaxMind databases, and the headers that describe the viewer to hooks and origins.

use maxminddb::Reader;

use super::files::Files;
use super::reader::{TableReader, Text};
use super::{Database, Geo, ViewerHeader};
use crate::diagnostic::{nearest, quoted};
use crate::limits::config::GEO_BYTES;

pub(super) fn read(root: &mut TableReader<'_>, files: &mut Files<'_>) -> Geo {
    let Some(mut table) = root.table("geo") else { return Geo::default() };
    let geo = Geo { city: database(&mut table, "city", files), asn: database(&mut table, "asn", files) };
    if !table.has("city") && !table.has("asn") {
        let remedy = "add `city = \"GeoLite2-City.mmdb\"` or `asn = \"GeoLite2-ASN.mmdb\"`";
        table.report.error(table.span(), "[geo] has no database", remedy);
    }
    table.finish();
    geo
}

fn database(table: &mut TableReader<'_>, key: &'static str, files: &mut Files<'_>) -> Option<Database> {
    let file = table.text(key)?;
    let bytes = files.contents(table, &file, GEO_BYTES)?;
    match Reader::from_source(bytes.into_boxed_slice()) {
        Ok(reader) => Some(Database(std::sync::Arc::new(reader))),
        Err(error) => {
            let message = format!("`{}` is not a MaxMind database: {error}", file.get_ref().escape_debug());
            table.report.error(file.span(), message, "a file in MaxMind's DB format (.mmdb) is expected");
            None
        }
    }
}

/// `viewer_headers` of a behavior.
pub(super) fn viewer_headers(table: &mut TableReader<'_>, geo: &Geo) -> Vec<ViewerHeader> {
    let mut headers = Vec::new();
    for text in table.texts("viewer_headers").unwrap_or_default() {
        let Some(header) = viewer_header(table, &text) else { continue };
        if let Some(database) = lacking(header, geo) {
            let message = format!("`{}` without a database to look it up in", header.name());
            table.report.error(text.span(), message, format!("add `{database} = \"FILE.mmdb\"` to [geo]"));
        }
        if !headers.contains(&header) {
            headers.push(header);
        }
    }
    headers
}

fn viewer_header(table: &TableReader<'_>, text: &Text<'_>) -> Option<ViewerHeader> {
    let name = text.get_ref().to_ascii_lowercase();
    let header = ViewerHeader::named(&name);
    if header.is_none() {
        let names = ViewerHeader::ALL.map(ViewerHeader::name);
        let near = nearest(&name, names).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let message = format!("unknown viewer header `{}`", text.get_ref().escape_debug());
        table.report.error(text.span(), message, format!("{near}allowed: {}", quoted(names)));
    }
    header
}

/// The key of a required but missing database.
fn lacking(header: ViewerHeader, geo: &Geo) -> Option<&'static str> {
    match header {
        ViewerHeader::Country
        | ViewerHeader::CountryName
        | ViewerHeader::Region
        | ViewerHeader::RegionName
        | ViewerHeader::City
        | ViewerHeader::PostalCode
        | ViewerHeader::TimeZone
        | ViewerHeader::Latitude
        | ViewerHeader::Longitude
        | ViewerHeader::MetroCode => geo.city.is_none().then_some("city"),
        ViewerHeader::Asn => geo.asn.is_none().then_some("asn"),
        _ => None,
    }
}

impl Geo {
    /// Whether the database that it needs, if any, is configured.
    pub(crate) fn knows(&self, header: ViewerHeader) -> bool {
        lacking(header, self).is_none()
    }
}

impl ViewerHeader {
    pub(crate) const ALL: [ViewerHeader; 20] = [
        ViewerHeader::Country,
        ViewerHeader::CountryName,
        ViewerHeader::Region,
        ViewerHeader::RegionName,
        ViewerHeader::City,
        ViewerHeader::PostalCode,
        ViewerHeader::TimeZone,
        ViewerHeader::Latitude,
        ViewerHeader::Longitude,
        ViewerHeader::MetroCode,
        ViewerHeader::Asn,
        ViewerHeader::Address,
        ViewerHeader::Protocol,
        ViewerHeader::HttpVersion,
        ViewerHeader::IsDesktop,
        ViewerHeader::IsMobile,
        ViewerHeader::IsTablet,
        ViewerHeader::IsSmartTv,
        ViewerHeader::IsIos,
        ViewerHeader::IsAndroid,
    ];

    pub(crate) fn named(name: &str) -> Option<ViewerHeader> {
        ViewerHeader::ALL.into_iter().find(|header| header.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            ViewerHeader::Country => "cloudfront-viewer-country",
            ViewerHeader::CountryName => "cloudfront-viewer-country-name",
            ViewerHeader::Region => "cloudfront-viewer-country-region",
            ViewerHeader::RegionName => "cloudfront-viewer-country-region-name",
            ViewerHeader::City => "cloudfront-viewer-city",
            ViewerHeader::PostalCode => "cloudfront-viewer-postal-code",
            ViewerHeader::TimeZone => "cloudfront-viewer-time-zone",
            ViewerHeader::Latitude => "cloudfront-viewer-latitude",
            ViewerHeader::Longitude => "cloudfront-viewer-longitude",
            ViewerHeader::MetroCode => "cloudfront-viewer-metro-code",
            ViewerHeader::Asn => "cloudfront-viewer-asn",
            ViewerHeader::Address => "cloudfront-viewer-address",
            ViewerHeader::Protocol => "cloudfront-forwarded-proto",
            ViewerHeader::HttpVersion => "cloudfront-viewer-http-version",
            ViewerHeader::IsDesktop => "cloudfront-is-desktop-viewer",
            ViewerHeader::IsMobile => "cloudfront-is-mobile-viewer",
            ViewerHeader::IsTablet => "cloudfront-is-tablet-viewer",
            ViewerHeader::IsSmartTv => "cloudfront-is-smarttv-viewer",
            ViewerHeader::IsIos => "cloudfront-is-ios-viewer",
            ViewerHeader::IsAndroid => "cloudfront-is-android-viewer",
        }
    }
}
