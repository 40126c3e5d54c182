//! Under which address the browser reaches Tenrec.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

use super::AppState;
use super::client_ip::{is_trusted, peer};

/// The address of this Tenrec, as links and snippets name it: `SITE_URL`, else what the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Such as `https://analytics.example.com`: no slash at the end.
    pub url: String,
    /// Whether browsers reach it over https, so that cookies may be, and therefore are, kept to it.
    pub is_https: bool,
}

impl FromRequestParts<AppState> for Site {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let server = &state.config.server;
        let is_proxied = is_trusted(peer(parts), &server.trusted_proxies);
        Ok(find(server.site_url.as_deref(), is_proxied, &parts.headers, server.port))
    }
}

fn find(site_url: Option<&str>, is_proxied: bool, headers: &HeaderMap, port: u16) -> Site {
    let forwarded = headers.get("x-forwarded-proto").filter(|_| is_proxied).and_then(|value| value.to_str().ok());
    let is_forwarded_https = forwarded.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
    if let Some(url) = site_url {
        return Site { url: url.to_owned(), is_https: is_forwarded_https || url.starts_with("https://") };
    }
    let scheme = if is_forwarded_https { "https" } else { "http" };
    // Parsed, so that what a client sends as Host is a host when it is shown in a page.
    let host = headers
        .get(header::HOST)
        .and_then(|value| Authority::try_from(value.as_bytes()).ok())
        .filter(|authority| !authority.as_str().contains('@'))
        .map_or_else(|| format!("localhost:{port}"), |authority| authority.to_string());
    Site { url: format!("{scheme}://{host}"), is_https: is_forwarded_https }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(k, v)| (header::HeaderName::from_static(k), v.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_https() {
        let sent = headers(&[("host", "a.example"), ("x-forwarded-proto", "https")]);
        assert_eq!(find(None, false, &sent, 8000), Site { url: "http://a.example".to_owned(), is_https: false });
        assert_eq!(find(None, true, &sent, 8000), Site { url: "https://a.example".to_owned(), is_https: true });
    }

    #[test]
    fn the_configured_address_wins_and_a_host_that_is_none_is_not_repeated() {
        let sent = headers(&[("host", "evil.example")]);
        assert_eq!(find(Some("https://a.example"), false, &sent, 8000).url, "https://a.example");
        assert_eq!(find(None, false, &headers(&[("host", "\"><script>")]), 8000).url, "http://localhost:8000");
        assert_eq!(find(None, false, &headers(&[("host", "a@b")]), 8000).url, "http://localhost:8000");
    }
}
