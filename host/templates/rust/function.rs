//! A program that answers each request as CGI (RFC 3875): the request is in the environment and on stdin, the response goes to
//! stdout, and stderr to the log.

use std::env;

fn main() {
    let path = env::var("PATH_INFO").unwrap_or_default();
    eprintln!("asked for {path}");
    print!("Content-Type: text/plain; charset=utf-8\n\n");
    println!("hello from {{name}}: {} {path}", env::var("REQUEST_METHOD").unwrap_or_default());
}
