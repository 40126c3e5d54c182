//! What the questions about the web have in common.

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::insights::ground::{EventRows, Ground, SeriesNode, path_rules, previous_range};
use crate::insights::sql::{compare, date_filter, field, joined, made, text};
use crate::insights::{InsightError, QueryAnswer};
use crate::model::query::{DateRange, Interval, InvalidQuery, Reader, ResolvedRange};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Span};
use crate::storage::ch::{PathRule, Stretch, Stretches};

/// What counts as a view.
pub const VIEWS: [&str; 2] = ["$pageview", "$screen"];

/// A question about the web, as far as all of them are alike.
#[derive(Debug)]
pub struct WebAsked {
    pub range: ResolvedRange,
    pub stretches: Stretches,
    /// What an event must be to reach the goal, if there is one.
    pub goal: Option<Expr>,
    /// How paths are made alike; none if it is not asked for.
    pub rules: Vec<PathRule>,
}

impl WebAsked {
    /// Reads it.
    ///
    /// # Errors
    /// If a field makes no sense or asks for what cannot be answered, or a store does not answer.
    pub async fn read(ground: &Ground<'_>) -> Result<Self, InsightError> {
        let query = &ground.query;
        let revenue = query.get("includeRevenue")?;
        if revenue.flag()? {
            return Err(revenue.wrong("revenue cannot be asked for yet").into());
        }
        let dates = DateRange::read(&query.get("dateRange")?)?;
        // Buckets are not used; weeks are few whatever the range.
        let range = ground.resolve(&dates, Interval::Week).await.map_err(|error| match error {
            InsightError::Invalid(error) if error.field == "interval" => {
                InvalidQuery::new("dateRange", "this range is longer than visits can be counted over").into()
            }
            error => error,
        })?;
        let previous = previous_range(ground, &dates, &range)?;
        let previous = previous.map(|previous| Stretch { from: previous.from, to: previous.to });
        let rules = match query.get("doPathCleaning")?.flag()? {
            true => path_rules(&ground.context.settings.path_cleaning_filters),
            false => Vec::new(),
        };
        let stretches = Stretches { current: Stretch { from: range.from, to: range.to }, previous };
        Ok(Self { stretches, goal: goal(&query.get("conversionGoal")?, ground)?, rules, range })
    }

    /// Events of the range and of the one before, as `visit` (empty if of none), `actor` and `at`.
    #[must_use]
    pub fn rows(&self, ground: &Ground<'_>) -> EventRows {
        let visit = Expr::call("ifNull", vec![field(&["$session_id"]), text("")], Span::default());
        let stretches = [Some(self.stretches.current), self.stretches.previous];
        let within = stretches.into_iter().flatten();
        let within = within.filter_map(|stretch| date_filter(&["timestamp"], Some(stretch.from), Some(stretch.to)));
        EventRows::of(ground)
            .column("visit", visit)
            .column("actor", field(&["stored_person_number"]))
            .column("at", field(&["timestamp"]))
            .only(joined(within.collect(), true))
    }

    /// Clicks on links to other sites in the sessions of the range and of the one before, as `visit`, `at` and `url`.
    #[must_use]
    pub fn clicks_away(&self) -> EventRows {
        let visit = Expr::call("ifNull", vec![field(&["$session_id"]), text("")], Span::default());
        let url = Expr::call("toString", vec![field(&["properties", "$external_click_url"])], Span::default());
        // Without null: nothing is not equal to it, and so it would be one.
        let url = Expr::call("ifNull", vec![url, text("")], Span::default());
        // A session is a day long at most.
        let day = 24.hours();
        let wider = |stretch: Stretch| {
            let from = stretch.from.checked_sub(day).unwrap_or(stretch.from);
            date_filter(&["timestamp"], Some(from), Some(stretch.to.checked_add(day).unwrap_or(stretch.to)))
        };
        let stretches = [Some(self.stretches.current), self.stretches.previous];
        EventRows::all()
            .column("visit", visit.clone())
            .column("at", field(&["timestamp"]))
            .column("url", url.clone())
            .only([compare(CompareOp::NotEqual, visit, text("")), compare(CompareOp::NotEqual, url, text(""))])
            .only(joined(stretches.into_iter().flatten().filter_map(wider).collect(), true))
    }

    /// The condition that an event reaches the goal; of none if there is no goal.
    #[must_use]
    pub fn reaches_goal(&self) -> Expr {
        self.goal.clone().unwrap_or_else(|| made(ExprKind::Literal(Literal::Flag(false))))
    }

    /// The condition that an event is a view, or reaches the goal.
    #[must_use]
    pub fn counts(&self) -> Option<Expr> {
        joined([Some(is_view()), self.goal.clone()].into_iter().flatten().collect(), true)
    }

    /// Whether the answer compares with a range before.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        self.stretches.previous.is_some()
    }

    /// Says the dates of the range, and that nothing was left out.
    pub fn sign(&self, answer: &mut QueryAnswer) {
        let said = |at: Timestamp| at.to_zoned(self.range.zone.rules()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let last = self.range.to.checked_sub(1.microsecond()).unwrap_or(self.range.to);
        answer.insert("dateFrom".to_owned(), said(self.range.from).into());
        answer.insert("dateTo".to_owned(), said(last).into());
        answer.insert("samplingRate".to_owned(), json!({ "numerator": 1, "denominator": null }));
    }
}

/// The condition that an event is one of these.
#[must_use]
pub fn is_one_of(events: &[&str]) -> Expr {
    let events = events.iter().map(|event| text(*event)).collect();
    compare(CompareOp::In, field(&["event"]), made(ExprKind::Tuple(events)))
}

/// The condition that an event is a view.
#[must_use]
pub fn is_view() -> Expr {
    is_one_of(&VIEWS)
}

fn goal(place: &Reader<'_>, ground: &Ground<'_>) -> Result<Option<Expr>, InvalidQuery> {
    if place.is_missing() {
        return Ok(None);
    }
    let (action, event) = (place.get("actionId")?, place.get("customEventName")?);
    let condition = match (action.value(), event.text()?) {
        (None, Some(event)) => Some(compare(CompareOp::Equal, field(&["event"]), text(event))),
        (Some(id), None) => {
            let node = json!({ "kind": "ActionsNode", "id": id });
            let read = SeriesNode::read(Reader::new(&node), ground).map_err(|error| action.wrong(error.reason))?;
            read.condition
        }
        _ => return Err(place.wrong("either actionId or customEventName is needed here")),
    };
    Ok(Some(condition.unwrap_or_else(|| made(ExprKind::Literal(Literal::Flag(true))))))
}

/// A number as people write it: a whole one without a point.
#[must_use]
pub fn number(value: Option<f64>) -> Value {
    match value {
        Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => (whole as i64).into(),
        Some(broken) => broken.into(),
        None => Value::Null,
    }
}
