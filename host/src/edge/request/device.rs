//! Recognizes a viewer's device by its User-Agent, for CloudFront's `CloudFront-Is-*-Viewer`.
//!
//! CloudFront does not document its rules. These go by the words that makers and browsers document for their User-Agents;
//! a User-Agent without any of them is a desktop's, as is that of an iPad that calls itself a Macintosh.

use http::header::{self, HeaderMap};

use crate::config::ViewerHeader;

/// A tablet is not a mobile device, unless it sends a telephone's User-Agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each header")]
pub(crate) struct Device {
    desktop: bool,
    mobile: bool,
    tablet: bool,
    smart_tv: bool,
    ios: bool,
    android: bool,
}

const TVS: [&str; 14] = [
    "SmartTV",
    "Smart-TV",
    "SMART-TV",
    "Smart TV",
    "AppleTV",
    "Apple TV",
    "GoogleTV",
    "Google TV",
    "Android TV",
    "HbbTV",
    "Web0S",
    "BRAVIA",
    "Roku",
    "CrKey",
];
const TABLETS: [&str; 4] = ["iPad", "Kindle", "Silk/", "PlayBook"];
const MOBILES: [&str; 6] = ["Mobi", "iPhone", "iPod", "Opera Mini", "Windows Phone", "BlackBerry"];
const IOS: [&str; 3] = ["iPhone", "iPad", "iPod"];

impl Device {
    pub(crate) fn of(headers: &HeaderMap) -> Device {
        // Bytes outside ASCII must not hide the words.
        let agent = headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes())).unwrap_or_default();
        let says = |words: &[&str]| words.iter().any(|word| agent.contains(word));
        let android = agent.contains("Android");
        let smart_tv = says(&TVS);
        // Internet Explorer said "Tablet PC" on desktops. Android says "Mobile" on telephones, but not on tablets.
        let tablet = !smart_tv
            && (says(&TABLETS)
                || agent.contains("Tablet") && !agent.contains("Tablet PC")
                || android && !agent.contains("Mobile"));
        let mobile = !smart_tv && !tablet && says(&MOBILES);
        Device { desktop: !smart_tv && !tablet && !mobile, mobile, tablet, smart_tv, ios: says(&IOS), android }
    }

    /// The value of a header; `None` if the header is not about devices.
    pub(crate) fn is(self, header: ViewerHeader) -> Option<bool> {
        match header {
            ViewerHeader::IsDesktop => Some(self.desktop),
            ViewerHeader::IsMobile => Some(self.mobile),
            ViewerHeader::IsTablet => Some(self.tablet),
            ViewerHeader::IsSmartTv => Some(self.smart_tv),
            ViewerHeader::IsIos => Some(self.ios),
            ViewerHeader::IsAndroid => Some(self.android),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn words(agent: &str) -> String {
        let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::try_from(agent).unwrap())]);
        let device = Device::of(&headers);
        let all = [
            (device.desktop, "desktop"),
            (device.mobile, "mobile"),
            (device.tablet, "tablet"),
            (device.smart_tv, "tv"),
            (device.ios, "ios"),
            (device.android, "android"),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn devices_are_known_by_what_their_browsers_say() {
        let safari = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0";
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";
        for (agent, expected) in [
            (format!("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) {safari} Mobile/15E148 Safari/604.1"), "mobile ios"),
            (format!("Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) {safari} Mobile/15E148 Safari/604.1"), "tablet ios"),
            (format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {safari} Safari/605.1.15"), "desktop"),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {chrome} Mobile Safari/537.36"), "mobile android"),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {chrome} Safari/537.36"), "tablet android"),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome} Safari/537.36"), "desktop"),
            ("Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0".into(), "mobile android"),
            ("Mozilla/5.0 (Android 14; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0".into(), "tablet android"),
            ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Tablet PC 2.0)".into(), "desktop"),
            (format!("Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) {chrome} TV Safari/537.36"), "tv"),
            (format!("Mozilla/5.0 (Web0S; Linux/SmartTV) {chrome} Safari/537.36"), "tv"),
            (format!("Mozilla/5.0 (Linux; Android 9; BRAVIA 4K) {chrome} Safari/537.36"), "tv android"),
            ("Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/190.0; U; en) Presto/2.5.25".into(), "mobile"),
            ("curl/8.5.0".into(), "desktop"),
            (String::new(), "desktop"),
        ] {
            assert_eq!(words(&agent), expected, "{agent}");
        }
        assert!(Device::of(&HeaderMap::new()).desktop);
    }
}
