//! Lists in pages: `MaxItems` and `Marker`, `IsTruncated`.
//!
//! A marker is the key of the last item that was told: what is made or deleted in between neither hides nor doubles others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::aws::error::ApiError;
use crate::aws::iam::input;
use crate::aws::query::{QueryForm, Xml};
use crate::limits::iam::{MARKER_BYTES, PAGE, PAGE_MAX};

/// A part of a list.
pub struct ListPage<T> {
    pub items: Vec<T>,
    /// Where the next begins.
    marker: Option<String>,
}

impl<T> ListPage<T> {
    /// The part that is asked for of all items, which are sorted here by their keys; no two have the same.
    pub fn of(form: &QueryForm, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Result<ListPage<T>, ApiError> {
        let most = input::number(form, "MaxItems", 1..=PAGE_MAX)?.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
        if let Some(marker) = form.parameter("Marker").filter(|marker| !marker.is_empty()) {
            let after = read(marker).ok_or_else(|| ApiError::validation("Invalid Marker."))?;
            items.retain(|item| key(item) > after);
        }
        items.sort_by_cached_key(&key);
        let is_cut = items.len() > most;
        items.truncate(most);
        let marker = items.last().filter(|_| is_cut).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Ok(ListPage { items, marker })
    }

    /// `IsTruncated` and `Marker`.
    pub fn end(&self, xml: &mut Xml) {
        xml.text("IsTruncated", if self.marker.is_some() { "true" } else { "false" });
        xml.optional("Marker", self.marker.as_deref());
    }
}

/// A list that has nothing.
pub fn nothing(name: &str) -> Xml {
    let mut xml = Xml::default();
    xml.list(name, [(); 0], |_, ()| {});
    xml.text("IsTruncated", "false");
    xml
}

fn read(marker: &str) -> Option<String> {
    if marker.len() > MARKER_BYTES {
        return None;
    }
    String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()
}
