//! An answer as a page shows it: a table, from which script draws.

use crate::insights::{Period, TrendResult, TrendsAnswer};
use crate::model::query::{Bucket, Display, Interval, Math, TrendsQuery};
use crate::web::insights::form::letter;

/// A number, for eyes and for exactness.
#[derive(Debug, Clone)]
pub struct Figure {
    pub value: u64,
    /// `1.2k`.
    pub short: String,
    /// `1,234`.
    pub exact: String,
}

/// An answer as a table.
#[derive(Debug)]
pub struct Chart {
    /// What script draws: `line`, `bar`, `hbar`, or nothing for `table` and `number`.
    pub kind: &'static str,
    pub columns: Vec<Column>,
    pub lines: Vec<Line>,
    pub numbers: Vec<BigNumber>,
    /// What the number for the whole range counts.
    pub whole_label: &'static str,
}

/// A point of the time axis.
#[derive(Debug)]
pub struct Column {
    pub day: String,
    pub label: String,
    pub title: String,
    pub is_incomplete: bool,
}

/// A row of the table.
#[derive(Debug)]
pub struct Line {
    pub label: String,
    pub is_previous: bool,
    /// The colour it is drawn in, from 0: the same for a series and its period before.
    pub color: usize,
    pub cells: Vec<Figure>,
    pub whole: Figure,
    pub average: String,
}

/// A number on its own, and how it changed.
#[derive(Debug)]
pub struct BigNumber {
    pub label: String,
    pub now: Figure,
    pub before: Option<Figure>,
    /// With sign: `+12 %`; and whether it is more.
    pub change: Option<(String, bool)>,
}

impl Figure {
    /// Writes a number both ways.
    #[must_use]
    pub fn of(value: u64) -> Self {
        Self { value, short: short(value), exact: grouped(value) }
    }
}

/// `999`, `1.2k`, `34k`, `3.4M`: three digits say enough beside the exact value.
fn short(value: u64) -> String {
    let (unit, name) = match value {
        0..1_000 => return value.to_string(),
        1_000..1_000_000 => (1_000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        _ => (1_000_000_000, "B"),
    };
    let (whole, tenths) = (value / unit, value % unit * 10 / unit);
    if whole >= 100 || tenths == 0 { format!("{whole}{name}") } else { format!("{whole}.{tenths}{name}") }
}

/// `1,234,567`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Chart {
    /// Lays an answer out.
    #[must_use]
    pub fn new(query: &TrendsQuery, answer: &TrendsAnswer) -> Self {
        let kind = match query.display {
            Display::Line => "line",
            Display::Bar => "bar",
            Display::BarValue => "hbar",
            Display::Number => "number",
            Display::Table => "table",
        };
        let is_aggregated = query.display.is_aggregated();
        let last = answer.range.buckets.len().saturating_sub(1);
        let columns = answer.range.buckets.iter().enumerate().map(|(at, bucket)| Column {
            day: bucket.day.clone(),
            label: short_label(bucket, answer.range.interval),
            title: bucket.label.clone(),
            is_incomplete: at == last && answer.range.is_last_incomplete,
        });
        let counts_people = query.series.iter().all(|s| s.math == Math::UniqueUsers);
        let mut known = Vec::new();
        let lines = answer.results.iter().map(|result| Line {
            label: label(query, result),
            color: {
                let key = (result.series, &result.value);
                known.iter().position(|k| *k == key).unwrap_or_else(|| {
                    known.push(key);
                    known.len() - 1
                })
            },
            is_previous: result.period == Period::Previous,
            cells: result.data.iter().map(|v| Figure::of(*v)).collect(),
            whole: Figure::of(result.whole),
            average: average(&result.data),
        });
        Self {
            kind,
            lines: lines.collect(),
            numbers: if query.display == Display::Number { numbers(query, answer) } else { Vec::new() },
            columns: if is_aggregated { Vec::new() } else { columns.collect() },
            whole_label: if counts_people { "People" } else { "Total" },
        }
    }

    /// Whether there is a bar or line to draw.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        matches!(self.kind, "line" | "bar" | "hbar")
    }
}

fn label(query: &TrendsQuery, result: &TrendResult) -> String {
    let series = query.series[result.series].label();
    // With their letter two series of one event have two names.
    let label = match &result.value {
        Some(value) if query.series.len() > 1 => format!("{} · {series} · {}", letter(result.series), value.label()),
        Some(value) => value.label().to_owned(),
        None if query.series.len() > 1 => format!("{} · {series}", letter(result.series)),
        None => series.to_owned(),
    };
    if result.period == Period::Previous { format!("{label} (previous)") } else { label }
}

fn short_label(bucket: &Bucket, interval: Interval) -> String {
    match interval {
        Interval::Week | Interval::Month => bucket.label.clone(),
        _ => {
            // 21-Nov-2026 10:00
            let (date, time) = bucket.label.split_once(' ').unwrap_or((&bucket.label, ""));
            let mut parts = date.split('-');
            let (day, month) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            format!("{day} {month} {time}").trim_end().to_owned()
        }
    }
}

fn average(data: &[u64]) -> String {
    let Some(count) = u64::try_from(data.len()).ok().filter(|n| *n > 0) else { return String::new() };
    let tenths = data.iter().sum::<u64>() * 10 / count;
    if tenths % 10 == 0 || tenths >= 1_000 { grouped(tenths / 10) } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

fn numbers(query: &TrendsQuery, answer: &TrendsAnswer) -> Vec<BigNumber> {
    let current = answer.results.iter().filter(|r| r.period == Period::Current);
    current
        .map(|now| {
            let before = answer
                .results
                .iter()
                .find(|r| r.period == Period::Previous && r.series == now.series && r.value == now.value);
            BigNumber {
                label: label(query, now),
                now: Figure::of(now.whole),
                before: before.map(|b| Figure::of(b.whole)),
                change: before.filter(|b| b.whole > 0).map(|b| change(now.whole, b.whole)),
            }
        })
        .collect()
}

fn change(now: u64, before: u64) -> (String, bool) {
    let is_more = now >= before;
    let percent = (now.abs_diff(before) as f64 / before as f64 * 100.0).round();
    let sign = if is_more { "+" } else { "−" };
    (format!("{sign}{percent} %"), is_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact() {
        let shorts: Vec<_> = [0, 999, 1_000, 1_234, 34_000, 345_678, 1_950_000, 2_000_000_000].map(short).into();
        assert_eq!(shorts, ["0", "999", "1k", "1.2k", "34k", "345k", "1.9M", "2B"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(
            (average(&[1, 2]), average(&[2, 2]), average(&[1000, 1001])),
            ("1.5".into(), "2".into(), "1,000".into())
        );
        assert_eq!(change(150, 100), ("+50 %".to_owned(), true));
        assert_eq!(change(50, 100), ("−50 %".to_owned(), false));
    }
}
