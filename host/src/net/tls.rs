//! Certificates, chosen by the name a client asks for, and replaceable while connections are served.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::Certificate;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("there is no [[server.certificate]], but TLS needs one")]
    None,
    #[error("cannot read {}: {why}", .file.display())]
    Unreadable { file: PathBuf, why: String },
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    #[error("the key in {} does not go with the certificate in {}: {why}", .key.display(), .chain.display())]
    Mismatch { chain: PathBuf, key: PathBuf, why: String },
    #[error("{} names no host, and none is configured for it", .0.display())]
    NoHost(PathBuf),
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificates of the process; connections that are open keep what they were given.
#[derive(Debug)]
pub struct TlsSlot {
    names: Arc<Names>,
    config: Arc<ServerConfig>,
}

impl TlsSlot {
    pub fn load(certificates: &[Certificate]) -> Result<TlsSlot, TlsError> {
        let names = Arc::new(Names(ArcSwap::from_pointee(Table::read(certificates)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(names.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new()?;
        Ok(TlsSlot { names, config: Arc::new(config) })
    }

    /// Puts other certificates in place of all; on an error the old ones stay.
    pub fn reload(&self, certificates: &[Certificate]) -> Result<(), TlsError> {
        self.names.0.store(Arc::new(Table::read(certificates)?));
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

#[derive(Debug)]
struct Names(ArcSwap<Table>);

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().choose(hello.server_name()).clone())
    }
}

/// Keys by lower-case name; a wildcard is kept as its suffix, `.example.com`.
#[derive(Debug)]
struct Table {
    default: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    wildcard: HashMap<String, Arc<CertifiedKey>>,
}

impl Table {
    fn read(certificates: &[Certificate]) -> Result<Table, TlsError> {
        let mut table: Option<Table> = None;
        for certificate in certificates {
            let key = Arc::new(read_key(certificate)?);
            let table = table.get_or_insert_with(|| Table {
                default: key.clone(),
                exact: HashMap::new(),
                wildcard: HashMap::new(),
            });
            let hosts = if certificate.hosts.is_empty() {
                hosts_of(&key).filter(|hosts| !hosts.is_empty()).ok_or_else(|| TlsError::NoHost(certificate.chain.clone()))?
            } else {
                certificate.hosts.clone()
            };
            for host in hosts {
                let host = host.to_ascii_lowercase();
                // The first certificate that claims a name keeps it, as the first is the default.
                match host.strip_prefix('*') {
                    Some(suffix) => table.wildcard.entry(suffix.to_owned()).or_insert_with(|| key.clone()),
                    None => table.exact.entry(host).or_insert_with(|| key.clone()),
                };
            }
        }
        table.ok_or(TlsError::None)
    }

    fn choose(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name else { return &self.default };
        // rustls has lowered and checked the name.
        self.exact
            .get(name)
            .or_else(|| name.find('.').and_then(|dot| self.wildcard.get(&name[dot..])))
            .unwrap_or(&self.default)
    }
}

fn read_key(certificate: &Certificate) -> Result<CertifiedKey, TlsError> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |why: rustls::pki_types::pem::Error| TlsError::Unreadable { file, why: why.to_string() }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&certificate.chain)
        .map_err(unreadable(&certificate.chain))?
        .collect::<Result<_, _>>()
        .map_err(unreadable(&certificate.chain))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.chain.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&certificate.key).map_err(unreadable(&certificate.key))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|why| TlsError::Mismatch {
        chain: certificate.chain.clone(),
        key: certificate.key.clone(),
        why: why.to_string(),
    })
}

/// The DNS names in a certificate.
fn hosts_of(key: &CertifiedKey) -> Option<Vec<String>> {
    let certificate = webpki::EndEntityCert::try_from(key.cert.first()?).ok()?;
    Some(certificate.valid_dns_names().map(str::to_owned).collect())
}
