//! Looking again at batches that are stored already.
//!
//! A machine that lost power, or a store that found damage, may have lost what it had confirmed. Segments are kept for a while
//! behind the cursor for that ([`Keep`]), and the cursor file knows how they were cut into batches. So those batches can be
//! handed out once more, with the same events under the same ids: the look-up of the pipeline leaves out what is still there.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use super::cursor::{Cursor, Record, recent};
use super::disk::Disk;
use super::shared::Segment;

/// The file that says which memory the stored batches were confirmed from.
const NAME: &str = "confirmed";

/// How long stored events are kept, and why they would be looked at again.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// For how long after both stores had them. 0 keeps nothing.
    pub time: Duration,
    /// Most bytes of them. They are also removed first when the spool or the disk becomes full.
    pub max_bytes: u64,
    /// What the stores say of damage they found. If that changes, or the machine was started anew, the kept batches are
    /// looked at again when the spool is opened. What they find later is told to
    /// [`SpoolReader::look_again`](super::SpoolReader::look_again).
    pub damage: String,
}

/// The batches to hand out again.
#[derive(Debug)]
pub(super) struct Again {
    /// Every frame up to this number is left as it is.
    pub from: u64,
    /// Numbers of the last frames of batches, the nearest first.
    ends: VecDeque<u64>,
    mark: String,
}

impl Again {
    /// The end of the batch after this number; `None` behind the last.
    pub fn end_after(&mut self, stored: u64) -> Option<u64> {
        while self.ends.front().is_some_and(|end| *end <= stored) {
            self.ends.pop_front();
        }
        self.ends.front().copied()
    }

    /// Notes that all has been looked at: not again before the next loss of memory.
    ///
    /// # Errors
    /// If the disk fails; it is then looked at once more at the next start.
    pub fn finish(&self, disk: &Disk) -> io::Result<()> {
        disk.replace(NAME, self.mark.as_bytes()).map(drop)
    }
}

/// Whether there is something to look at again, and what. If not, that is noted.
pub(super) fn plan(disk: &Disk, keep: &Keep, records: &[Record], segments: &[Segment]) -> io::Result<Option<Again>> {
    let mark = mark(&keep.damage);
    let confirmed = disk.read(NAME)?;
    if confirmed.as_deref() == Some(mark.as_bytes()) {
        return Ok(None);
    }
    if confirmed.is_some()
        && let Some((from, ends)) = batches(keep, records, segments.first())
    {
        let again = Again { from, ends, mark };
        tracing::warn!(
            batches = again.ends.len(),
            "The machine or a store was started anew: looking again at what was stored last"
        );
        return Ok(Some(again));
    }
    disk.replace(NAME, mark.as_bytes())?;
    Ok(None)
}

/// The same for a spool in use, when a store has found this damage.
pub(super) fn plan_for(
    damage: &str,
    disk: &Disk,
    keep: &Keep,
    records: &[Record],
    oldest: Option<&Segment>,
) -> io::Result<Option<Again>> {
    let mark = mark(damage);
    let Some((from, ends)) = batches(keep, records, oldest) else {
        disk.replace(NAME, mark.as_bytes())?;
        tracing::warn!("Nothing is kept of what was stored last: what a store lost of it cannot be stored again");
        return Ok(None);
    };
    tracing::warn!(batches = ends.len(), "A store found damage: looking again at what was stored last");
    Ok(Some(Again { from, ends, mark }))
}

fn mark(damage: &str) -> String {
    format!("{}\n{damage}", boot_id())
}

/// Where the first whole kept batch begins, and where each ends.
fn batches(keep: &Keep, records: &[Record], oldest: Option<&Segment>) -> Option<(u64, VecDeque<u64>)> {
    let last = records.last()?;
    let kept = i64::try_from(keep.time.as_secs()).unwrap_or(i64::MAX);
    let since = last.at.saturating_sub(kept);
    let oldest = oldest?.first_seq;
    let mut ends: BTreeSet<u64> = BTreeSet::new();
    for Record { cursor: Cursor { stored, pending }, .. } in recent(records, since) {
        ends.extend([*stored, *stored.max(pending)]);
    }
    let mut ends: VecDeque<u64> =
        ends.into_iter().filter(|end| *end <= last.cursor.stored && end.saturating_add(1) >= oldest).collect();
    let from = ends.pop_front()?;
    (!ends.is_empty()).then_some((from, ends))
}

/// Another one each time the kernel starts; empty where the system has none.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
