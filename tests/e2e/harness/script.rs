//! An origin that says what it is told to, byte for byte, and remembers what it was asked, byte for byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a scripted origin does with a request.
pub enum Says {
    /// These bytes, and it waits for the next request of the connection.
    Answer(Vec<u8>),
    /// These bytes over and over, until nobody takes them any more.
    Endless(Vec<u8>),
    /// Nothing: it closes the connection.
    Nothing,
    /// Nothing, and it keeps the connection until the edge closes it.
    Silence,
}

/// Runs until its process ends.
pub struct Script {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// Asked with the whole request as text, and which one of its connection it is.
    pub fn start(says: impl Fn(&str, usize) -> Says + Send + Sync + 'static) -> Script {
        Script::serving(TcpListener::bind("127.0.0.1:0").unwrap(), says)
    }

    /// On this socket.
    pub fn serving(listener: TcpListener, says: impl Fn(&str, usize) -> Says + Send + Sync + 'static) -> Script {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, says) = (asked.clone(), Arc::new(says));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (log, says) = (log.clone(), says.clone());
                std::thread::spawn(move || converse(BufReader::new(stream), &log, &*says));
            }
        });
        Script { url, asked }
    }

    /// Says the same to everybody.
    pub fn saying(answer: &str) -> Script {
        let answer = answer.to_owned();
        Script::start(move |_, _| Says::Answer(answer.clone().into_bytes()))
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn last(&self) -> String {
        self.asked().last().cloned().expect("the origin was asked")
    }
}

fn converse(mut stream: BufReader<TcpStream>, log: &Mutex<Vec<String>>, says: &dyn Fn(&str, usize) -> Says) {
    for number in 0.. {
        let Some(request) = request(&mut stream) else { return };
        let said = says(&request, number);
        log.lock().unwrap().push(request);
        match said {
            Says::Nothing => return,
            Says::Silence => drop(stream.read(&mut [0])),
            Says::Answer(bytes) => {
                if stream.get_mut().write_all(&bytes).is_err() || bytes.windows(17).any(|part| part == b"Connection: close") {
                    return;
                }
            }
            Says::Endless(bytes) => while stream.get_mut().write_all(&bytes).is_ok() {},
        }
    }
}

/// Head, body and trailers as they came; none when the connection ends before.
fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = lines(stream)?;
    let head = text.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    if head.contains("transfer-encoding: chunked") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).ok().filter(|&bytes| bytes > 0)?;
            let bytes = usize::from_str_radix(size.trim(), 16).ok()?;
            text += &size;
            if bytes == 0 {
                return Some(text + &lines(stream)?);
            }
            text += &exactly(stream, bytes + 2)?;
        }
    }
    Some(text + &exactly(stream, length.unwrap_or(0))?)
}

/// Up to an empty line.
fn lines(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    loop {
        let before = text.len();
        stream.read_line(&mut text).ok().filter(|&bytes| bytes > 0)?;
        if text[before..] == *"\r\n" {
            return Some(text);
        }
    }
}

fn exactly(stream: &mut BufReader<TcpStream>, bytes: usize) -> Option<String> {
    let mut part = vec![0; bytes];
    stream.read_exact(&mut part).ok()?;
    Some(String::from_utf8_lossy(&part).into_owned())
}
