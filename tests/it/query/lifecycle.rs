//! `LifecycleQuery` beside a naive reading of the same events.

use serde_json::{Value, json};

use super::Desk;
use super::random::World;

fn asked() -> Value {
    json!({ "kind": "LifecycleQuery", "series": [{ "kind": "EventsNode", "event": "visit" }],
        "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-12" } })
}

/// How many were each of the four, for each day.
fn naive(world: &World) -> [Vec<i64>; 4] {
    let visits = world.days_of(|event| event.event == "visit");
    let born = world.days_of(|_| true);
    let mut states: [Vec<i64>; 4] = Default::default();
    for day in 0..=11 {
        let mut counts = [0; 4];
        for (person, days) in &visits {
            let was = days.contains_key(&(day - 1));
            let is_born = born[person].keys().next() == Some(&day);
            match (days.contains_key(&day), was) {
                (true, _) if is_born => counts[0] += 1,
                (true, true) => counts[1] += 1,
                (true, false) => counts[2] += 1,
                (false, true) => counts[3] -= 1,
                (false, false) => {}
            }
        }
        states.iter_mut().zip(counts).for_each(|(line, count)| line.push(count));
    }
    states
}

#[tokio::test]
async fn every_state_is_as_a_naive_reading_counts_it() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 7, 14).await;
    let answer = desk.answer(asked()).await;
    let lines = answer["results"].as_array().unwrap();
    let words = ["new", "returning", "resurrecting", "dormant"];
    for ((line, data), word) in lines.iter().zip(naive(&world)).zip(words) {
        assert_eq!(line["status"], word);
        assert_eq!(line["data"], json!(data), "{word}");
        assert!(data.iter().any(|n| *n != 0), "nobody is {word}, so it proves nothing");
        for (day, value) in line["days"].as_array().unwrap().iter().zip(&data) {
            let source = json!({ "kind": "InsightActorsQuery", "source": asked(), "day": day, "status": word });
            let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
            let found = people["results"].as_array().unwrap().len();
            // Whoever has no profile is counted and cannot be listed.
            assert!(i64::try_from(found).unwrap() <= value.abs(), "{word} {day}: {found} of {value}");
        }
    }
    let mut some = asked();
    some["lifecycleFilter"] = json!({ "toggledLifecycles": ["new", "dormant"] });
    let answer = desk.answer(some).await;
    let shown: Vec<_> = answer["results"].as_array().unwrap().iter().map(|line| line["status"].clone()).collect();
    assert_eq!(shown, ["new", "dormant"]);
}

/// Eight days from the eighth on.
fn some_days() -> Value {
    json!({ "kind": "LifecycleQuery", "series": [{ "kind": "EventsNode", "event": "$pageview" }],
        "dateRange": { "date_from": "2026-10-08", "date_to": "2026-10-15" } })
}

fn view(who: &str, day: i64, has_profile: bool) -> Value {
    json!({ "event": "$pageview", "distinct_id": who, "timestamp": format!("2026-10-{day:02}T09:30:00Z"),
        "properties": { "$process_person_profile": has_profile } })
}

#[tokio::test]
async fn ids_of_one_person_are_one_and_another_project_shows_nothing() {
    let desk = Desk::start().await;
    let (_, _, theirs) = desk.app.stranger().await;
    desk.send_to(&theirs, &json!([view("ada", 9, true), view("anon", 10, false)])).await;
    desk.send(&json!([
        view("anon", 9, false),
        view("ada", 10, true),
        { "event": "$identify", "distinct_id": "ada", "timestamp": "2026-10-12T09:30:00Z",
          "properties": { "$anon_distinct_id": "anon" } },
        view("anon", 13, true),
    ]))
    .await;
    let answer = desk.answer(some_days()).await;
    let states: Vec<_> = answer["results"].as_array().unwrap().iter().map(|line| line["data"].clone()).collect();
    // The profile was made on the tenth; what was merged into it is part of it from the ninth on.
    assert_eq!(states[0], json!([0, 0, 1, 0, 0, 0, 0, 0]));
    assert_eq!(states[2], json!([0, 1, 0, 0, 0, 1, 0, 0]));
    assert_eq!(states[1], json!([0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(states[3], json!([0, 0, 0, -1, 0, 0, -1, 0]));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    for (field, value, attr) in [
        ("series", json!([]), "series"),
        ("series", json!([{}, {}]), "series"),
        ("interval", json!("fortnight"), "interval"),
        ("aggregation_group_type_index", json!(5), "aggregation_group_type_index"),
        ("lifecycleFilter", json!({ "toggledLifecycles": ["old"] }), "lifecycleFilter.toggledLifecycles[0]"),
    ] {
        let mut query = asked();
        query[field] = value;
        let reply = desk.reply(query.clone()).await;
        assert_eq!(reply.status.as_u16(), 400, "{query}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
    for (field, value) in [("status", json!("old")), ("day", json!("2026-01-01"))] {
        let mut source =
            json!({ "kind": "InsightActorsQuery", "source": asked(), "day": "2026-10-05", "status": "new" });
        source[field] = value;
        let reply = desk.reply(json!({ "kind": "ActorsQuery", "source": source })).await;
        assert_eq!(reply.status.as_u16(), 400, "{}", reply.text());
    }
}
