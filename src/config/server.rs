//! Where Tenrec listens and how it speaks.

use std::net::IpAddr;

use ipnet::IpNet;

/// Options of the HTTP server and the log.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerConfig {
    /// Address to listen on.
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// Address under which browsers reach Tenrec, such as https://analytics.example.com; used in links and snippets.
    /// Without it, the address of each request is used.
    #[arg(long, env = "SITE_URL", value_parser = site_url)]
    pub site_url: Option<String>,
    /// Path below which SDKs are answered too, such as /ph, for a reverse proxy that does not strip it.
    #[arg(long, env = "TENREC_PATH_PREFIX", value_parser = path_prefix)]
    pub path_prefix: Option<String>,
    /// Proxies whose X-Forwarded-For is believed, as addresses or networks separated by commas. Default: none.
    #[arg(long, env = "TENREC_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Form of the log on standard output.
    #[arg(long, env = "TENREC_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to log, in the syntax of tracing's EnvFilter.
    #[arg(long, env = "TENREC_LOG", default_value = "info")]
    pub log: String,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn site_url(s: &str) -> Result<String, String> {
    let url: http::Uri = s.parse().map_err(|e| format!("{e}"))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(s.trim_end_matches('/').to_owned()),
        _ => Err("must be an http or https address, such as https://analytics.example.com".to_owned()),
    }
}

/// First segments that Tenrec's own addresses begin with.
const TAKEN: [&str; 7] = ["api", "array", "assets", "flags", "i", "project", "static"];

fn path_prefix(s: &str) -> Result<String, String> {
    let prefix = s.trim_end_matches('/');
    let Some(path) = prefix.strip_prefix('/') else {
        return Err("must be a path, such as /ph".to_owned());
    };
    let is_plain = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if !path.split('/').all(is_plain) {
        return Err("must consist of letters, digits, - and _, such as /ph".to_owned());
    }
    match path.split('/').next() {
        Some(first) if TAKEN.contains(&first) => Err(format!("/{first} is an address of Tenrec itself")),
        _ => Ok(prefix.to_owned()),
    }
}

fn network(s: &str) -> Result<IpNet, String> {
    let s = s.trim();
    s.parse()
        .or_else(|_| s.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{s:?} is neither an address nor a network"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_may_be_an_address_or_a_network() {
        assert_eq!(network("10.0.0.1").map(|n| n.prefix_len()), Ok(32));
        assert_eq!(network("10.0.0.0/8").map(|n| n.prefix_len()), Ok(8));
        assert!(network("proxy").is_err());
    }

    #[test]
    fn a_path_prefix_is_plain_and_not_taken() {
        assert_eq!(path_prefix("/ph/"), Ok("/ph".to_owned()));
        assert_eq!(path_prefix("/a/b-c"), Ok("/a/b-c".to_owned()));
        for wrong in ["", "/", "ph", "//", "/{x}", "/a//b", "/i/v0", "/static"] {
            assert!(path_prefix(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_site_url_is_absolute_and_loses_its_trailing_slash() {
        assert_eq!(site_url("https://a.example/"), Ok("https://a.example".to_owned()));
        assert!(site_url("a.example").is_err());
        assert!(site_url("ftp://a.example").is_err());
    }
}
