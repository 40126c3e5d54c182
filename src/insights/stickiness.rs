//! `StickinessQuery`: in how many intervals people did something, and how many did in each number of them.

use serde_json::{Value, json};

use super::ground::{Actor, Answered, EventRows, Ground, SeriesNode, action_json, previous_range};
use super::sql::{field, insight_error};
use super::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{DateBound, DateRange, Interval, InvalidQuery, Reader, ResolvedRange};
use crate::storage::ch::hogql::ActorsBehind;
use crate::storage::ch::{CountIs, Sql, StickinessPoint, StickinessQuestion, stickiness_people_sql, stickiness_sql};

const MAX_SERIES: usize = 26;
/// Most intervals that may be put together as one.
const MAX_BUCKETS_EACH: u32 = 1_000;
const MAX_COUNT: u32 = 1_000_000;

struct Stickiness<'a> {
    series: Vec<(SeriesNode<'a>, Actor)>,
    buckets_each: u32,
    criteria: CountIs,
    is_cumulative: bool,
    range: ResolvedRange,
    previous: Option<ResolvedRange>,
}

impl<'a> Stickiness<'a> {
    async fn read(ground: &Ground<'a>) -> Result<Self, InsightError> {
        let query = &ground.query;
        let series = SeriesNode::read_all(&query.get("series")?, ground, MAX_SERIES)?;
        let series = series.into_iter().map(|node| Ok((actor(&node.place, query)?, node)));
        let series: Result<Vec<_>, InvalidQuery> = series.map(|both| both.map(|(actor, node)| (node, actor))).collect();
        let filter = query.get("stickinessFilter")?;
        let is_cumulative =
            filter.get("computedAs")?.word(&[("non_cumulative", false), ("cumulative", true)])?.unwrap_or(false);
        let (range, previous) = ranges(ground).await?;
        Ok(Self {
            series: series?,
            buckets_each: query.get("intervalCount")?.count(1, MAX_BUCKETS_EACH)?.unwrap_or(1),
            criteria: criteria(&filter.get("stickinessCriteria")?)?,
            is_cumulative,
            range,
            previous,
        })
    }

    fn events(&self, ground: &Ground<'_>, series: usize, range: &ResolvedRange) -> Result<Sql, InvalidQuery> {
        let (node, actor) = &self.series[series];
        let rows = actor.of(EventRows::of(ground), ground).column("at", field(&["timestamp"]));
        rows.only(node.condition.clone()).within(range.from, range.to).sql(ground)
    }

    fn question<'q>(&self, series: usize, range: &'q ResolvedRange, events: &'q Sql) -> StickinessQuestion<'q> {
        let (buckets_each, criteria) = (self.buckets_each, self.criteria);
        StickinessQuestion { counted: self.series[series].1.counted(), range, buckets_each, criteria, events }
    }

    fn line(&self, series: usize, range: &ResolvedRange, points: &[StickinessPoint], compared: Option<&str>) -> Value {
        let width = range.buckets.len().div_ceil(self.buckets_each as usize);
        let mut data = vec![0_u64; width];
        for point in points {
            let place = usize::try_from(point.intervals).ok().and_then(|n| data.get_mut(n.checked_sub(1)?));
            place.into_iter().for_each(|place| *place = point.value);
        }
        if self.is_cumulative {
            for at in (1..width).rev() {
                data[at - 1] += data[at];
            }
        }
        let unit = range.interval.word();
        let more = if self.is_cumulative { " or more" } else { "" };
        let label = |n: usize| format!("{n} {unit}{}{more}", if n == 1 { "" } else { "s" });
        let node = &self.series[series].0;
        let mut line = json!({
            "action": action_json(node, series),
            "label": node.label(),
            "count": data.iter().sum::<u64>(),
            "data": data,
            "days": (1..=width).collect::<Vec<_>>(),
            "labels": (1..=width).map(label).collect::<Vec<_>>(),
        });
        if let Some(word) = compared {
            line["compare"] = true.into();
            line["compare_label"] = word.into();
        }
        line
    }
}

/// Whom a series counts: people whatever its math is, unless it or the question says groups.
fn actor(series: &Reader<'_>, query: &Reader<'_>) -> Result<Actor, InvalidQuery> {
    let math = series.get("math")?;
    match math.text()? {
        None | Some("total" | "dau") => Actor::read(&query.get("aggregation_group_type_index")?),
        Some("unique_group") => match Actor::of_series(series, query)? {
            Actor::Person => Err(series.get("math_group_type_index")?.wrong("the type of the groups is needed")),
            groups => Ok(groups),
        },
        Some(other) => {
            Err(math.wrong(format!("stickiness cannot be counted by {other:?}; total and unique_group can")))
        }
    }
}

