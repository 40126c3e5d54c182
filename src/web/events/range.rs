//! The stretch of time that an explorer's URL names.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// What can be chosen with one click: the word in the URL, the label, the length.
pub const PRESETS: &[(&str, &str, SignedDuration)] = &[
    ("-1h", "Last hour", SignedDuration::from_hours(1)),
    ("-24h", "Last 24 hours", SignedDuration::from_hours(24)),
    ("-7d", "Last 7 days", SignedDuration::from_hours(7 * 24)),
    ("-30d", "Last 30 days", SignedDuration::from_hours(30 * 24)),
];

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    #[default]
    All,
    /// One of [`PRESETS`], by its place.
    Last(usize),
    /// Whole days in the project's time zone, both included.
    Days { from: Option<Date>, to: Option<Date> },
}

impl Range {
    /// Reads `date_from` and `date_to`; what makes no sense counts as not given.
    #[must_use]
    pub fn parse(from: &str, to: &str) -> Self {
        if let Some(at) = PRESETS.iter().position(|(word, ..)| *word == from) {
            return Self::Last(at);
        }
        match (from.parse().ok(), to.parse().ok()) {
            (None, None) => Self::All,
            (from, to) => Self::Days { from, to },
        }
    }

    /// The first moment of the stretch, and the first after it.
    #[must_use]
    pub fn bounds(self, now: Timestamp, zone: &TimeZone) -> (Option<Timestamp>, Option<Timestamp>) {
        match self {
            Self::All => (None, None),
            Self::Last(at) => (now.checked_sub(PRESETS[at].2).ok(), None),
            Self::Days { from, to } => {
                let start = |day: Date| day.to_zoned(zone.clone()).ok().map(|midnight| midnight.timestamp());
                (from.and_then(start), to.and_then(|day| day.checked_add(1.day()).ok()).and_then(start))
            }
        }
    }

    /// How the page names the stretch.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::All | Self::Days { from: None, to: None } => "All time".to_owned(),
            Self::Last(at) => PRESETS[at].1.to_owned(),
            Self::Days { from: Some(from), to: Some(to) } if from == to => from.to_string(),
            Self::Days { from: Some(from), to: Some(to) } => format!("{from} to {to}"),
            Self::Days { from: Some(from), to: None } => format!("Since {from}"),
            Self::Days { from: None, to: Some(to) } => format!("Until {to}"),
        }
    }

    /// The parameters that [`Range::parse`] reads; nothing for all time.
    #[must_use]
    pub fn params(self) -> Vec<(&'static str, String)> {
        match self {
            Self::All => Vec::new(),
            Self::Last(at) => vec![("date_from", PRESETS[at].0.to_owned())],
            Self::Days { from, to } => {
                let day = |name, day: Option<Date>| day.map(|day| (name, day.to_string()));
                [day("date_from", from), day("date_to", to)].into_iter().flatten().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_of_the_projects_zone() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let now = "2026-11-21T12:00:00Z".parse().expect("a time");
        let (from, until) = Range::parse("2026-10-25", "2026-10-25").bounds(now, &zone);
        // The day on which summer time ends has 25 hours.
        assert_eq!(from.map(|t| t.to_string()).as_deref(), Some("2026-10-24T22:00:00Z"));
        assert_eq!(until.map(|t| t.to_string()).as_deref(), Some("2026-10-25T23:00:00Z"));
    }

    #[test]
    fn a_range_survives_its_url() {
        for (from, to) in [("", ""), ("-7d", ""), ("2026-01-02", ""), ("", "2026-01-02"), ("2026-01-02", "2026-02-03")]
        {
            let range = Range::parse(from, to);
            let params = range.params();
            let get = |name| params.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str());
            assert_eq!(Range::parse(get("date_from"), get("date_to")), range);
        }
        assert_eq!(Range::parse("'; DROP", "-1h"), Range::All);
    }
}
