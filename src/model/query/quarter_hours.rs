//! Ranges that are made of whole quarters of an hour, for which events are counted already.

use jiff::Timestamp;

use super::ResolvedRange;

const SECONDS: i64 = 15 * 60;

/// Seconds since 1970 between which the store's quarters of an hour are what they say: it counts them in 32 bits. From the
/// second year on, so that a first week or month begins in there too.
const KNOWN: std::ops::RangeInclusive<i64> = 365 * 86_400..=u32::MAX as i64;

impl ResolvedRange {
    /// Whether the range and its buckets begin and end with quarters of an hour: then a moment lies in the bucket that its
    /// quarter of an hour begins in. Not where the range begins or ends with a moment of its own, where buckets are minutes,
    /// or in zones whose clocks once went by odd minutes.
    #[must_use]
    pub fn is_of_quarter_hours(&self) -> bool {
        let mut edges = [self.from, self.to].into_iter().chain(self.buckets.iter().map(|bucket| bucket.start));
        KNOWN.contains(&self.from.as_second()) && KNOWN.contains(&self.to.as_second()) && edges.all(begins_one)
    }
}

fn begins_one(at: Timestamp) -> bool {
    at.as_second().rem_euclid(SECONDS) == 0 && at.subsec_nanosecond() == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::query::{DateRange, Interval, WeekStart};

    fn resolve(from: &str, to: &str, interval: Interval, zone: &str) -> ResolvedRange {
        let bound = |s: &str| (!s.is_empty()).then(|| s.parse().expect("a date"));
        let range = DateRange { from: bound(from), to: bound(to), is_explicit: true };
        let now = "2026-11-21T12:34:56.789Z".parse().expect("a time");
        range
            .resolve(interval, &zone.parse().expect("a zone"), now, WeekStart::Monday, None)
            .expect("a range with a few buckets")
    }

    #[test]
    fn days_of_all_todays_zones_are_made_of_them() {
        for zone in
            ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns"]
        {
            for interval in [Interval::Hour, Interval::Day, Interval::Week, Interval::Month] {
                assert!(resolve("-90d", "", interval, zone).is_of_quarter_hours(), "{zone} {interval:?}");
            }
        }
    }

    #[test]
    fn what_begins_or_ends_in_between_is_not() {
        let is = |from: &str, to: &str, interval, zone: &str| resolve(from, to, interval, zone).is_of_quarter_hours();
        assert!(is("2026-10-01 10:15:00", "2026-10-01 23:59:59", Interval::Hour, "UTC"));
        assert!(!is("2026-10-01 10:16:00", "2026-10-02", Interval::Hour, "UTC"));
        assert!(!is("2026-10-01", "2026-10-02T10:15:00Z", Interval::Hour, "UTC"), "the last moment is in it");
        assert!(!is("2026-10-01", "2026-10-02", Interval::Minute, "UTC"));
        assert!(!is("1971-11-01", "1971-11-02", Interval::Day, "Africa/Monrovia"), "44 minutes and 30 seconds behind");
        assert!(!is("1970-01-01", "1970-01-02", Interval::Day, "UTC"));
        assert!(!is("2106-02-01", "2106-02-28", Interval::Day, "UTC"));
    }

    const ZONES: [&str; 7] = [
        "UTC",
        "Europe/Berlin",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Africa/Monrovia",
        "Pacific/Apia",
    ];

    proptest! {
        #[test]
        fn a_moment_lies_where_its_quarter_of_an_hour_begins(
            zone in prop::sample::select(&ZONES[..]),
            interval in prop::sample::select(&[Interval::Hour, Interval::Day, Interval::Week, Interval::Month][..]),
            year in 1971_i32..2100,
            day in 1_u32..28,
            month in 1_u32..12,
            micros in 0_i64..25 * 86_400_000_000,
        ) {
            let range = resolve(
                &format!("{year}-{month:02}-{day:02}"),
                &format!("{year}-{:02}-{day:02}", month + 1),
                interval,
                zone,
            );
            prop_assume!(range.is_of_quarter_hours());
            let at = Timestamp::from_microsecond(range.from.as_microsecond() + micros).expect("a time");
            let quarter = Timestamp::from_second(at.as_second().div_euclid(SECONDS) * SECONDS).expect("a time");
            let place = |at: Timestamp| {
                let is_in = at >= range.from && at < range.to;
                (is_in, range.buckets.iter().position(|bucket| bucket.start <= at && at < bucket.end))
            };
            prop_assert_eq!(place(at), place(quarter), "{} {}", at, quarter);
        }
    }
}
