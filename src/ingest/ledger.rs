//! The ledger as it is read: hour by hour, and whether it balances.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::storage::pg::{LedgerOutcome, LedgerRow};

/// What became of the events of a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerSums {
    pub received: u64,
    pub stored: u64,
    pub duplicate: u64,
    /// By reason.
    pub rejected: BTreeMap<String, u64>,
    /// By reason; `bot` for those that are in the store, marked as such.
    pub quarantined: BTreeMap<String, u64>,
}

impl LedgerSums {
    /// All that were rejected.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// All that are kept apart.
    #[must_use]
    pub fn quarantined_total(&self) -> u64 {
        self.quarantined.values().sum()
    }

    /// How many more were received than ended anywhere; negative if more ended than came. 0 is how it must be.
    #[must_use]
    pub fn imbalance(&self) -> i64 {
        let ended = self.stored + self.duplicate + self.rejected_total() + self.quarantined_total();
        self.received.cast_signed().wrapping_sub(ended.cast_signed())
    }

    fn add(&mut self, row: &LedgerRow) {
        match row.outcome {
            LedgerOutcome::Received => self.received += row.events,
            LedgerOutcome::Stored => self.stored += row.events,
            LedgerOutcome::Duplicate => self.duplicate += row.events,
            LedgerOutcome::Rejected => *self.rejected.entry(row.reason.clone()).or_default() += row.events,
            LedgerOutcome::Quarantined => *self.quarantined.entry(row.reason.clone()).or_default() += row.events,
        }
    }
}

/// The sums of all the rows.
#[must_use]
pub fn total(rows: &[LedgerRow]) -> LedgerSums {
    let mut sums = LedgerSums::default();
    rows.iter().for_each(|row| sums.add(row));
    sums
}

/// The sums of every hour from `from` to before `until`, also of hours in which nothing came.
#[must_use]
pub fn by_hour(rows: &[LedgerRow], from: Timestamp, until: Timestamp) -> Vec<(Timestamp, LedgerSums)> {
    let hours = std::iter::successors(Some(hour_of(from)), |hour| hour.checked_add(SignedDuration::from_hours(1)).ok());
    let mut sums: BTreeMap<Timestamp, LedgerSums> =
        hours.take_while(|hour| *hour < until).map(|hour| (hour, LedgerSums::default())).collect();
    for row in rows {
        sums.entry(row.hour).or_default().add(row);
    }
    sums.into_iter().collect()
}

/// The hour of a moment, in UTC.
#[must_use]
pub fn hour_of(at: Timestamp) -> Timestamp {
    let seconds = at.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(3600)).unwrap_or(at)
}

/// The end of the hour of a moment: the hour under way is part of what is shown.
#[must_use]
pub fn end_of_hour(at: Timestamp) -> Timestamp {
    hour_of(at).checked_add(SignedDuration::from_hours(1)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn an_hour_begins_on_the_hour_on_both_sides_of_1970() {
        for (moment, begins) in [
            ("2026-11-21T12:59:59.999999Z", "2026-11-21T12:00:00Z"),
            ("2026-11-21T13:00:00Z", "2026-11-21T13:00:00Z"),
            ("1969-12-31T23:30:00Z", "1969-12-31T23:00:00Z"),
        ] {
            assert_eq!(hour_of(at(moment)), at(begins));
        }
    }

    #[test]
    fn hours_without_events_are_there_and_what_is_missing_shows() {
        let row =
            |hour, outcome, reason: &str, events| LedgerRow { hour: at(hour), outcome, reason: reason.into(), events };
        let rows = [
            row("2026-11-21T12:00:00Z", LedgerOutcome::Received, "", 9),
            row("2026-11-21T12:00:00Z", LedgerOutcome::Stored, "", 4),
            row("2026-11-21T12:00:00Z", LedgerOutcome::Rejected, "invalid_uuid", 2),
            row("2026-11-21T12:00:00Z", LedgerOutcome::Rejected, "event_too_large", 1),
            row("2026-11-21T14:00:00Z", LedgerOutcome::Received, "", 1),
            row("2026-11-21T14:00:00Z", LedgerOutcome::Quarantined, "bot", 1),
        ];
        let hours = by_hour(&rows, at("2026-11-21T11:30:00Z"), at("2026-11-21T14:10:00Z"));
        let found: Vec<_> = hours.iter().map(|(_, sums)| (sums.received, sums.imbalance())).collect();
        assert_eq!(found, [(0, 0), (9, 2), (0, 0), (1, 0)]);
        let all = total(&rows);
        assert_eq!((all.received, all.rejected_total(), all.quarantined_total(), all.imbalance()), (10, 3, 1, 2));
    }
}
