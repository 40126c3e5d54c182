//! Damage that ClickHouse finds while we run.
//!
//! A part that it cannot read is put aside, and what was in it is not stored any more; the spool may still have it. So after a
//! try that failed, and else once a minute while there is work, ClickHouse is asked which parts are aside. If there are more
//! than before, the batch under way is left before anything is done of it, and
//! [`SpoolReader::look_again`](crate::ingest::spool::SpoolReader::look_again) hands out what it keeps, as at a start.
//!
//! That comes before anything new, and new events wait in the spool meanwhile: what people become must be told in the order in
//! which it happened, and an event that a client sends again is a duplicate only if its first one is back.
//!
//! Between the end of that and the next time there is at least a minute for new events: a disk that goes on breaking what is
//! written does not keep them waiting for ever.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::step::Failure;
use super::steps::Work;

const EVERY: Duration = Duration::from_secs(60);

/// What is known of parts put aside.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Their names; `None` where nothing is kept that could be looked at again.
    known: Option<BTreeSet<String>>,
    /// A store failed: it may have been started anew, or have met what it cannot read.
    is_suspected: bool,
    asked_at: Option<Instant>,
    looked_again_at: Option<Instant>,
}

impl Damage {
    /// Knows what was said at the start.
    pub fn new(said: Option<&str>) -> Self {
        let known = said.map(|said| said.split_whitespace().map(str::to_owned).collect());
        Self { known, asked_at: Some(Instant::now()), ..Self::default() }
    }

    /// Lets the next batch ask.
    pub fn suspect(&mut self) {
        self.is_suspected = true;
    }

    /// Notes that a batch was looked at again.
    pub fn looked_again(&mut self) {
        self.looked_again_at = Some(Instant::now());
    }

    fn is_due(&self) -> bool {
        let is_over = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() >= EVERY);
        self.known.is_some() && is_over(self.looked_again_at) && (self.is_suspected || is_over(self.asked_at))
    }

    /// Notes which parts are aside; says them all, if some are new.
    fn note(&mut self, parts: &[String]) -> Option<String> {
        let known = self.known.as_mut()?;
        let is_more = parts.iter().any(|part| !known.contains(part));
        *known = parts.iter().cloned().collect();
        is_more.then(|| parts.join(" "))
    }
}

impl Work {
    /// Whether it is time to ask, and the batch can still be left.
    pub(super) fn asks_for_damage(&self) -> bool {
        !self.is_begun && !self.is_repeated && self.damage.is_due()
    }

    /// Fails if ClickHouse has found more damage.
    pub(super) async fn ask_for_damage(&mut self) -> Result<(), Failure> {
        self.damage.is_suspected = false;
        self.damage.asked_at = Some(Instant::now());
        let parts = match self.clickhouse.list_broken_parts().await {
            Ok(parts) => parts,
            Err(error) => {
                tracing::warn!(%error, "ClickHouse does not say whether it found damage");
                return Ok(());
            }
        };
        let Some(damage) = self.damage.note(&parts) else { return Ok(()) };
        tracing::warn!(parts = parts.len(), "ClickHouse put damaged parts aside; they are in its detached directory");
        // As at a start: what is remembered may be of what was lost.
        self.sessions.forget();
        self.recent_persons.forget();
        Err(Failure::LookAgain { damage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_once_a_minute_and_at_once_after_a_failure() {
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        let mut damage = Damage::new(Some(""));
        assert!(!damage.is_due());
        damage.asked_at = ago(60);
        assert!(damage.is_due());
        damage.asked_at = ago(0);
        damage.suspect();
        assert!(damage.is_due());

        damage.looked_again();
        assert!(!damage.is_due(), "new events come first now");
        damage.looked_again_at = ago(59);
        assert!(!damage.is_due());
        damage.looked_again_at = ago(60);
        assert!(damage.is_due());

        let mut keeps_nothing = Damage::new(None);
        keeps_nothing.suspect();
        assert!(!keeps_nothing.is_due());
    }

    #[test]
    fn only_what_is_new_counts() {
        let of = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let mut damage = Damage::new(Some("events/a events/b"));
        assert_eq!(damage.note(&of(&["events/a", "events/b"])), None);
        assert_eq!(damage.note(&of(&["events/b"])), None, "somebody cleared up");
        assert_eq!(damage.note(&of(&["events/b", "events/c"])).as_deref(), Some("events/b events/c"));
        assert_eq!(damage.note(&of(&["events/b", "events/c"])), None);
    }
}
