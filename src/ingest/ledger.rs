//! The ledger as it is read: hour by hour, and whether it balances.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
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

    fn merge(&mut self, other: Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        for (sums, others) in [(&mut self.rejected, other.rejected), (&mut self.quarantined, other.quarantined)] {
            for (reason, events) in others {
                *sums.entry(reason).or_default() += events;
            }
        }
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

/// The sums of days, from those of their hours; each day by its first moment in the zone. Where days begin between two hours,
/// an hour counts for the day that has more of it, the later one if both have half.
#[must_use]
pub fn by_day(hours: Vec<(Timestamp, LedgerSums)>, zone: &TimeZone) -> Vec<(Timestamp, LedgerSums)> {
    let mut days: BTreeMap<Timestamp, LedgerSums> = BTreeMap::new();
    for (hour, sums) in hours {
        let middle = hour.checked_add(SignedDuration::from_mins(30)).unwrap_or(hour);
        let day = middle.to_zoned(zone.clone()).start_of_day().map_or(hour, |day| day.timestamp());
        days.entry(day).or_default().merge(sums);
    }
    days.into_iter().collect()
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

    #[test]
    fn days_are_those_of_the_zone_and_lose_nothing() {
        let row = |hour, events| LedgerRow { hour, outcome: LedgerOutcome::Rejected, reason: "other".into(), events };
        let (from, until) = (at("2026-10-23T22:00:00Z"), at("2026-10-26T23:00:00Z"));
        let hours = by_hour(&[], from, until);
        let rows: Vec<_> = hours.iter().map(|(hour, _)| row(*hour, 1)).collect();
        let hours = by_hour(&rows, from, until);
        let days = |zone: &str| {
            let zone = TimeZone::get(zone).expect("a zone");
            let days = by_day(hours.clone(), &zone);
            days.into_iter().map(|(day, sums)| (day.to_string(), sums.rejected_total())).collect::<Vec<_>>()
        };
        // The clocks go back on the second day.
        assert_eq!(
            days("Europe/Berlin"),
            [
                ("2026-10-23T22:00:00Z".to_owned(), 24),
                ("2026-10-24T22:00:00Z".to_owned(), 25),
                ("2026-10-25T23:00:00Z".to_owned(), 24),
            ]
        );
        let in_india = days("Asia/Kolkata");
        assert_eq!(in_india[1], ("2026-10-24T18:30:00Z".to_owned(), 24));
        assert_eq!(in_india.iter().map(|(_, events)| events).sum::<u64>(), rows.len() as u64);
        assert_eq!(days("Asia/Kathmandu")[1], ("2026-10-24T18:15:00Z".to_owned(), 24));
    }
}
