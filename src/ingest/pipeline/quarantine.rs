//! Events that no store takes: kept on disk with the reason, a line of JSON each, a file a day.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::ingest::AcceptedEvent;

/// Most bytes kept. Whoever has a project's public key can fill it; what comes later is only counted.
const MAX_BYTES: u64 = 256 << 20;

/// Held while a file is added to, or written anew without some of its lines.
static WRITING: Mutex<()> = Mutex::new(());

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

/// As much of a line as says whose it is.
#[derive(Deserialize)]
struct Kept {
    event: AcceptedEvent,
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
            let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
            let day = now.to_zoned(TimeZone::UTC).date();
            let path = self.dir.join(format!("{day}.jsonl"));
            let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
            append(&mut file, |file| file.write_all(&line))?;
            File::open(&self.dir)?.sync_all()?;
        }
        self.used = Some(used + if fits { line.len() as u64 } else { 0 });
        Ok(fits)
    }
}

/// Writes every file in which a line is `unwanted` anew without such lines.
pub(super) fn leave_out(dir: &Path, mut unwanted: impl FnMut(&AcceptedEvent) -> bool) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut is_unwanted = |line: &str| serde_json::from_str::<Kept>(line).is_ok_and(|kept| unwanted(&kept.event));
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_unwanted = false;
        for line in BufReader::new(File::open(&path)?).lines() {
            has_unwanted |= is_unwanted(&line?);
        }
        if !has_unwanted {
            continue;
        }
        let new = path.with_extension("new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut writer = BufWriter::new(file);
        for line in BufReader::new(File::open(&path)?).lines() {
            let line = line?;
            if !is_unwanted(&line) {
                writeln!(writer, "{line}")?;
            }
        }
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Adds what `write` writes, durably and on a line of its own. If that fails, the file ends where it ended before, so that no
/// half of a line spoils the next one.
fn append(file: &mut File, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let end = file.metadata()?.len();
    let mut last = [b'\n'];
    if end > 0 {
        file.read_exact_at(&mut last, end - 1)?;
    }
    let written = (|| {
        // A process that is killed cannot cut its half off.
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        write(file)?;
        file.sync_all()
    })();
    if written.is_err()
        && let Err(error) = file.set_len(end)
    {
        tracing::warn!(error = %error, "A quarantine file has half a line at its end");
    }
    written
}

/// Bytes of the files in the directory.
pub(super) fn size(dir: &Path) -> io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_does_not_spoil_the_next_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("2026-11-21.jsonl");
        let open = || OpenOptions::new().read(true).append(true).create(true).open(&path).expect("a file");
        let add = |line: &str| append(&mut open(), |file| file.write_all(line.as_bytes()));
        add("one\n").expect("written");
        let full = append(&mut open(), |file| {
            file.write_all(b"tw")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(full.is_err());
        add("two\n").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "one\ntwo\n");

        // As a process leaves it that was killed while it wrote.
        open().write_all(b"thr").expect("written");
        add("four\n").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "one\ntwo\nthr\nfour\n");
    }
}
