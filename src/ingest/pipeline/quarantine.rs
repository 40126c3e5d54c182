//! Events that no store takes: kept on disk with the reason, a line of JSON each, a file a day.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::ingest::AcceptedEvent;

/// Most bytes kept. Whoever has a project's public key can fill it; what comes later is only counted.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct Quarantine {
    dir: PathBuf,
    /// Bytes in the directory, once looked up.
    used: Option<u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    reason: &'a str,
    detail: &'a str,
    quarantined_at: Timestamp,
    event: &'a AcceptedEvent,
}

impl Quarantine {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, used: None }
    }

    /// Keeps the event, durably. Gives `false` if the quarantine is full.
    pub fn keep(&mut self, event: &AcceptedEvent, reason: &str, detail: &str, now: Timestamp) -> io::Result<bool> {
        let used = match self.used {
            Some(used) => used,
            None => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
                size(&self.dir)?
            }
        };
        let mut line = serde_json::to_vec(&Line { reason, detail, quarantined_at: now, event })?;
        line.push(b'\n');
        let fits = used + line.len() as u64 <= MAX_BYTES;
        if fits {
            let day = now.to_zoned(TimeZone::UTC).date();
            let path = self.dir.join(format!("{day}.jsonl"));
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            file.write_all(&line)?;
            file.sync_all()?;
        }
        self.used = Some(used + if fits { line.len() as u64 } else { 0 });
        Ok(fits)
    }
}

/// Bytes of the files in the directory.
pub(super) fn size(dir: &Path) -> io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}
