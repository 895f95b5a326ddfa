//! Decides where a function may connect to, and sends its outgoing HTTP requests.
//!
//! Only what the configuration grants (`host:port` patterns) is reachable, or what the VPC permits that a function is
//! attached to. Everything else is refused, with the reason in the function's log and a count in
//! `edgeward_function_egress_total`.
//!
//!     wasi:http request ─► read ─► granted? ─► resolve a name ─► address public, or granted too? ─► connect to it
//!     wasi:sockets TCP  ─► resolve a granted name ─► the same; or address granted? ─► connect
//!
//! A host is read once (`network::Target`), and what was read is what is granted, connected to and named in `Host`.
//! The owner of a granted name decides where it points, so an internal address (loopback, private,
//! link-local, …) must be granted as well; a cloud's metadata address cannot be. In a VPC (`network::vpc`) any name is
//! resolved, and its addresses must have a route and a rule. The address that was checked is the one that is connected to; nothing is
//! resolved twice. Raw sockets (`sockets`) connect by TCP under the same rule; they may not listen, or use UDP.

mod connections;
mod policy;
mod send;
mod sockets;

use std::sync::Arc;

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::limits::egress as limits;
use crate::loops::LoopMarks;
use crate::wasm::worker::output::FunctionLog;

pub use connections::Permit;
pub use policy::{Egress, EgressDenial};
pub use sockets::{RawSockets, Unresolvable};

/// The hooks that wasi:http calls for an instance's outgoing requests.
pub(super) struct OutgoingHooks {
    pub(super) egress: Arc<Egress>,
    pub(super) log: FunctionLog,
    /// The loop marks of the request that the call answers.
    pub(super) passed: LoopMarks,
}

impl WasiHttpHooks for OutgoingHooks {
    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        // Resolves when the guest has received the response; nothing here waits for it.
        _received: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<send::DrivenResponse, Error>> + Send> {
        let (egress, log) = (self.egress.clone(), self.log.clone());
        self.passed.append_to(request.headers_mut());
        Box::new(send::send(egress, log, request, options.unwrap_or_default()))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        limits::BODY_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        limits::BODY_CHUNK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Empty, Full};

    use super::*;
    use crate::limits::{Limits, Profile};
    use crate::network::{Cidr, EgressRule, Grants, RuleProtocol, SecurityGroup, Subnet, Vpc, Vpcs};
    use crate::telemetry::Telemetry;

    struct Network {
        egress: Arc<Egress>,
        log: FunctionLog,
        telemetry: Telemetry,
    }

    impl Network {
        fn granting(patterns: &[&str]) -> Network {
            Network::with_connections(patterns, 16)
        }

        fn with_connections(patterns: &[&str], connections: u64) -> Network {
            let telemetry = Telemetry::new();
            let grants = Grants::parse(patterns.iter().copied()).unwrap();
            let egress = Arc::new(Egress::new(grants, connections, Arc::new(telemetry.function("f"))));
            Network { egress, log: FunctionLog::new(&Limits::defaults(Profile::Worker)), telemetry }
        }

        async fn get(&self, url: &str) -> Result<String, Error> {
            let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            let request = http::Request::get(url).header("host", "as-set-by-wasi-http.example").body(body).unwrap();
            self.send(request).await
        }

        async fn send(&self, request: http::Request<WasiBody>) -> Result<String, Error> {
            let mut outgoing = OutgoingHooks { egress: self.egress.clone(), log: self.log.clone(), passed: LoopMarks::default() };
            let (response, connection) = Box::into_pin(outgoing.send_request(request, None, Box::new(async { Ok(()) }))).await?;
            let (body, _) = tokio::join!(response.into_body().collect(), Box::into_pin(connection));
            Ok(String::from_utf8(body?.to_bytes().to_vec()).unwrap())
        }

        fn count(&self, result: &str) -> u64 {
            let name = format!(r#"edgeward_function_egress_total{{function="f",result="{result}"}} "#);
            self.telemetry.render().lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
        }
    }

