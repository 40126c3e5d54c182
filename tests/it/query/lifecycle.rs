//! The lifecycle of people.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Desk;

/// The range that is asked for, of days of October.
const FIRST_DAY: i64 = 8;
const LAST_DAY: i64 = 15;

fn view(who: &str, day: i64, name: &str, has_profile: bool) -> Value {
    json!({ "event": name, "distinct_id": who, "timestamp": format!("2026-10-{day:02}T09:30:00Z"),
            "properties": { "$process_person_profile": has_profile } })
}

fn question() -> Value {
    json!({ "kind": "LifecycleQuery", "interval": "day", "series": [{ "kind": "EventsNode", "event": "$pageview" }],
            "dateRange": { "date_from": format!("2026-10-{FIRST_DAY:02}"), "date_to": format!("2026-10-{LAST_DAY:02}") } })
}

fn lines(answer: &Value) -> BTreeMap<String, Vec<i64>> {
    let results = answer["results"].as_array().unwrap();
    let line = |result: &Value| {
        let data = result["data"].as_array().unwrap().iter().map(|number| number.as_i64().unwrap());
        (result["status"].as_str().unwrap().to_owned(), data.collect())
    };
    results.iter().map(line).collect()
}

/// The same by the rules as they are written down, from the days of each person: of views, and of anything.
fn naive(people: &[(BTreeSet<i64>, i64)]) -> BTreeMap<String, Vec<i64>> {
    let width = usize::try_from(LAST_DAY - FIRST_DAY + 1).unwrap();
    let mut lines: BTreeMap<String, Vec<i64>> =
        ["new", "returning", "resurrecting", "dormant"].map(|status| (status.to_owned(), vec![0; width])).into();
    for (views, known_since) in people {
        for (at, day) in (FIRST_DAY..=LAST_DAY).enumerate() {
            let status = match (views.contains(&day), views.contains(&(day - 1))) {
                (true, _) if *known_since == day => "new",
                (true, true) => "returning",
                (true, false) => "resurrecting",
                (false, true) => "dormant",
                (false, false) => continue,
            };
            lines.get_mut(status).unwrap()[at] += if status == "dormant" { -1 } else { 1 };
        }
    }
    lines
}

#[tokio::test]
async fn it_is_what_the_rules_say_of_any_people() {
    let desk = Desk::start().await;
    let mut seed = 42_u64;
    let mut any = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((seed >> 33) % below).unwrap()
    };
    let (mut events, mut people) = (Vec::new(), Vec::new());
    for person in 0..40 {
        let (who, has_profile) = (format!("p{person}"), person % 3 > 0);
        let views: BTreeSet<i64> = (0..any(9)).map(|_| 2 + any(16)).collect();
        let signs: BTreeSet<i64> = (0..any(3)).map(|_| 2 + any(16)).collect();
        for day in &views {
            events.push(view(&who, *day, "$pageview", has_profile));
        }
        for day in &signs {
            events.push(view(&who, *day, "sign", has_profile));
        }
        // With a profile it is known since the first event of any name, without one since the first that is asked about.
        let known = if has_profile { views.union(&signs).min() } else { views.iter().min() };
        people.extend(known.map(|day| (views.clone(), *day)));
    }
    // A profile is as old as the event that made it: they come in their order.
    events.sort_by_key(|event| event["timestamp"].to_string());
    desk.send(&json!(events)).await;
    let answer = desk.answer(question()).await;
    assert_eq!(lines(&answer), naive(&people), "{}", answer["clickhouse"].as_str().unwrap());
    assert_eq!(answer["results"][0]["days"][0], "2026-10-08");
    assert_eq!(answer["results"][3]["label"], "$pageview - dormant");

    let mut some = question();
    some["lifecycleFilter"] = json!({ "toggledLifecycles": ["new", "dormant"] });
    let statuses: Vec<_> = lines(&desk.answer(some).await).into_keys().collect();
    assert_eq!(statuses, ["dormant", "new"]);
}

#[tokio::test]
async fn ids_of_one_person_are_one_and_another_project_shows_nothing() {
    let desk = Desk::start().await;
    let (_, _, theirs) = desk.app.stranger().await;
    desk.send_to(&theirs, &json!([view("ada", 9, "$pageview", true), view("anon", 10, "$pageview", false)])).await;
    desk.send(&json!([
        view("anon", 9, "$pageview", false),
        view("ada", 10, "$pageview", true),
        { "event": "$identify", "distinct_id": "ada", "timestamp": "2026-10-12T09:30:00Z",
          "properties": { "$anon_distinct_id": "anon" } },
        view("anon", 13, "$pageview", true),
    ]))
    .await;
    let lines = lines(&desk.answer(question()).await);
    // The profile was made on the tenth; what was merged into it is part of it from the ninth on.
    assert_eq!(lines["new"], [0, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(lines["resurrecting"], [0, 1, 0, 0, 0, 1, 0, 0]);
    assert_eq!(lines["returning"], [0; 8]);
    assert_eq!(lines["dormant"], [0, 0, 0, -1, 0, 0, -1, 0]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_field() {
    let desk = Desk::start().await;
    for (change, field) in [
        (json!({ "series": [] }), "series"),
        (json!({ "series": [{ "kind": "EventsNode" }, { "kind": "EventsNode" }] }), "series"),
        (json!({ "series": [{ "kind": "ActionsNode", "id": 1 }] }), "series[0].kind"),
        (json!({ "interval": "fortnight" }), "interval"),
        (json!({ "aggregation_group_type_index": 0 }), "aggregation_group_type_index"),
        (json!({ "lifecycleFilter": { "toggledLifecycles": ["gone"] } }), "lifecycleFilter.toggledLifecycles[0]"),
        (json!({ "dateRange": { "date_from": "2026-10-08", "date_to": "2026-10-01" } }), "dateRange.date_to"),
    ] {
        let mut query = question();
        query.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let reply = desk.reply(query).await;
        assert_eq!(reply.status.as_u16(), 400, "{change}");
        assert_eq!(reply.json()["attr"], field, "{change}: {}", reply.text());
    }
}
