//! Whose request it is, by address.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use super::AppState;

/// The address of the client: the socket's peer, or, if that is a trusted proxy, the right-most address in
/// `X-Forwarded-For` that is not one. What stands further left was written by the client, who may write anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

impl ClientIp {
    /// What limits count by: the address itself, or for IPv6 its /64, of which one client has all.
    #[must_use]
    pub fn limit_key(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        }
    }
}

impl FromRequestParts<AppState> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(find(peer(parts), &parts.headers, &state.config.server.trusted_proxies)))
    }
}

/// The socket's peer. Without a socket (a router called in-process) nobody is trusted.
pub(super) fn peer(parts: &Parts) -> IpAddr {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip().to_canonical())
}

/// Whether an address is one of the trusted proxies.
pub(super) fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip))
}

pub(crate) fn find(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("").split(','))
        .map(str::trim)
        .collect();
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        let Some(ip) = address(hop) else { return nearest };
        if !is_trusted(ip, trusted) {
            return ip;
        }
        nearest = ip;
    }
    if hops.is_empty() {
        let real = headers.get("x-real-ip").and_then(|value| address(value.to_str().ok()?));
        return real.unwrap_or(nearest);
    }
    nearest
}

/// An address as proxies write it: bare, with a port, in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let ip = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(s: &str) -> IpAddr {
        s.parse().expect("an address")
    }

    fn found(peer: &str, forwarded: &[&str], trusted: &str) -> IpAddr {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().expect("a header value"));
        }
        let trusted: Vec<IpNet> = trusted.split_whitespace().map(|n| n.parse().expect("a network")).collect();
        find(ip(peer), &headers, &trusted)
    }

    #[test]
    fn nobody_is_believed_without_trusted_proxies() {
        assert_eq!(found("203.0.113.9", &["10.9.9.9"], ""), ip("203.0.113.9"));
        assert_eq!(found("203.0.113.9", &["10.9.9.9"], "10.0.0.0/8"), ip("203.0.113.9"));
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        let proxies = "10.0.0.0/8 fd00::/8";
        assert_eq!(found("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"], proxies), ip("198.51.100.7"));
        assert_eq!(found("10.0.0.1", &["1.1.1.1", "198.51.100.7"], proxies), ip("198.51.100.7"));
        assert_eq!(found("10.0.0.1", &["198.51.100.7:4711"], proxies), ip("198.51.100.7"));
        assert_eq!(found("10.0.0.1", &["[2001:db8::1]:80"], proxies), ip("2001:db8::1"));
        assert_eq!(found("10.0.0.1", &["::ffff:198.51.100.7"], proxies), ip("198.51.100.7"));
    }

    #[test]
    fn nonsense_ends_the_walk_at_the_last_address_that_is_known() {
        assert_eq!(found("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.0/8"), ip("10.0.0.2"));
        assert_eq!(found("10.0.0.1", &[], "10.0.0.0/8"), ip("10.0.0.1"));
    }

    #[test]
    fn limits_take_the_64_bit_network_of_an_ipv6_address() {
        let one = ClientIp(ip("2001:db8:1:2:3:4:5:6")).limit_key();
        assert_eq!(one, ClientIp(ip("2001:db8:1:2::1")).limit_key());
        assert_ne!(one, ClientIp(ip("2001:db8:1:3::1")).limit_key());
    }
}
