//! `LifecycleQuery`: people who came anew, came again, came back or stayed away, bucket by bucket.
//!
//! Of everybody who was active in a bucket: **new** who became known in it (the profile's date; without a profile the first
//! event), **returning** who was active in the bucket before too, **resurrecting** all others. **Dormant**, counted below
//! zero, is who was active in the bucket before and is not in this one.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ground::{EventRows, Ground, SeriesNode};
use super::sql::{compare, date_filter, field, from_table, joined, made, statement};
use super::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{Bucket, DateBound, DateRange, Interval, InvalidQuery, Reader, ResolvedRange};
use crate::sql::{CompareOp, ExprKind, Literal, Select, SelectItem};
use crate::storage::ch::{LifecycleRow, lifecycle_sql};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    New,
    Returning,
    Resurrecting,
    Dormant,
}

impl Status {
    const WORDS: &[(&str, Self)] = &[
        ("new", Self::New),
        ("returning", Self::Returning),
        ("resurrecting", Self::Resurrecting),
        ("dormant", Self::Dormant),
    ];
}

/// Answers a `LifecycleQuery`.
///
/// # Errors
/// If a field makes no sense or asks for what cannot be answered, or a store does not answer.
pub async fn run_lifecycle(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let interval = ground.query.get("interval")?.word(Interval::WORDS)?.unwrap_or_default();
    let groups = ground.query.get("aggregation_group_type_index")?;
    if !groups.is_missing() {
        return Err(groups.wrong("the lifecycle of groups cannot be answered yet; that of people can").into());
    }
    let shown = shown(&ground.query.get("lifecycleFilter")?.get("toggledLifecycles")?)?;
    let series = SeriesNode::read_all(&ground.query.get("series")?, &ground, 1)?;
    let [series] = series.as_slice() else { return Err(ground.query.wrong("one series is needed").into()) };
    let range = ground.range(interval).await?;
    let mut buckets = range.buckets.clone();
    buckets.splice(..0, one_before(&range, context)?);
    let from = buckets.first().map_or(range.from, |bucket| bucket.start);
    // Who has no profile is known from the first event on, which may lie before the range.
    let first_without_profile = made(ExprKind::Literal(Literal::Whole(1 << 63)));
    let counts = [
        date_filter(&["timestamp"], Some(from), None),
        Some(compare(CompareOp::GreaterOrEqual, field(&["stored_person_number"]), first_without_profile)),
    ];
    let events = EventRows::of(&ground)
        .column("person", field(&["person_number"]))
        .column("timestamp", field(&["timestamp"]))
        .only(series.condition.clone())
        .only(ground.known_people())
        .only(date_filter(&["timestamp"], None, Some(range.to)))
        .only(joined(counts.into_iter().flatten().collect(), true))
        .sql(&ground)?;
    let columns = ["number", "created_at"];
    let items = columns.map(|name| SelectItem { expr: field(&[name]), alias: None }).into();
    let persons = ground.compile(&from_table(Select { items, ..Select::default() }, "persons"))?;
    let sql = lifecycle_sql(&range, &events, &persons.named(&columns.map(Into::into)));
    let (rows, cost) = context.ch.lifecycle(&sql).await?;

    let counted = count(&buckets, &rows);
    let results: Vec<Value> =
        shown.iter().map(|(word, status)| line(series, &range, word, &counted[*status as usize])).collect();
    let fields = [
        ("results", results.into()),
        ("resolved_date_range", json!({ "date_from": range.from, "date_to": range.to })),
        ("clickhouse", statement(&sql).into()),
        ("rows_read", cost.rows_read.into()),
        ("bytes_read", cost.bytes_read.into()),
    ];
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Which kinds are asked for: all, unless some are named.
fn shown(place: &Reader<'_>) -> Result<Vec<(&'static str, Status)>, InvalidQuery> {
    let mut named = Vec::new();
    for item in place.items()? {
        named.push(item.word(Status::WORDS)?.ok_or_else(|| item.wrong("the name of a kind is needed"))?);
    }
    let is_shown = |status: &Status| named.is_empty() || named.contains(status);
    Ok(Status::WORDS.iter().filter(|(_, status)| is_shown(status)).copied().collect())
}

/// The bucket before a range's first, which says who returns and who stays away.
fn one_before(range: &ResolvedRange, context: QueryContext<'_>) -> Result<Option<Bucket>, InvalidQuery> {
    let Some(first) = range.buckets.first() else { return Ok(None) };
    let Ok(before) = Timestamp::from_microsecond(first.start.as_microsecond() - 1) else { return Ok(None) };
    let dates = DateRange {
        from: Some(DateBound::Instant(before)),
        to: Some(DateBound::Instant(first.start)),
        is_explicit: true,
    };
    let whole = dates.resolve(range.interval, &range.zone, context.clock.now(), range.week_start, None)?;
    Ok(whole.buckets.into_iter().next())
}

/// The numbers of each kind, for each bucket but the first.
fn count(buckets: &[Bucket], rows: &[LifecycleRow]) -> [Vec<i64>; 4] {
    let places: HashMap<i64, usize> = buckets.iter().enumerate().map(|(at, bucket)| (bucket.key, at)).collect();
    let mut counted: [Vec<i64>; 4] = std::array::from_fn(|_| vec![0; buckets.len()]);
    for row in rows {
        let Some(at) = places.get(&row.active).copied() else { continue };
        let was_there = at > 0 && places.get(&row.before) == Some(&(at - 1));
        let status = match (row.is_new, was_there) {
            (true, _) => Status::New,
            (false, true) => Status::Returning,
            (false, false) => Status::Resurrecting,
        };
        let people = i64::try_from(row.people).unwrap_or(i64::MAX);
        counted[status as usize][at] += people;
        if at + 1 < buckets.len() && places.get(&row.after) != Some(&(at + 1)) {
            counted[Status::Dormant as usize][at + 1] -= people;
        }
    }
    for line in &mut counted {
        line.drain(..1.min(line.len()));
    }
    counted
}

fn line(series: &SeriesNode, range: &ResolvedRange, status: &str, data: &[i64]) -> Value {
    let name = series.custom_name.as_deref().unwrap_or(series.label());
    json!({
        "action": { "id": series.label(), "name": series.name.as_deref().unwrap_or(series.label()), "type": "events", "order": 0 },
        "label": format!("{name} - {status}"),
        "status": status,
        "data": data,
        "count": data.iter().sum::<i64>(),
        "days": range.buckets.iter().map(|bucket| bucket.day.as_str()).collect::<Vec<_>>(),
        "labels": range.buckets.iter().map(|bucket| bucket.label.as_str()).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::query::WeekStart;
    use crate::storage::ch::NO_BUCKET;

    fn days() -> ResolvedRange {
        let at = |text: &str| DateBound::Instant(text.parse().expect("a time"));
        let dates = DateRange {
            from: Some(at("2026-11-01T00:00:00Z")),
            to: Some(at("2026-11-05T00:00:00Z")),
            is_explicit: true,
        };
        let now = "2026-11-20T00:00:00Z".parse().expect("a time");
        dates.resolve(Interval::Day, &"UTC".parse().expect("a zone"), now, WeekStart::Sunday, None).expect("a range")
    }

    #[test]
    fn everybody_is_counted_once_where_they_were_and_once_where_they_went_missing() {
        let range = days();
        let key = |day: usize| range.buckets[day].key;
        let row = |active, before, after, is_new, people| LifecycleRow { active, before, after, is_new, people };
        let rows = [
            // Two came on the first day already, one of them again on the next; both before the range.
            row(key(0), NO_BUCKET, key(1), true, 1),
            row(key(1), key(0), NO_BUCKET, false, 1),
            row(key(0), NO_BUCKET, key(3), false, 1),
            row(key(3), key(0), NO_BUCKET, false, 1),
            // Five are new on the third day, and stay away.
            row(key(2), NO_BUCKET, NO_BUCKET, true, 5),
            // Long ago.
            row(key(0) - 40, NO_BUCKET, key(0), true, 7),
        ];
        let [new, returning, resurrecting, dormant] = count(&range.buckets, &rows);
        assert_eq!(new[..3], [0, 5, 0]);
        assert_eq!(returning[..3], [1, 0, 0]);
        assert_eq!(resurrecting[..3], [0, 0, 1]);
        assert_eq!(dormant[..3], [-1, -1, -5]);
    }
}
