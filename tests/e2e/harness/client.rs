//! A client that can say anything, well formed or not, and reads what comes back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use super::PATIENCE;

/// A response of HTTP/1.1.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header; empty without one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).expect("the edge listens"))
    }

    /// From an address of this machine, such as 127.0.0.2.
    pub fn connect_from(from: Ipv4Addr, address: SocketAddr) -> Client {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&address.into()).expect("the edge listens");
        Client::over(socket.into())
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the edge reads");
    }

    /// A request with these header lines (each ending in CRLF) and this body.
    pub fn request(&mut self, method: &str, target: &str, host: &str, headers: &str, body: &[u8]) -> Answer {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n"));
        self.send(body);
        self.answer(method == "HEAD").expect("an answer")
    }

    /// Reads one answer; none when the connection ends before one begins.
    pub fn answer(&mut self, to_head: bool) -> Option<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("not a status line: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a whole head");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}"));
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if to_head || status == 204 || status == 304 {
            return Some(answer);
        }
        if answer.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            loop {
                let size = self.line().expect("a chunk's size");
                let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("not a chunk's size: {size:?}"));
                self.read(size, &mut answer.body);
                let end = self.line().expect("a chunk's end");
                assert_eq!(end, "");
                if size == 0 {
                    break;
                }
            }
        } else if let Ok(length) = answer.header("content-length").parse() {
            self.read(length, &mut answer.body);
        } else {
            self.stream.read_to_end(&mut answer.body).expect("a whole body");
        }
        Some(answer)
    }

    /// What comes until this text has.
    pub fn until(&mut self, text: &str) -> String {
        let mut come = Vec::new();
        while !String::from_utf8_lossy(&come).contains(text) {
            self.read(1, &mut come);
        }
        String::from_utf8_lossy(&come).into_owned()
    }

    /// What comes until the edge closes the connection.
    pub fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&bytes)),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let n = self.stream.read_line(&mut line).unwrap_or(0);
        (n > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn read(&mut self, n: usize, into: &mut Vec<u8>) {
        let at = into.len();
        into.resize(at + n, 0);
        self.stream.read_exact(&mut into[at..]).expect("a whole body");
    }
}

/// GET over a new connection, with these header lines (each ending in CRLF).
pub fn get(address: SocketAddr, host: &str, target: &str, headers: &str) -> Answer {
    Client::connect(address).request("GET", target, host, headers, b"")
}
