//! Connections by address, so that one cannot take all places.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::ClientIp;
use super::client_ip::is_trusted;

/// Counts the open connections of each address; of IPv6, of each /64.
#[derive(Debug)]
pub(super) struct Peers {
    most: usize,
    trusted_proxies: Vec<IpNet>,
    open: Open,
}

type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// One open connection.
#[derive(Debug)]
pub(super) struct Counted(Option<(IpAddr, Open)>);

impl Peers {
    pub fn new(most: usize, trusted_proxies: Vec<IpNet>) -> Self {
        Self { most, trusted_proxies, open: Arc::default() }
    }

    /// Counts one more until what it gives is dropped; `None` if there are enough.
    pub fn enter(&self, ip: IpAddr) -> Option<Counted> {
        let ip = ip.to_canonical();
        if is_trusted(ip, &self.trusted_proxies) {
            return Some(Counted(None));
        }
        let key = ClientIp(ip).limit_key();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Counted(Some((key, Arc::clone(&self.open)))))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((key, open)) = &self.0 else { return };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                open.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(s: &str) -> IpAddr {
        s.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back_and_others_and_proxies_are_not_concerned() {
        let peers = Peers::new(2, vec!["10.0.0.0/8".parse().expect("a network")]);
        let one = peers.enter(ip("192.0.2.1"));
        let two = peers.enter(ip("::ffff:192.0.2.1"));
        assert!(one.is_some() && two.is_some());
        assert!(peers.enter(ip("192.0.2.1")).is_none());
        assert!(peers.enter(ip("192.0.2.2")).is_some());
        assert!((0..5).map(|_| peers.enter(ip("10.1.1.1"))).collect::<Vec<_>>().iter().all(Option::is_some));
        drop(one);
        let again = peers.enter(ip("192.0.2.1"));
        assert!(again.is_some());
        drop((two, again));
        assert!(peers.open.lock().expect("nobody panicked").is_empty(), "nothing is kept of who has left");
    }
}
