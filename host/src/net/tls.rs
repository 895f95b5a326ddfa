//! TLS: certificates by server name, replaceable while connections are open.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config;

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", .file.display())]
pub struct TlsError {
    file: PathBuf,
    why: String,
}

/// The certificates in use. New handshakes use a replacement at once; open connections keep theirs.
pub struct TlsSlot {
    keys: Arc<Keys>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Keys(ArcSwap<Vec<Named>>);

#[derive(Debug)]
struct Named {
    chain: PathBuf,
    not_after: SystemTime,
    hosts: Arc<[String]>,
    key: Arc<CertifiedKey>,
}

impl TlsSlot {
    /// The first certificate is for clients that send no server name, or an unknown one.
    pub fn load(certificates: &[config::Certificate]) -> Result<TlsSlot, TlsError> {
        let keys = Arc::new(Keys(ArcSwap::from_pointee(read(certificates)?)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError { file: PathBuf::new(), why: error.to_string() })?
            .with_no_client_auth()
            .with_cert_resolver(keys.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsSlot { keys, config: Arc::new(config) })
    }

    /// Replaces the certificates. On an error the old ones stay.
    pub fn reload(&self, certificates: &[config::Certificate]) -> Result<(), TlsError> {
        self.keys.0.store(Arc::new(read(certificates)?));
        Ok(())
    }

    /// The hosts of the certificate for clients that send this server name.
    pub(super) fn hosts(&self, name: &str) -> Arc<[String]> {
        let keys = self.keys.0.load();
        choose(&keys, name).map_or_else(|| Vec::new().into(), |named| named.hosts.clone())
    }

    /// The certificates in use: the file of each chain, its first host, and when it expires.
    pub fn expiries(&self) -> Vec<(PathBuf, String, SystemTime)> {
        let keys = self.keys.0.load();
        let expiry = |named: &Named| (named.chain.clone(), named.hosts.first().cloned().unwrap_or_default(), named.not_after);
        keys.iter().map(expiry).collect()
    }

    pub(super) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        tokio_rustls::TlsAcceptor::from(self.config.clone())
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        choose(&self.0.load(), hello.server_name().unwrap_or_default()).map(|named| named.key.clone())
    }
}

fn choose<'a>(keys: &'a [Named], name: &str) -> Option<&'a Named> {
    let exact = keys.iter().find(|named| named.hosts.iter().any(|host| host.eq_ignore_ascii_case(name)));
    let wildcard = || keys.iter().find(|named| named.hosts.iter().any(|host| covers(host, name)));
    exact.or_else(wildcard).or(keys.first())
}

/// `*.example.com` covers exactly one more label.
pub(super) fn covers(pattern: &str, name: &str) -> bool {
    let (Some(suffix), Some((_, rest))) = (pattern.strip_prefix("*."), name.split_once('.')) else { return false };
    suffix.eq_ignore_ascii_case(rest)
}

fn read(certificates: &[config::Certificate]) -> Result<Vec<Named>, TlsError> {
    certificates.iter().map(named).collect()
}

fn named(certificate: &config::Certificate) -> Result<Named, TlsError> {
    let wrong = |file: &PathBuf, why: String| TlsError { file: file.clone(), why };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&certificate.chain)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&certificate.chain, format!("no certificate chain in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(&certificate.chain, "no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&certificate.key)
        .map_err(|error| wrong(&certificate.key, format!("no private key in PEM: {error}")))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| wrong(&certificate.key, error.to_string()))?;
    let key = CertifiedKey::new(chain, key);
    key.keys_match().map_err(|_| wrong(&certificate.key, format!("not the key of {}", certificate.chain.display())))?;
    let hosts = if certificate.hosts.is_empty() {
        hosts_of(&key).ok_or_else(|| wrong(&certificate.chain, "it names no host, and none is configured for it".to_owned()))?
    } else {
        certificate.hosts.clone()
    };
    let not_after = key.cert.first().and_then(|der| not_after(der));
    let not_after = not_after.ok_or_else(|| wrong(&certificate.chain, "its dates cannot be read".to_owned()))?;
    Ok(Named { chain: certificate.chain.clone(), not_after, hosts: hosts.into(), key: Arc::new(key) })
}

/// The last moment of a certificate's validity (RFC 5280 section 4.1.2.5).
fn not_after(der: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or_default();
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// The DNS names in a certificate. `None` if it has none.
fn hosts_of(key: &CertifiedKey) -> Option<Vec<String>> {
    let certificate = webpki::EndEntityCert::try_from(key.cert.first()?).ok()?;
    let hosts: Vec<String> = certificate.valid_dns_names().map(str::to_owned).collect();
    (!hosts.is_empty()).then_some(hosts)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        assert!(covers("*.example.com", "www.Example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(!covers("*.example.com", "a.b.example.com"));
        assert!(!covers("example.com", "example.com"));
    }
}
