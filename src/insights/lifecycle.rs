//! `LifecycleQuery`: how many are new, return, come back or stay away, for each interval.
//!
//! Somebody is new in the interval they were first seen in; returns if they were there in the one before, and else comes
//! back. Whoever was there and is not in the next is dormant in that one.

use serde_json::{Value, json};

use super::ground::{Actor, Answered, EventRows, Ground, SeriesNode, action_json};
use super::sql::{compare, field, from_table, insight_error, made};
use super::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{Interval, InvalidQuery, Reader, ResolvedRange};
use crate::sql::{CompareOp, ExprKind, Select, SelectItem};
use crate::storage::ch::hogql::ActorsBehind;
use crate::storage::ch::{LifecyclePoint, LifecycleQuestion, Sql, lifecycle_people_sql, lifecycle_sql};

/// What somebody can be, with the number that the store calls it.
const STATUSES: [(&str, u8); 4] = [("new", 1), ("returning", 2), ("resurrecting", 3), ("dormant", 4)];

/// A lifecycle with its statements' parts.
struct Lifecycle<'a> {
    series: SeriesNode<'a>,
    actor: Actor,
    shown: Vec<u8>,
    range: ResolvedRange,
    /// One bucket longer.
    seen: ResolvedRange,
    events: Sql,
    known: Option<Sql>,
    others: Sql,
}

impl<'a> Lifecycle<'a> {
    async fn read(ground: &Ground<'a>) -> Result<Self, InsightError> {
        let query = &ground.query;
        let mut series = SeriesNode::read_all(&query.get("series")?, ground, 1)?;
        let series = series.pop().ok_or_else(|| InvalidQuery::new("series", "one is needed"))?;
        let actor = Actor::read(&query.get("aggregation_group_type_index")?)?;
        let shown = shown(&query.get("lifecycleFilter")?.get("toggledLifecycles")?)?;
        let interval = query.get("interval")?.word(Interval::WORDS)?.unwrap_or_default();
        let range = ground.range(interval).await?;
        let seen = range.with_bucket_before(ground.context.clock.now())?;
        let events = actor.of(EventRows::of(ground), ground).column("at", field(&["timestamp"]));
        let events = events.only(series.condition.clone()).within(seen.from, seen.to).sql(ground)?;
        let mut others = actor.of(EventRows::all(), ground).column("at", field(&["timestamp"]));
        let mut known = None;
        if actor == Actor::Person {
            let people = |columns: &[&str]| {
                let items = columns.iter().map(|name| SelectItem { expr: field(&[name]), alias: None }).collect();
                from_table(Select { items, ..Select::default() }, "persons")
            };
            let names = ["actor".into(), "first_at".into()];
            known = Some(ground.compile(&people(&["number", "created_at"]), &names)?);
            let with_profile = made(ExprKind::Query(Box::new(people(&["number"]))));
            others = others.only([compare(CompareOp::NotIn, field(&["stored_person_number"]), with_profile)]);
        }
        let others = others.sql(ground)?;
        Ok(Self { series, actor, shown, range, seen, events, known, others })
    }

    fn question(&self) -> LifecycleQuestion<'_> {
        LifecycleQuestion {
            counted: self.actor.counted(),
            range: &self.seen,
            events: &self.events,
            known: self.known.as_ref(),
            others: &self.others,
        }
    }
}

/// The statuses that are asked for; all unless said.
fn shown(place: &Reader<'_>) -> Result<Vec<u8>, InvalidQuery> {
    if place.is_missing() {
        return Ok(STATUSES.map(|(_, status)| status).to_vec());
    }
    let said: Vec<_> = place.items()?.iter().map(|item| item.word(&STATUSES)).collect::<Result<_, _>>()?;
    Ok(said.into_iter().flatten().collect())
}

/// Answers a `LifecycleQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_lifecycle(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let lifecycle = Lifecycle::read(&ground).await?;
    let sql = lifecycle_sql(context.project.id, lifecycle.question());
    let (points, cost) = context.ch.lifecycle(&sql).await.map_err(insight_error)?;
    let mut answered = Answered::default();
    answered.add(&sql, cost);
    Ok(answered.with(lines(&lifecycle, &points), &lifecycle.range))
}

fn lines(lifecycle: &Lifecycle<'_>, points: &[LifecyclePoint]) -> Vec<Value> {
    let Lifecycle { series, shown, range, .. } = lifecycle;
    let days: Vec<_> = range.buckets.iter().map(|bucket| bucket.day.as_str()).collect();
    let labels: Vec<_> = range.buckets.iter().map(|bucket| bucket.label.as_str()).collect();
    let of = |status: u8| {
        let mut data = vec![0_i64; days.len()];
        for point in points.iter().filter(|point| point.status == status) {
            // The first bucket that was asked for is the one before the range.
            let place = usize::try_from(point.bucket - 1).ok().and_then(|at| data.get_mut(at));
            let value = i64::try_from(point.value).unwrap_or(i64::MAX);
            place.into_iter().for_each(|place| *place = if status == 4 { -value } else { value });
        }
        data
    };
    let shown = STATUSES.iter().filter(|(_, status)| shown.contains(status));
    shown
        .map(|(word, status)| {
            let data = of(*status);
            json!({
                "action": action_json(series, 0),
                "label": format!("{} - {word}", series.label()),
                "status": word,
                "count": data.iter().sum::<i64>(),
                "data": data,
                "days": days,
                "labels": labels,
            })
        })
        .collect()
}

/// The people or groups who were something on a day: `status` and `day` of an `InsightActorsQuery`, any if it does not say.
///
/// # Errors
/// If a field makes no sense, or the day is none of the range's.
pub async fn lifecycle_people(
    context: QueryContext<'_>,
    selection: &Reader<'_>,
    insight: &Reader<'_>,
) -> Result<ActorsBehind, InsightError> {
    let ground = Ground::of(context, insight.value().unwrap_or(&Value::Null)).await?;
    let lifecycle = Lifecycle::read(&ground).await?;
    let status = selection.get("status")?.word(&STATUSES)?;
    let place = selection.get("day")?;
    let find = |day| lifecycle.seen.find_bucket(day).filter(|at| *at > 0);
    let bucket = place.text()?.map(|day| find(day).ok_or_else(|| place.wrong("this is no day of the chart")));
    let bucket = bucket.transpose()?;
    let actors = lifecycle_people_sql(context.project.id, lifecycle.question(), status, bucket);
    Ok(ActorsBehind::plain(actors, lifecycle.actor.group_index()))
}
