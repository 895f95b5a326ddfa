//! A configuration, built in the order of its file: a table, then the keys of that table.
//!
//!     Config::new().origin("o", origin.url()).site("o").set("viewer_protocol", "https-only")
//!
//! `set` writes a key of the table that was begun last. Wherever a configuration is expected, TOML as a string is one too.

use std::net::SocketAddr;

use serde::Serialize;

#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Keys that stand before every table.
    top: String,
    server: String,
    tables: String,
}

impl Config {
    pub fn new() -> Config {
        Config::default()
    }

    /// A key before every table, such as `include`.
    pub fn top(mut self, key: &str, value: impl Serialize) -> Config {
        self.top += &line(key, value);
        self
    }

    /// A key of `[server]`.
    pub fn server(mut self, key: &str, value: impl Serialize) -> Config {
        self.server += &line(key, value);
        self
    }

    /// A port for HTTPS, and the first of its certificates.
    pub fn https(self, chain: &str, key: &str) -> Config {
        self.server("https", ["127.0.0.1:0"]).certificate(chain, key)
    }

    pub fn certificate(self, chain: &str, key: &str) -> Config {
        self.begin("[[server.certificate]]").set("chain", chain).set("key", key)
    }

    /// A component, by the path of its file.
    pub fn function(self, name: &str, component: impl AsRef<str>) -> Config {
        self.table(&format!("function.{name}")).set("component", component.as_ref())
    }

    /// A source, for CloudFront's runtime 2.0.
    pub fn source(self, name: &str, source: &str) -> Config {
        self.table(&format!("function.{name}")).set("source", source).set("runtime", "cloudfront-js-2.0")
    }

    /// An origin with a URL.
    pub fn origin(self, name: &str, url: impl AsRef<str>) -> Config {
        self.table(&format!("origin.{name}")).set("url", url.as_ref())
    }

    /// An origin that always answers 200 with this body.
    pub fn fixed(self, name: &str, body: &str) -> Config {
        self.table(&format!("origin.{name}")).set("fixed", serde_json::json!({ "body": body }))
    }

    /// An origin whose content is a folder of files.
    pub fn folder(self, name: &str, folder: impl AsRef<str>) -> Config {
        self.table(&format!("origin.{name}")).set("folder", folder.as_ref())
    }

    /// An origin that is a function.
    pub fn service(self, name: &str, function: &str) -> Config {
        self.table(&format!("origin.{name}")).set("component", function)
    }

    /// The site `www`, for every host.
    pub fn site(self, origin: &str) -> Config {
        self.site_named("www", "*", origin)
    }

    pub fn site_named(self, name: &str, host: &str, origin: &str) -> Config {
        self.begin("[[site]]").set("name", name).set("hosts", [host]).set("origin", origin)
    }

    /// A behavior of the last site.
    pub fn behavior(self, path: &str) -> Config {
        self.begin("[[site.behavior]]").set("path", path)
    }

    /// An error page of the last site.
    pub fn error_page(self, status: u16) -> Config {
        self.begin("[[site.error_page]]").set("status", status)
    }

    /// The site or behavior is cached by CloudFront's default policy.
    pub fn cached(self) -> Config {
        self.set("cache_policy", "CachingOptimized")
    }

    /// Any other table, such as `cache.disk`.
    pub fn table(self, name: &str) -> Config {
        self.begin(&format!("[{name}]"))
    }

    /// A key of the table that was begun last.
    pub fn set(mut self, key: &str, value: impl Serialize) -> Config {
        self.tables += &line(key, value);
        self
    }

    /// What another configuration says, behind this one; lines without a table's header are the last table's.
    pub fn with(mut self, more: impl Into<Config>) -> Config {
        let more = more.into();
        self.top += &more.top;
        self.server += &more.server;
        self.tables += &more.tables;
        self
    }

    /// The whole file of commands that do not serve: with a free port and without an admin port.
    pub fn file(&self) -> String {
        let Config { top, server, tables } = self;
        format!("{top}[server]\nhttp = [\"127.0.0.1:0\"]\ndata_dir = \"data\"\n{server}{tables}")
    }

    /// Without `[server]`: a file that another one includes.
    pub fn tables(&self) -> String {
        self.tables.clone()
    }

    fn begin(mut self, header: &str) -> Config {
        self.tables += header;
        self.tables.push('\n');
        self
    }

    /// The whole file of an edge that serves HTTP at this address.
    pub fn at(&self, http: SocketAddr) -> String {
        let Config { top, server, tables } = self;
        let workers = if server.contains("workers =") { "" } else { "workers = 2\n" };
        format!(
            "{top}[server]\nhttp = [\"{http}\"]\nadmin = \"127.0.0.1:0\"\n{workers}data_dir = \"data\"\nedge_location = \"TST1\"\n{server}{tables}"
        )
    }
}

/// TOML as it is: for a table that one test writes, for what a test wants to be wrong, and for the lines of a case of a table.
impl From<&str> for Config {
    fn from(lines: &str) -> Config {
        Config { tables: format!("{lines}\n"), ..Config::default() }
    }
}

impl From<String> for Config {
    fn from(lines: String) -> Config {
        Config::from(lines.as_str())
    }
}

impl From<&String> for Config {
    fn from(lines: &String) -> Config {
        Config::from(lines.as_str())
    }
}

impl From<&Config> for Config {
    fn from(config: &Config) -> Config {
        config.clone()
    }
}

#[track_caller]
fn line(key: &str, value: impl Serialize) -> String {
    let value = toml::Value::try_from(value).unwrap_or_else(|error| panic!("{key}: {error}"));
    format!("{key} = {value}\n")
}
