//! Where connections lead: an address, whom to trust there, and whether it may be inside the operator's network.
//!
//! Two requests may share a connection exactly when their endpoints are equal.

use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::edge::origin::address::OriginAddress;

/// A server that may be connected to.
pub(crate) struct Endpoint {
    address: OriginAddress,
    /// `None` without TLS.
    trust: Option<Trust>,
    reach: Reach,
}

/// Where an endpoint's name may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// Anywhere: the operator configured it.
    Anywhere,
    /// A hook chose it: it must not lead into the operator's network.
    Public,
}

/// How a server proves over TLS that it is the one.
pub(crate) struct Trust {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
    /// The extra certificates, for equality.
    ca: Vec<u8>,
}

impl Endpoint {
    /// `ca` is a file of certificates to trust besides the public ones.
    pub(crate) fn new(address: OriginAddress, ca: Option<&Path>, reach: Reach) -> anyhow::Result<Endpoint> {
        let trust = if address.is_tls() { Some(Trust::new(address.host(), ca)?) } else { None };
        Ok(Endpoint { address, trust, reach })
    }

    pub(crate) fn address(&self) -> &OriginAddress {
        &self.address
    }

    /// `None` without TLS.
    pub(crate) fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    fn ca(&self) -> &[u8] {
        self.trust.as_ref().map_or(&[], |trust| &trust.ca)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Endpoint) -> bool {
        std::ptr::eq(self, other) || (self.address == other.address && self.reach == other.reach && self.ca() == other.ca())
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.host().hash(state);
        self.address.port().hash(state);
    }
}

impl Trust {
    fn new(host: &str, ca: Option<&Path>) -> anyhow::Result<Trust> {
        let name = ServerName::try_from(host.to_owned()).with_context(|| format!("`{host}` is not a name for TLS"))?;
        let Some(path) = ca else {
            static PUBLIC: OnceLock<Arc<ClientConfig>> = OnceLock::new();
            let config = match PUBLIC.get() {
                Some(config) => config.clone(),
                None => {
                    let config = client(public_roots())?;
                    PUBLIC.get_or_init(|| config).clone()
                }
            };
            return Ok(Trust { config, name, ca: Vec::new() });
        };
        let ca = std::fs::read(path).with_context(|| format!("cannot read CA certificates from {}", path.display()))?;
        let mut roots = public_roots();
        for certificate in CertificateDer::pem_slice_iter(&ca) {
            roots.add(certificate.context("CA certificate")?).context("CA certificate")?;
        }
        Ok(Trust { config: client(roots)?, name, ca })
    }
}

fn client(roots: RootCertStore) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The system's certificates and Mozilla's: a container without the former still reaches the internet.
fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A certificate that cannot be used for TLS is skipped.
        let _ = roots.add(certificate);
    }
    roots
}
