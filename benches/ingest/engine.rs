//! The embedded engine of a running Tenrec, asked directly over its socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long background merges may take before waiting is given up.
const MERGES_WITHIN: Duration = Duration::from_secs(300);

#[derive(Debug, Clone)]
pub struct Engine {
    pub socket: PathBuf,
}

impl Engine {
    /// Runs a statement; gives what it answered.
    pub fn run(&self, sql: &str) -> Result<Vec<u8>> {
        self.send(sql, &[], &[])
    }

    /// Runs a statement with settings and, for an insert, its rows.
    pub fn send(&self, sql: &str, settings: &[(&str, &str)], rows: &[u8]) -> Result<Vec<u8>> {
        let mut pairs = vec![("database", "tenrec"), ("query", sql)];
        pairs.extend_from_slice(settings);
        let query = serde_urlencoded::to_string(&pairs)?;
        let mut stream = UnixStream::connect(&self.socket).context("could not reach the engine")?;
        // HTTP/1.0: the answer ends where the connection does.
        let length = rows.len();
        write!(stream, "POST /?{query} HTTP/1.0\r\nHost: engine\r\nContent-Length: {length}\r\n\r\n")?;
        stream.write_all(rows)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head_bytes =
            answer.windows(4).position(|w| w == b"\r\n\r\n").context("the engine's answer has no head")? + 4;
        let body = answer.split_off(head_bytes);
        let head = String::from_utf8_lossy(&answer);
        if !head.starts_with("HTTP/1.0 200") && !head.starts_with("HTTP/1.1 200") {
            bail!("{sql:.300}\n{}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// Runs a statement; gives its answer as text, one line a row.
    pub fn text(&self, sql: &str) -> Result<String> {
        Ok(String::from_utf8(self.run(sql)?)?.trim_end().to_owned())
    }

    /// Runs a statement that gives one number.
    pub fn number(&self, sql: &str) -> Result<f64> {
        let text = self.text(sql)?;
        text.parse().with_context(|| format!("{sql} gave {text:?}"))
    }

    /// Waits until it has nothing to merge: three looks in a row, a second apart.
    pub fn await_merges(&self) -> Result<()> {
        let started = Instant::now();
        let mut quiet = 0;
        while quiet < 3 {
            std::thread::sleep(Duration::from_secs(1));
            let merges = self.number("SELECT count() FROM system.merges")?;
            quiet = if merges == 0.0 { quiet + 1 } else { 0 };
            ensure!(started.elapsed() < MERGES_WITHIN, "merges do not end");
        }
        Ok(())
    }

    /// Bytes of a table's active parts: all of their files, and the columns' data alone.
    pub fn bytes(&self, table: &str) -> Result<(f64, f64)> {
        let parts = format!("FROM system.parts WHERE database = 'tenrec' AND table = '{table}' AND active");
        Ok((
            self.number(&format!("SELECT sum(bytes_on_disk) {parts}"))?,
            self.number(&format!("SELECT sum(data_compressed_bytes) {parts}"))?,
        ))
    }
}
