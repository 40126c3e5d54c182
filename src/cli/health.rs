//! `tenrec health`: for a container's health check, where there may be no other HTTP client.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// Where the server to ask is.
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// Address it listens on.
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    host: IpAddr,
    /// Port it listens on.
    #[arg(long, env = "PORT", default_value_t = 8000)]
    port: u16,
}

/// Asks `/readyz` and prints its answer.
///
/// # Errors
/// If nobody answers within 5 s, or requests should not go there.
pub(super) fn run(args: &HealthArgs) -> anyhow::Result<()> {
    let host = match args.host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::from((host, args.port));
    let answer = ask(address).with_context(|| format!("nobody answers on {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    println!("{}", body.trim());
    if !head.starts_with("HTTP/1.1 200") {
        bail!("not ready: {}", head.lines().next().unwrap_or_default());
    }
    Ok(())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer)?;
    Ok(answer)
}