    /// Answers one connection's requests with what it saw.
    async fn origin() -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let seen = format!("{} {} {:?}", request.method(), request.uri(), request.headers()["host"]);
                Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(seen))))
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), answer);
            connection.await.unwrap();
        });
        port
    }

    #[tokio::test]
    async fn a_granted_request_arrives() {
        let port = origin().await;
        let network = Network::granting(&[&format!("127.0.0.1:{port}")]);
        let seen = network.get(&format!("http://127.0.0.1:{port}/a?b")).await.unwrap();
        assert_eq!(seen, format!(r#"GET /a?b "127.0.0.1:{port}""#), "Host is where it went");
        assert_eq!(network.count("ok"), 1);
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_for_the_end_of_another_or_is_refused_in_time() {
        let (port, other) = (origin().await, origin().await);
        let network = Network::with_connections(&["127.0.0.1:*"], 1);
        let request = |port: u16| {
            let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            http::Request::get(format!("http://127.0.0.1:{port}/")).body(body).unwrap()
        };
        let start = |port, options| {
            let mut outgoing =
                OutgoingHooks { egress: network.egress.clone(), log: network.log.clone(), passed: LoopMarks::default() };
            Box::into_pin(outgoing.send_request(request(port), options, Box::new(async { Ok(()) })))
        };
        let first = start(port, None).await.unwrap();
        let patience = std::time::Duration::from_millis(20);
        let hasty = RequestOptions { connect_timeout: Some(patience), ..RequestOptions::default() };
        let refused = start(other, Some(hasty)).await.map(drop);
        assert!(matches!(refused, Err(Error::ConnectionLimitReached)), "{refused:?}");
        assert_eq!(network.count("connections-exhausted"), 1);
        let mut waiting = start(other, None);
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
        drop(first);
        assert!(waiting.await.is_ok(), "the first connection is gone");
    }

    #[tokio::test]
    async fn localhost_is_granted_by_its_name() {
        let port = origin().await;
        let network = Network::granting(&["localhost:*"]);
        assert!(network.get(&format!("http://localhost:{port}/")).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_not_granted_is_refused_with_its_reason() {
        let network = Network::granting(&["api.example.com:443"]);
        for url in ["http://127.0.0.1:80/", "http://api.example.com/", "https://example.com/", "http://[::1]:443/"] {
            assert!(matches!(network.get(url).await, Err(Error::HttpRequestDenied)), "{url}");
        }
        assert_eq!(network.count("not-granted"), 4);
        let log = network.log.take();
        assert!(log.starts_with("network: 127.0.0.1:80 is not granted; granted: api.example.com:443"), "{log}");
    }

    #[tokio::test]
    async fn an_address_goes_where_it_was_granted_however_it_is_written() {
        for host in ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.01", "127.0.0.1.", "[::ffff:127.0.0.1]"] {
            let port = origin().await;
            let denied = Network::granting(&["*:*", "*.*:*", "*.*.*.*:*"]);
            assert!(matches!(denied.get(&format!("http://{host}:{port}/")).await, Err(Error::HttpRequestDenied)), "{host}");
            assert_eq!(denied.count("not-granted"), 1, "{host}");
            let granted = Network::granting(&[&format!("127.0.0.1:{port}")]);
            let seen = granted.get(&format!("http://{host}:{port}/")).await.unwrap();
            assert_eq!(seen, format!(r#"GET / "127.0.0.1:{port}""#), "{host}");
        }
    }

    #[tokio::test]
    async fn an_ambiguous_authority_is_refused() {
        let network = Network::granting(&["localhost:*", "127.0.0.1:*", "*:*"]);
        for authority in ["user@localhost", "127.0.0.1:1@localhost", "localhost:+80", "localhost:0", "127.0.0.256", "a..b"] {
            let refused = network.get(&format!("http://{authority}/")).await;
            assert!(matches!(refused, Err(Error::HttpRequestUriInvalid)), "{authority}");
        }
        assert_eq!(network.count("invalid-authority"), 6);
        let log = network.log.take();
        assert!(log.starts_with("network: `user@localhost` is no host to connect to: user information"), "{log}");
    }

    #[tokio::test]
    async fn a_path_goes_out_in_origin_form() {
        for (path, sent) in
            [("", "/"), ("?a=b", "/?a=b"), ("/", "/"), ("//x/../y?", "//x/../y?"), ("/%7e?a=//b?c", "/%7e?a=//b?c")]
        {
            let port = origin().await;
            let network = Network::granting(&[&format!("127.0.0.1:{port}")]);
            let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            let uri = http::Uri::builder().scheme("http").authority(format!("127.0.0.1:{port}")).path_and_query(path);
            let request = http::Request::get(uri.build().unwrap()).body(body).unwrap();
            assert_eq!(network.send(request).await.unwrap(), format!(r#"GET {sent} "127.0.0.1:{port}""#), "{path}");
        }
    }

    #[test]
    fn a_granted_name_that_resolves_to_a_private_address_is_refused() {
        let inside: SocketAddr = "10.1.2.3:80".parse().unwrap();
        let outside: SocketAddr = "1.1.1.1:80".parse().unwrap();
        let named = Network::granting(&["rebound.example.com:80"]).egress;
        let refusal = named.check_addresses("rebound.example.com", [inside].into_iter()).unwrap_err();
        assert_eq!(refusal.label(), "address-not-granted");
        assert!(refusal.to_string().contains("grant 10.1.2.3:80 too"), "{refusal}");
        assert_eq!(named.check_addresses("rebound.example.com", [inside, outside].into_iter()), Ok(vec![outside]));
        let both = Network::granting(&["rebound.example.com:80", "10.1.*.*:80"]).egress;
        assert_eq!(both.check_addresses("rebound.example.com", [inside].into_iter()), Ok(vec![inside]));
        let local = Network::granting(&["localhost:80"]).egress;
        assert!(local.check_addresses("localhost", ["10.0.0.1:80".parse().unwrap()].into_iter()).is_err());
    }

    #[tokio::test]
    async fn metadata_is_refused_even_where_it_is_granted() {
        let network = Network::granting(&["169.254.*.*:*", "[fd00:ec2::254]:80", "metadata.example.com:80"]);
        for url in ["http://169.254.169.254/", "http://2852039166/", "http://[::ffff:a9fe:a9fe]/", "http://[fd00:ec2::254]/"] {
            assert!(matches!(network.get(url).await, Err(Error::HttpRequestDenied)), "{url}");
        }
        assert_eq!(network.count("metadata"), 4);
        let led: SocketAddr = "169.254.169.254:80".parse().unwrap();
        let refusal = network.egress.check_addresses("metadata.example.com", [led].into_iter()).unwrap_err();
        assert_eq!(refusal.label(), "metadata");
    }

    /// Attached to a subnet with these blocks, and to a security group that permits one port.
    fn attached(blocks: &[&str], nat: bool, port: u16, grants: &[&str]) -> Network {
        let cidrs = |texts: &[&str]| texts.iter().map(|text| Cidr::parse(text).unwrap()).collect::<Vec<_>>();
        let subnets = vec![Subnet { id: "subnet-a".to_owned(), cidrs: cidrs(blocks), nat }];
        let rule = EgressRule { protocol: RuleProtocol::Tcp, ports: port..=port, cidrs: cidrs(&["0.0.0.0/0", "::/0"]) };
        let security_groups = vec![SecurityGroup { id: "sg-a".to_owned(), egress: vec![rule] }];
        let vpcs = Vpcs([("main".to_owned(), Vpc { subnets, security_groups })].into());
        let attachment = vpcs.attach(&["subnet-a".to_owned()], &["sg-a".to_owned()], true).unwrap();
        let telemetry = Telemetry::new();
        let egress = Egress::new(Grants::parse(grants.iter().copied()).unwrap(), 16, Arc::new(telemetry.function("f")));
        let egress = Arc::new(egress.attached(Some(Arc::new(attachment))));
        Network { egress, log: FunctionLog::new(&Limits::defaults(Profile::Worker)), telemetry }
    }

    #[tokio::test]
    async fn an_attached_function_reaches_what_its_vpc_permits_by_address_and_by_name() {
        for host in ["127.0.0.1", "localhost"] {
            let port = origin().await;
            let permitted = attached(&["127.0.0.0/8"], false, port, &[]);
            let seen = permitted.get(&format!("http://{host}:{port}/")).await.unwrap();
            assert_eq!(seen, format!(r#"GET / "{host}:{port}""#));
            assert_eq!(permitted.count("ok"), 1);
        }
    }

    #[tokio::test]
    async fn an_attached_function_is_refused_what_its_vpc_does_not_permit() {
        let port = origin().await;
        let no_rule = attached(&["127.0.0.0/8"], false, port + 1, &[]);
        assert!(matches!(no_rule.get(&format!("http://127.0.0.1:{port}/")).await, Err(Error::HttpRequestDenied)));
        assert!(matches!(no_rule.get(&format!("http://localhost:{port}/")).await, Err(Error::DestinationIpProhibited)));
        assert_eq!(no_rule.count("security-group"), 2);
        let log = no_rule.log.take();
        let told = format!("network: 127.0.0.1:{port} is permitted by no egress rule of its security groups (sg-a)\n");
        assert!(log.starts_with(&told), "{log}");
        let no_route = attached(&["10.0.0.0/8"], true, port, &[]);
        assert!(matches!(no_route.get(&format!("http://127.0.0.1:{port}/")).await, Err(Error::HttpRequestDenied)));
        let metadata = attached(&["169.254.0.0/16", "fd00::/8"], true, 80, &[]);
        assert!(matches!(metadata.get("http://169.254.169.254/").await, Err(Error::HttpRequestDenied)));
        assert!(matches!(metadata.get("http://[fd00:ec2::254]/").await, Err(Error::HttpRequestDenied)));
        assert_eq!((no_route.count("no-route"), metadata.count("metadata")), (1, 2));
    }

    #[tokio::test]
    async fn an_attached_function_reaches_what_is_granted_without_a_route() {
        let port = origin().await;
        let network = attached(&[], false, 1, &[&format!("127.0.0.1:{port}")]);
        assert!(network.get(&format!("http://127.0.0.1:{port}/")).await.is_ok());
    }

    #[test]
    fn of_the_addresses_of_a_name_those_remain_that_the_vpc_permits() {
        let [inside, beside, public]: [SocketAddr; 3] =
            ["10.0.0.1:80", "10.1.0.1:80", "1.1.1.1:80"].map(|address| address.parse().unwrap());
        let found = || [inside, beside, public].into_iter();
        let without_nat = attached(&["10.0.0.0/16"], false, 80, &[]).egress;
        assert_eq!(without_nat.check_addresses("db.example.com", found()), Ok(vec![inside]));
        let with_nat = attached(&["10.0.0.0/16"], true, 80, &[]).egress;
        assert_eq!(with_nat.check_addresses("db.example.com", found()), Ok(vec![inside, public]));
    }

    #[tokio::test]
    async fn sockets_of_an_attached_function_connect_to_what_its_vpc_permits() {
        let network = attached(&["127.0.0.0/16"], false, 7000, &[]);
        let sockets = RawSockets::new(network.egress.clone(), network.log.clone());
        assert!(!sockets.resolve("localhost").await.unwrap().is_empty(), "every name resolves");
        let connects = |address: &str| sockets.connect(address.parse().unwrap());
        assert!(connects("127.0.0.1:7000") && connects("[::ffff:127.0.0.1]:7000"));
        assert!(!connects("127.0.0.1:7001") && !connects("127.1.0.1:7000") && !connects("1.1.1.1:7000"));
        assert_eq!((network.count("ok"), network.count("security-group"), network.count("no-route")), (2, 1, 2));
    }
}
