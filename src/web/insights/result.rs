//! The answer beside the form: a chart, nothing to show, or what went wrong.

use super::chart::{Chart, grouped};
use super::form::{EditorForm, letter};
use crate::http::{AppState, Reload};
use crate::insights::{InsightError, TrendsAnswer};
use crate::model::Project;
use crate::model::query::{Traffic, TrendsQuery};
use jiff::Timestamp;

/// What a question came to.
#[derive(Debug)]
pub enum Outcome {
    Answer(Box<Answer>),
    /// The question makes no sense, or has no answer.
    Failed {
        message: String,
        may_pass: bool,
    },
}

/// An answer and what is said about it.
#[derive(Debug)]
pub struct Answer {
    pub chart: Chart,
    pub is_empty: bool,
    /// `14 Nov 2026 – 21 Nov 2026`.
    pub range: String,
    /// Whose events were counted.
    pub traffic: Traffic,
    pub computed_at: Timestamp,
    /// `12,345 rows, 3.4 MB, 21 ms`.
    pub cost: String,
    pub statements: Vec<String>,
}

/// The answer and the question as an address says it.
#[derive(Debug)]
pub struct ResultView {
    pub outcome: Outcome,
    /// The question: what the save form keeps.
    pub state: String,
    /// Where the same question over a longer time is asked, if there is a longer one.
    pub wider: Option<(&'static str, String)>,
    /// Where the same question is asked about bots too, if they are left out.
    pub with_bots: Option<String>,
}

impl Outcome {
    /// Asks; by a reload for an answer of its own, else for one that may be some seconds old.
    pub async fn ask(state: &AppState, project: &Project, query: &TrendsQuery, reload: Reload) -> Self {
        let running = state.running();
        match state.ch.or_away(running.trends(project, query, reload == Reload::Yes)).await {
            Ok(answered) => Self::Answer(Box::new(Answer::new(query, answered.value()))),
            Err(error) => Self::failed(&error),
        }
    }

    /// Says why there is no answer.
    pub fn failed(error: &InsightError) -> Self {
        let message = match error {
            InsightError::Invalid(wrong) => format!("{}: {}.", place(&wrong.field), wrong.reason),
            error => {
                let message = error.to_string();
                let mut letters = message.chars();
                let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
                format!("{first}{}.", letters.as_str())
            }
        };
        Self::Failed { message, may_pass: error.may_pass() }
    }
}

/// Where in the form a field of the query stands.
fn place(field: &str) -> String {
    if field.contains("properties") {
        return "Filters".to_owned();
    }
    if let Some((at, _)) = field.strip_prefix("series[").and_then(|rest| rest.split_once(']')) {
        return format!("Series {}", letter(at.parse().unwrap_or(0)));
    }
    let known = [("dateRange", "Date range"), ("breakdownFilter", "Break down by"), ("interval", "Interval")];
    let found = known.iter().find(|(prefix, _)| field.starts_with(prefix));
    found.map_or_else(|| field.to_owned(), |(_, place)| (*place).to_owned())
}

impl Answer {
    /// Lays an answer out.
    #[must_use]
    pub fn new(query: &TrendsQuery, answer: &TrendsAnswer) -> Self {
        let rules = answer.range.zone.rules();
        let day = |at: Timestamp| at.to_zoned(rules.clone()).strftime("%-d %b %Y").to_string();
        let last_moment = answer.range.to.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap_or(answer.range.to);
        let (first, last) = (day(answer.range.from), day(last_moment));
        let millis = answer.cost.elapsed.as_millis();
        let cost = match (answer.cost.rows_read, answer.cost.bytes_read) {
            (Some(rows), Some(bytes)) if rows > 0 => {
                format!("{} rows, {}, {millis} ms", grouped(rows), size(bytes))
            }
            _ => format!("{millis} ms"),
        };
        Self {
            is_empty: answer.is_empty(),
            chart: Chart::new(query, answer),
            traffic: query.traffic,
            range: if first == last { first } else { format!("{first} – {last}") },
            computed_at: answer.computed_at,
            cost,
            statements: answer.statements.clone(),
        }
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

impl ResultView {
    /// Asks what the form says.
    pub async fn ask(state: &AppState, project: &Project, form: &EditorForm, path: &str, reload: Reload) -> Self {
        let outcome = match form.to_query() {
            Ok(query) => Outcome::ask(state, project, &query, reload).await,
            Err(wrong) => Outcome::failed(&wrong.into()),
        };
        Self { outcome, state: form.query_string(), wider: wider(form, path), with_bots: with_bots(form, path) }
    }
}

/// The same question about humans and bots.
fn with_bots(form: &EditorForm, path: &str) -> Option<String> {
    (form.traffic == Traffic::Humans.word()).then(|| {
        let form = EditorForm { traffic: Traffic::All.word().to_owned(), ..form.clone() };
        format!("{path}?{}", form.query_string())
    })
}

/// The next longer of the usual ranges.
fn wider(form: &EditorForm, path: &str) -> Option<(&'static str, String)> {
    let (date, label) = match form.date.as_str() {
        "-24h" | "dStart" | "-1dStart..-1dEnd" => ("-7d", "last 7 days"),
        "-7d" | "-14d" | "mStart" => ("-30d", "last 30 days"),
        "-180d" | "yStart" | "-90d" => ("all", "all time"),
        "all" => return None,
        _ => ("-90d", "last 90 days"),
    };
    let mut form = form.clone();
    date.clone_into(&mut form.date);
    if matches!(form.interval.as_str(), "hour" | "minute") {
        "day".clone_into(&mut form.interval);
    }
    Some((label, format!("{path}?{}", form.query_string())))
}
