//! The thread that looks after the disk once a second: is there room, what need not be kept any longer.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::ballast::Ballast;
use super::disk::DirFile;
use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER};
use super::shared::Shared;
use super::writer::Append;

const EVERY: Duration = Duration::from_secs(1);
const WINDOW: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Keeper {
    shared: Weak<Shared>,
    /// To the writer.
    queue: mpsc::WeakSender<Append>,
    ballast: Ballast,
}

impl Keeper {
    /// Looks at the disk before the first event is taken.
    pub fn new(shared: &Arc<Shared>, queue: mpsc::WeakSender<Append>) -> Self {
        let ballast = Ballast::find(&shared.disk, &shared.room_config).unwrap_or_else(|error| {
            tracing::warn!(error = %error, "The ballast cannot be looked at");
            Ballast::default()
        });
        let mut keeper = Self { shared: Arc::downgrade(shared), queue, ballast };
        keeper.look(shared);
        keeper
    }

    /// Looks until the spool is closed or gone. Unparking the thread ends its pause.
    pub fn run(mut self, stored: u64, next_seq: u64) {
        if let Some(shared) = self.shared.upgrade()
            && let Err(error) = count_waiting(&shared, stored, next_seq)
        {
            tracing::warn!(error = %error, "The events waiting in the spool cannot be counted");
        }
        while let Some(shared) = self.shared.upgrade() {
            if *shared.close.borrow() {
                return;
            }
            self.look(&shared);
            drop(shared);
            std::thread::park_timeout(EVERY);
        }
    }

    /// Removes what is kept no longer, judges the room, and makes or releases the ballast.
    pub fn look(&mut self, shared: &Shared) {
        shared.sweep();
        let config = &shared.room_config;
        let Ok(mut space) = shared.disk.space() else { return };
        let missing = self.ballast.missing(config);
        // What is only kept makes way before an event is refused.
        while !config.allows(space, missing) && shared.remove_oldest(|_| true) {
            match shared.disk.space() {
                Ok(now) => space = now,
                Err(_) => return,
            }
        }
        self.ballast.adjust(&shared.disk, config, space);
        // Opened again only with a little more room than was missing, or each second would say the contrary.
        let slack = if shared.room.is_open() { 0 } else { config.min_free_bytes / 16 };
        shared.room.set(config.allows(space, missing.saturating_add(slack)), space.free);
        if !shared.room.is_open() {
            self.nudge();
        }
    }

    /// Lets the writer end its segment, which alone may fill the disk: nothing else comes to it while the room is closed, and
    /// only the space of an ended segment comes back once it is stored.
    fn nudge(&self) {
        let (done, _) = oneshot::channel();
        if let Some(queue) = self.queue.upgrade() {
            // A full queue wakes it as well.
            queue.try_send(Append::empty(false, done)).ok();
        }
    }
}

/// Adds the events of frames that were there when the spool was opened, by their headers.
fn count_waiting(shared: &Shared, stored: u64, next_seq: u64) -> io::Result<()> {
    let found: Vec<_> =
        shared.segments().iter().filter(|s| s.last_seq > stored && s.first_seq < next_seq).cloned().collect();
    for segment in found {
        let file = match shared.disk.open(&segment.name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let events = count(&*file, segment.len, stored, next_seq)?;
        shared.waiting_events.fetch_add(events.cast_signed(), Ordering::Relaxed);
    }
    Ok(())
}

/// Events in a segment up to the first damage: a figure to look at, no more.
fn count(file: &dyn DirFile, len: u64, stored: u64, next_seq: u64) -> io::Result<u64> {
    let (mut events, mut at) = (0, SEGMENT_HEADER as u64);
    let mut window = vec![0; WINDOW];
    while at < len {
        let read = file.read_at(&mut window, at)?;
        let mut pos = 0;
        while let Some(header) = FrameHeader::read(&window[pos..read]) {
            if header.seq > stored && header.seq < next_seq {
                events += u64::from(header.events);
            }
            pos += header.frame_len();
            if pos + FRAME_HEADER > read {
                break;
            }
        }
        if pos == 0 {
            break;
        }
        at += pos as u64;
    }
    Ok(events)
}
