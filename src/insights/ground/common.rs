//! What holds for all of a question's events.

use serde_json::Value;

use super::Weekdays;
use crate::insights::sql::{FilterTarget, PropertyTypes, field, filters_to_expr, not};
use crate::insights::{InsightError, QueryContext};
use crate::model::query::{DateRange, Interval, InvalidQuery, Reader, ResolvedRange, Traffic};
use crate::sql::{Expr, Query};
use crate::storage::ch::Sql;
use crate::storage::ch::hogql::{ColumnName, QueryScope, compile_named};

/// Whom a question is about and what is known of its words; the fields that all kinds share are read.
#[derive(Debug)]
pub struct Ground<'a> {
    pub context: QueryContext<'a>,
    /// The whole question.
    pub query: Reader<'a>,
    pub types: PropertyTypes,
    /// Whether visitors without cookies count as people: each is another one every day. Written as `includeCookieless`.
    pub counts_cookieless: bool,
    /// `properties`, the project's internal users if they are to be left out, and `traffic`: conditions on events.
    pub conditions: Vec<Expr>,
    /// The days of the week that it is about, if not all; a condition already.
    pub weekdays: Option<Weekdays>,
}

impl<'a> Ground<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// If a shared field makes no sense, or Postgres does not answer.
    pub async fn of(context: QueryContext<'a>, json: &'a Value) -> Result<Self, InsightError> {
        let query = Reader::new(json);
        let types = PropertyTypes::of(context, json).await?;
        let mut conditions = Vec::new();
        let target = FilterTarget::Events;
        conditions.extend(filters_to_expr(&query.get("properties")?, target, &types)?);
        if query.get("filterTestAccounts")?.flag()? {
            conditions.extend(filters_to_expr(&Reader::new(&context.settings.test_account_filters), target, &types)?);
        }
        match Traffic::read(&query.get("traffic")?)? {
            Traffic::All => {}
            Traffic::Humans => conditions.push(not(field(&["is_bot"]))),
            Traffic::Bots => conditions.push(field(&["is_bot"])),
        }
        sampling(&query.get("samplingFactor")?)?;
        let counts_cookieless = query.get("includeCookieless")?.flag()?;
        let weekdays = weekdays(&query)?;
        conditions.extend(weekdays.map(|weekdays| weekdays.condition("timestamp")));
        Ok(Self { context, query, types, counts_cookieless, conditions, weekdays })
    }

    /// The condition that an event is of somebody who is the same tomorrow; none if the question counts all. Whatever counts
    /// people adds it.
    #[must_use]
    pub fn known_people(&self) -> Option<Expr> {
        (!self.counts_cookieless).then(|| not(field(&["is_cookieless"])))
    }

    /// Filters on events, at a place of the question.
    ///
    /// # Errors
    /// If one makes no sense.
    pub fn filters(&self, place: &Reader<'_>) -> Result<Option<Expr>, InvalidQuery> {
        filters_to_expr(place, FilterTarget::Events, &self.types)
    }

    /// `dateRange` with its instants, cut into buckets.
    ///
    /// # Errors
    /// If it makes no sense, or ClickHouse does not answer when the first event is asked for.
    pub async fn range(&self, interval: Interval) -> Result<ResolvedRange, InsightError> {
        self.resolve(&DateRange::read(&self.query.get("dateRange")?)?, interval).await
    }

    /// Dates as instants, cut into buckets.
    ///
    /// # Errors
    /// If they make no sense, or ClickHouse does not answer when the first event is asked for.
    pub async fn resolve(&self, dates: &DateRange, interval: Interval) -> Result<ResolvedRange, InsightError> {
        let QueryContext { ch, clock, project, settings, .. } = self.context;
        let first_event =
            if dates.starts_with_first_event() { ch.find_first_event_time(project.id).await? } else { None };
        Ok(dates.resolve(interval, &project.time_zone, clock.now(), settings.week_start, first_event)?)
    }

    /// A question in the language as a statement of this project, without a limit of rows; its columns have these names, for a
    /// statement of the store's around it.
    ///
    /// # Errors
    /// If it names what there is not, as filters and expressions of a request may.
    pub fn compile(&self, query: &Query, names: &[ColumnName]) -> Result<Sql, InvalidQuery> {
        let event_property = |key: &str| self.types.event_facts(key);
        let person_type = |key: &str| self.types.person(key);
        let scope = QueryScope {
            project: self.context.project.id,
            zone: self.context.project.time_zone.as_str(),
            week_start: self.context.settings.week_start,
            event_property: &event_property,
            person_type: &person_type,
            placeholders: &std::collections::HashMap::new(),
            named: self.types.named(),
            behind: None,
        };
        compile_named(query, &scope, names).map_err(|error| InvalidQuery::new("query", error.message))
    }
}

/// A part of all events that would do. All are read, so nothing is made of it, but it must make sense.
fn sampling(place: &Reader<'_>) -> Result<(), InvalidQuery> {
    let Some(value) = place.value() else { return Ok(()) };
    match value.as_f64() {
        Some(part) if part > 0.0 && part <= 1.0 => Ok(()),
        _ => Err(place.wrong("a number above 0 and up to 1 is needed here")),
    }
}

/// The days of the week that a question over time is about.
fn weekdays(query: &Reader<'_>) -> Result<Option<Weekdays>, InvalidQuery> {
    let dates = query.get("dateRange")?;
    let weekdays = Weekdays::read(&dates)?;
    let is_over_time = match query.get("kind")?.text()? {
        Some("TrendsQuery" | "StickinessQuery" | "LifecycleQuery") => true,
        Some("FunnelsQuery") => query.get("funnelsFilter")?.get("funnelVizType")?.text()? == Some("trends"),
        _ => false,
    };
    if weekdays.is_some() && !is_over_time {
        let known = "only trends, stickiness, lifecycles, funnels over time and SQL can be about some days of the week";
        return Err(dates.get("daysOfWeek")?.wrong(known));
    }
    Ok(weekdays)
}
