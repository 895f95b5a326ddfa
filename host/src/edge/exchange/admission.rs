//! Whether a request may be served at all: by which site, by which behavior, and with whose signature.

use std::sync::Arc;

use http::Method;

use crate::config::ViewerProtocol;
use crate::edge::answer::Answer;
use crate::edge::body::request::RequestBody;
use crate::edge::request::head::RequestHead;
use crate::edge::response::redirect::redirect_to_https;
use crate::edge::response::rejection::Rejection;
use crate::edge::site::behavior::Behavior;
use crate::edge::site::{OtherReading, Site, Sites, signed};
use crate::net::Client;
use crate::path::NormalPath;

/// What `admit` decides.
#[expect(clippy::large_enum_variant, reason = "it lives for one statement")]
pub(super) enum Admitted<'a> {
    /// `is_signed`: the request carries a signature, which was checked.
    Serve {
        behavior: &'a Arc<Behavior>,
        is_signed: bool,
    },
    Redirect(Answer),
}

/// The site of a request's host. A client may ask for several sites over one connection, but only where the connection's
/// certificate covers them and their signers agree (RFC 9110 section 15.5.20).
pub(super) fn site<'s>(sites: &'s Sites, client: &Client, head: &RequestHead) -> Result<&'s Arc<Site>, Rejection> {
    let site = sites.find(head.host());
    if let Some(tls) = &client.tls
        && let Some(sni) = tls.sni.as_deref()
        && !sni.eq_ignore_ascii_case(head.host())
    {
        let alike = site.zip(sites.find(sni)).is_none_or(|(asked, named)| asked.trusts_as(named));
        if !tls.covers(head.host()) || !alike {
            return Err(Rejection::Misdirected);
        }
    }
    site.ok_or(Rejection::UnknownHost)
}

/// Checks a request against the rules of its behavior, which is chosen by the path as it came: a hook that changes the path
/// changes neither behavior nor origin.
pub(super) fn admit<'a>(
    site: &'a Site,
    head: &RequestHead,
    body: &RequestBody,
    client: &Client,
    https_port: Option<u16>,
) -> Result<Admitted<'a>, Rejection> {
    let secure = client.tls.is_some();
    let path = NormalPath::of(head.path());
    let behavior = site.behavior(&path).ok_or(Rejection::UnknownHost)?;
    match behavior.viewer_protocol {
        ViewerProtocol::HttpsOnly if !secure => return Err(Rejection::HttpsOnly),
        ViewerProtocol::RedirectToHttps if !secure => return redirect_to_https(head, https_port).map(Admitted::Redirect),
        _ => {}
    }
    if !behavior.allows(&head.method) {
        return Err(Rejection::Method);
    }
    if matches!(head.method, Method::GET | Method::HEAD) && !body.is_empty() {
        return Err(Rejection::BodyOfGet);
    }
    let signed = || signed::SignedRequest::new(head, &path, secure, client.peer.ip());
    if let Some(signers) = &behavior.signers {
        signers.admit(&signed())?;
    }
    if path.has_nul() {
        return Err(Rejection::Path("it has a NUL"));
    }
    // A path that some server takes for another behavior's is neither served nor stored by the rules of this one.
    match site.other_reading(&path, behavior) {
        OtherReading::Same => {}
        OtherReading::Unknown => return Err(Rejection::Path("it has too much that servers read differently")),
        OtherReading::Behavior(other) => {
            other.signers.as_ref().map_or(Ok(()), |signers| signers.admit(&signed()))?;
            return Err(Rejection::Path("some servers would take it for another behavior's"));
        }
    }
    // The same holds for what the edge itself puts in this path's place.
    let implied = site.implied_signers(&path, behavior);
    if let Some(signers) = implied {
        signers.admit(&signed())?;
    }
    Ok(Admitted::Serve { behavior, is_signed: behavior.signers.is_some() || implied.is_some() })
}