/// How many events make an interval count; one unless said.
fn criteria(place: &Reader<'_>) -> Result<CountIs, InvalidQuery> {
    if place.is_missing() {
        return Ok(CountIs::AtLeast(1));
    }
    let value = place.get("value")?;
    let number = value.count(0, MAX_COUNT)?.ok_or_else(|| value.wrong("a number is needed here"))?;
    compared(&place.get("operator")?, number)
}

fn compared(operator: &Reader<'_>, number: u32) -> Result<CountIs, InvalidQuery> {
    let words =
        [("exact", CountIs::Exactly(number)), ("gte", CountIs::AtLeast(number)), ("lte", CountIs::AtMost(number))];
    Ok(operator.word(&words)?.unwrap_or(CountIs::Exactly(number)))
}

/// The range, and the one before if they are compared.
async fn ranges(ground: &Ground<'_>) -> Result<(ResolvedRange, Option<ResolvedRange>), InsightError> {
    let interval = ground.query.get("interval")?.word(Interval::WORDS)?.unwrap_or_default();
    let mut dates = DateRange::read(&ground.query.get("dateRange")?)?;
    // A bare day means its first moment where parts of days are counted.
    if let (true, Some(DateBound::Day(day))) = (interval.is_within_day(), &dates.to) {
        dates.to = Some(DateBound::Wall(day.to_datetime(jiff::civil::Time::midnight())));
    }
    let range = ground.resolve(&dates, interval).await?;
    let previous = previous_range(ground, &dates, &range)?;
    Ok((range, previous))
}

/// Answers a `StickinessQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_stickiness(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let stickiness = Stickiness::read(&ground).await?;
    let mut answered = Answered::default();
    let mut lines = Vec::new();
    for series in 0..stickiness.series.len() {
        let current = stickiness.previous.as_ref().map(|_| "current");
        let ranges = [(Some(&stickiness.range), current), (stickiness.previous.as_ref(), Some("previous"))];
        for (range, word) in ranges.into_iter().filter_map(|(range, word)| Some((range?, word))) {
            let events = stickiness.events(&ground, series, range)?;
            let sql = stickiness_sql(context.project.id, stickiness.question(series, range, &events));
            let (points, cost) = context.ch.stickiness(&sql).await.map_err(insight_error)?;
            answered.add(&sql, cost);
            lines.push(stickiness.line(series, range, &points, word));
        }
    }
    Ok(answered.with(lines, &stickiness.range))
}

/// The people or groups who were active in so many intervals: `day`, `operator` and `series` of a `StickinessActorsQuery`.
///
/// # Errors
/// If a field makes no sense.
pub async fn stickiness_people(
    context: QueryContext<'_>,
    selection: &Reader<'_>,
    insight: &Reader<'_>,
) -> Result<ActorsBehind, InsightError> {
    let ground = Ground::of(context, insight.value().unwrap_or(&Value::Null)).await?;
    let stickiness = Stickiness::read(&ground).await?;
    let day = selection.get("day")?;
    let number = match day.value() {
        Some(Value::String(text)) => text.parse().ok(),
        _ => day.count(1, MAX_COUNT)?,
    };
    let number = number.ok_or_else(|| day.wrong("a number of intervals is needed here"))?;
    let place = selection.get("series")?;
    let series = place.count(0, u32::MAX)?.unwrap_or(0) as usize;
    let (_, actor) = stickiness.series.get(series).ok_or_else(|| place.wrong("there is no such series"))?;
    let is_previous = selection.get("compare")?.word(&[("current", false), ("previous", true)])?.unwrap_or(false);
    let range = if is_previous { stickiness.previous.as_ref() } else { Some(&stickiness.range) };
    let range = range.ok_or_else(|| InvalidQuery::new("source.compare", "nothing is compared here"))?;
    let operator = selection.get("operator")?;
    let is = match operator.is_missing() && stickiness.is_cumulative {
        true => CountIs::AtLeast(number),
        false => compared(&operator, number)?,
    };
    let events = stickiness.events(&ground, series, range)?;
    let actors = stickiness_people_sql(context.project.id, stickiness.question(series, range, &events), is);
    Ok(ActorsBehind::plain(actors, actor.group_index()))
}
