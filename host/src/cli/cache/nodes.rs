//! Which nodes are asked: what is written after `--admin`, and what names stand for.
//!
//! A name may stand for several machines, as that of a service does: each of its addresses is a node, and all of them are
//! asked at once. Only the addresses of this machine are one node, asked at the first that answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Admin, Answers, PATIENCE};
use crate::limits::command::NODES;

const PORT: u16 = 9090;

/// One process.
pub(super) struct CacheNode {
    /// In messages.
    pub(super) name: String,
    /// Tried in turn; or why there are none.
    addresses: Result<Vec<SocketAddr>, String>,
}

impl CacheNode {
    pub(super) async fn connect(&self) -> anyhow::Result<(SocketAddr, TcpStream)> {
        let addresses = self.addresses.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
        let mut refused = None;
        for &address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok((address, stream)),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.map_or_else(|| anyhow::anyhow!("it has no address"), anyhow::Error::from))
    }
}

/// `HOST`, `HOST:PORT`, `ADDRESS`, `ADDRESS:PORT`; with the port.
pub(super) fn written(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT).to_string());
    }
    let (host, port) = text.rsplit_once(':').map_or((text, Some(PORT)), |(host, port)| (host, port.parse().ok()));
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c));
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = host.split('.').all(is_label) || bracketed.is_some_and(|host| host.parse::<IpAddr>().is_ok());
    match port {
        Some(port) if is_host => Ok(format!("{host}:{port}")),
        _ => Err("a host or an address is expected, as in `edge-1.internal:9090`".to_owned()),
    }
}

/// Each node once. A name that stands for nothing is a node that cannot be asked: the others are.
pub(super) async fn found(written: &[String]) -> anyhow::Result<Vec<CacheNode>> {
    let mut nodes: Vec<CacheNode> = Vec::new();
    let mut taken = Vec::new();
    for text in written {
        let looked_up = timeout(PATIENCE, tokio::net::lookup_host(text.as_str())).await.context("no answer in time");
        let addresses = match looked_up.and_then(|found| Ok(found?)) {
            Ok(found) => found.collect::<Vec<_>>(),
            Err(error) => {
                nodes.push(CacheNode { name: text.clone(), addresses: Err(format!("{text} has no address: {error:#}")) });
                continue;
            }
        };
        let mut new: Vec<_> = addresses.into_iter().filter(|address| !taken.contains(address)).collect();
        new.sort_unstable();
        new.dedup();
        taken.extend(&new);
        let is_address = text.parse::<SocketAddr>().is_ok();
        if !new.is_empty() && new.iter().all(|address| address.ip().is_loopback()) {
            nodes.push(CacheNode { name: text.clone(), addresses: Ok(new) });
        } else {
            nodes.extend(new.into_iter().map(|address| CacheNode {
                name: if is_address { text.clone() } else { format!("{address} ({text})") },
                addresses: Ok(vec![address]),
            }));
        }
    }
    if nodes.len() > NODES {
        bail!("{} nodes are too many: at most {NODES} are asked at once", nodes.len());
    }
    Ok(nodes)
}

/// Asks all at once; the answers are in the order of the nodes.
pub(super) async fn each<T: Send + 'static, F>(admins: &[Arc<Admin>], ask: impl Fn(Arc<Admin>) -> F) -> Answers<T>
where
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let mut asking = JoinSet::new();
    for (index, admin) in admins.iter().enumerate() {
        let (name, answer) = (admin.node.name.clone(), ask(admin.clone()));
        asking.spawn(async move { (index, name, answer.await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_unstable_by_key(|(index, ..)| *index);
    answers.into_iter().map(|(_, name, answer)| (name, answer)).collect()
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn nodes_are_named_as_people_do() {
        for (text, expected) in [
            ("127.0.0.1:9090", Some("127.0.0.1:9090")),
            ("10.0.0.1", Some("10.0.0.1:9090")),
            ("::1", Some("[::1]:9090")),
            ("[::1]:1", Some("[::1]:1")),
            ("edge-1.internal", Some("edge-1.internal:9090")),
            ("edge:7", Some("edge:7")),
            ("http://edge", None),
            ("edge:seven", None),
            ("edge/", None),
            ("", None),
        ] {
            assert_eq!(written(text).ok().as_deref(), expected, "{text}");
        }
    }
}
