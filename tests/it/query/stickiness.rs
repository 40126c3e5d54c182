//! `StickinessQuery` beside a naive reading of the same events.

use serde_json::{Value, json};

use super::Desk;
use super::random::World;

fn asked(more: &Value) -> Value {
    let mut query = json!({ "kind": "StickinessQuery", "series": [{ "event": "visit" }],
        "dateRange": { "date_from": "2026-10-03", "date_to": "2026-10-12" } });
    more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
    query
}

/// How many were active in one interval, in two, and so on.
fn naive(
    world: &World,
    (from, to): (i64, i64),
    each: i64,
    counts: impl Fn(u64) -> bool,
    is_cumulative: bool,
) -> Vec<u64> {
    let width = (to - from + each) / each;
    let mut data = vec![0; usize::try_from(width).unwrap()];
    for days in world.days_of(|event| event.event == "visit").values() {
        let active = (0..width)
            .filter(|part| {
                let inside = |day: i64| day >= from && day <= to && (day - from) / each == *part;
                counts(days.iter().filter(|(day, _)| inside(**day)).map(|(_, n)| n).sum())
            })
            .count();
        let range = if is_cumulative { 1..=active } else { active.max(1)..=active };
        range.for_each(|n| data[n - 1] += 1);
    }
    data
}

#[tokio::test]
async fn every_number_is_as_a_naive_reading_counts_it() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 11, 14).await;
    let range = (2, 11);
    for (more, expected) in [
        (json!({}), naive(&world, range, 1, |n| n > 0, false)),
        (json!({ "intervalCount": 3 }), naive(&world, range, 3, |n| n > 0, false)),
        (json!({ "stickinessFilter": { "computedAs": "cumulative" } }), naive(&world, range, 1, |n| n > 0, true)),
        (
            json!({ "intervalCount": 2, "stickinessFilter": { "stickinessCriteria": { "operator": "gte", "value": 2 } } }),
            naive(&world, range, 2, |n| n >= 2, false),
        ),
        (
            json!({ "stickinessFilter": { "stickinessCriteria": { "operator": "exact", "value": 1 } } }),
            naive(&world, range, 1, |n| n == 1, false),
        ),
    ] {
        let answer = desk.answer(asked(&more)).await;
        assert_eq!(answer["results"][0]["data"], json!(expected), "{more}");
        assert!(expected.iter().sum::<u64>() > 3, "{more} finds nobody, so it proves nothing");
    }
    let more = json!({ "compareFilter": { "compare": true }, "dateRange": { "date_from": "2026-10-08", "date_to": "2026-10-12" } });
    let answer = desk.answer(asked(&more)).await;
    assert_eq!(answer["results"][0]["data"], json!(naive(&world, (7, 11), 1, |n| n > 0, false)));
    assert_eq!(answer["results"][1]["data"], json!(naive(&world, (2, 6), 1, |n| n > 0, false)));
    let more = json!({ "compareFilter": { "compare": true, "compare_to": "-3d" }, "dateRange": { "date_from": "2026-10-08", "date_to": "2026-10-12" } });
    let answer = desk.answer(asked(&more)).await;
    assert_eq!(answer["results"][1]["data"], json!(naive(&world, (4, 8), 1, |n| n > 0, false)));
    let data = naive(&world, range, 1, |n| n > 0, true);
    let source = json!({ "kind": "StickinessActorsQuery", "source": asked(&json!({})), "day": 2, "operator": "gte" });
    let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
    let found = people["results"].as_array().unwrap().len() as u64;
    assert!(found > 0 && found <= data[1], "{found} of {data:?}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    for (more, attr) in [
        (json!({ "intervalCount": 0 }), "intervalCount"),
        (json!({ "series": [{ "math": "sum" }] }), "series[0].math"),
        (json!({ "series": [{ "math": "unique_group" }] }), "series[0].math_group_type_index"),
        (json!({ "stickinessFilter": { "computedAs": "x" } }), "stickinessFilter.computedAs"),
        (
            json!({ "stickinessFilter": { "stickinessCriteria": { "operator": "gt", "value": 1 } } }),
            "stickinessFilter.stickinessCriteria.operator",
        ),
        (json!({ "compareFilter": { "compare": true, "compare_to": "soon" } }), "compareFilter.compare_to"),
    ] {
        let reply = desk.reply(asked(&more)).await;
        assert_eq!(reply.status.as_u16(), 400, "{more}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
}
