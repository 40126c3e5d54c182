//! Who is behind a number: `day`, `series`, `breakdown` and `compare` of an `InsightActorsQuery`.

use serde_json::Value;

use super::ask::Part;
use super::breakdown::{Breakdown, ByValues, OTHER};
use super::read::Trend;
use crate::insights::ground::{Answered, CohortPart, Ground};
use crate::insights::sql::{date_filter, field};
use crate::insights::{InsightError, Period, QueryContext};
use crate::model::query::{Interval, InvalidQuery, Reader, ResolvedRange};
use crate::storage::ch::hogql::{ActorsBehind, Said};
use crate::storage::ch::{MISSING, Split, TrendCount, TrendQuestion, ValuesAre, trend_people_sql, trend_sql};

/// The people or groups behind a number, and of how many events each: `event_count`.
///
/// # Errors
/// If a field makes no sense, or what is behind the number cannot be listed.
pub async fn trends_people(
    context: QueryContext<'_>,
    selection: &Reader<'_>,
    insight: &Reader<'_>,
) -> Result<ActorsBehind, InsightError> {
    let ground = Ground::of(context, insight.value().unwrap_or(&Value::Null)).await?;
    let trend = Trend::read(&ground).await?;
    let place = selection.get("series")?;
    let series = place.count(0, u32::MAX)?.unwrap_or(0) as usize;
    let (node, measure) = trend.series.get(series).ok_or_else(|| place.wrong("there is no such series"))?;
    let place = selection.get("compare")?;
    let period =
        place.word(&[("current", Period::Current), ("previous", Period::Previous)])?.unwrap_or(Period::Current);
    let whole = if period == Period::Previous { trend.previous.as_ref() } else { Some(&trend.range) };
    let whole = whole.ok_or_else(|| place.wrong("nothing is compared here"))?;

    let place = selection.get("breakdown")?;
    let cohort = match &trend.breakdown {
        Some(Breakdown::Cohorts(parts)) => {
            let said = place.value().map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned));
            let found = said.and_then(|said| CohortPart::find(parts, &said));
            Some(found.ok_or_else(|| place.wrong("there is no such cohort in the chart"))?)
        }
        _ => None,
    };
    let part = Part { series, cohort, range: whole, period };
    let extremes = trend.extremes(&ground, part, &mut Answered::default()).await?;
    let values = match trend.by_values() {
        Some(by) => Some(values_of(&trend, &ground, part, &place, by.columns.len(), &extremes).await?),
        None => None,
    };

    let range = narrowed(&trend, whole, selection)?;
    let mut rows = measure.people(node, &ground);
    rows = rows.only(cohort.and_then(|(_, cohort)| cohort.condition.clone()));
    if let Some(by) = trend.by_values() {
        for (at, (column, extremes)) in by.columns.iter().zip(&extremes).enumerate() {
            rows = rows.column(("b", at), column.text(*extremes));
        }
    }
    let rows = rows.only(trend.by_values().into_iter().flat_map(ByValues::conditions));
    let rows = match measure.count {
        TrendCount::First => {
            let before = date_filter(&["timestamp"], None, Some(range.to));
            rows.column("at", field(&["timestamp"])).only(before)
        }
        TrendCount::Active(window) => {
            // Up to the first of the bucket; of the whole range, up to its end.
            let from_whole = selection.get("day")?.is_missing() || trend.is_aggregated;
            let (last, count, unit) = match range.interval {
                _ if from_whole => (range.clone(), measure.days, Interval::Day),
                unit if unit.is_within_day() => (range.clone(), window, unit),
                _ => (range.first_part(context.clock.now())?, window, Interval::Day),
            };
            rows.within(last.before_end(count, unit)?, last.to)
        }
        _ => rows.within(range.from, range.to),
    };
    let events = rows.sql(&ground)?;
    let split = trend.by_values().map(|by| Split { columns: by.columns.len(), limit: by.limit, hides_others: false });
    let question = TrendQuestion {
        count: measure.count,
        counted: measure.people_counted(),
        events: &events,
        range: &range,
        fine: None,
        is_aggregated: true,
        with_whole: false,
        is_once: false,
        split,
        shown: None,
    };
    let actors = trend_people_sql(context.project.id, question, values.as_ref());
    let said = Some(Said { name: "event_count", is_list: false });
    Ok(ActorsBehind { actors, said, group_index: measure.group_index() })
}

/// The bucket that is asked about, else the whole range.
fn narrowed(trend: &Trend<'_>, whole: &ResolvedRange, selection: &Reader<'_>) -> Result<ResolvedRange, InvalidQuery> {
    let place = selection.get("day")?;
    let Some(day) = place.text()?.filter(|_| !trend.is_aggregated) else { return Ok(whole.clone()) };
    let at = whole.find_bucket(day).or_else(|| {
        // A day of the chart names the range that is shown, also where the one before is asked about.
        trend.range.find_bucket(day).filter(|at| (*at as usize) < whole.buckets.len())
    });
    let bucket = at.and_then(|at| whole.buckets.get(at as usize));
    let bucket = bucket.ok_or_else(|| place.wrong("this is no day of the chart"))?;
    // Where buckets add up, all before are behind each.
    let from = if trend.is_cumulative { whole.from } else { whole.from.max(bucket.start) };
    let to = whole.to.min(bucket.end);
    Ok(ResolvedRange { from, to, buckets: vec![bucket.clone()], ..whole.clone() })
}

/// Which values are meant by what was asked.
async fn values_of(
    trend: &Trend<'_>,
    ground: &Ground<'_>,
    part: Part<'_>,
    place: &Reader<'_>,
    columns: usize,
    extremes: &[Option<(f64, f64)>],
) -> Result<ValuesAre, InsightError> {
    let said: Vec<String> = match place.value() {
        None => return Err(place.wrong("the value that the line is about is needed").into()),
        Some(Value::Array(_)) => place.items()?.iter().map(text_of).collect(),
        Some(_) => vec![text_of(place)],
    };
    if said.iter().any(|name| name == OTHER) {
        let prepared = trend.prepare(ground, part, extremes)?;
        let sql = trend_sql(ground.context.project.id, prepared.question(trend.is_aggregated, false));
        let (points, _) = ground.context.ch.trend(&sql).await?;
        let mut shown: Vec<_> = points.into_iter().filter(|point| !point.is_other).map(|point| point.names).collect();
        shown.sort();
        shown.dedup();
        return Ok(ValuesAre::NoneOf(shown));
    }
    if said.len() != columns {
        return Err(place.wrong(format!("{columns} values are needed here")).into());
    }
    Ok(ValuesAre::These(said))
}

fn text_of(place: &Reader<'_>) -> String {
    match place.value() {
        Some(Value::String(text)) if text.is_empty() => MISSING.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => MISSING.to_owned(),
    }
}
