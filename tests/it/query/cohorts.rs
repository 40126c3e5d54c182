//! `/api/projects/{project}/cohorts/`, and questions that name a cohort.

use std::collections::BTreeSet;

use http::{Method, header};
use http_body_util::Full;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use tenrec::model::TimeZoneName;

use super::Desk;
use super::random::{Happened, World};
use crate::support::Reply;

impl Desk {
    /// Makes a cohort by filters, and gives its id.
    pub async fn cohort(&self, name: &str, values: Value) -> i64 {
        let filters = json!({ "properties": { "type": "AND", "values": values } });
        let reply = self.call(Method::POST, "/cohorts/", json!({ "name": name, "filters": filters })).await;
        reply.assert_status(201).json()["id"].as_i64().unwrap()
    }

    /// Makes a static cohort of a file.
    pub async fn upload(&self, name: &str, csv: &str) -> Reply {
        let body = format!(
            "--zz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n{name}\r\n--zz\r\n\
             Content-Disposition: form-data; name=\"is_static\"\r\n\r\ntrue\r\n--zz\r\n\
             Content-Disposition: form-data; name=\"csv\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n{csv}\r\n--zz--\r\n"
        );
        let request = self
            .app
            .request(Method::POST, &format!("/api/projects/{}/cohorts/", self.owner.project))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.owner.personal_key))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=zz");
        self.app.send(request.body(Full::from(body)).unwrap()).await
    }

    /// The names of the people in a cohort, sorted.
    async fn members(&self, id: i64) -> Vec<String> {
        let people = self.call(Method::GET, &format!("/cohorts/{id}/persons/"), Value::Null).await.assert_ok().json();
        let people = people["results"].as_array().unwrap();
        let mut names: Vec<_> =
            people.iter().map(|p| p["properties"]["name"].as_str().unwrap_or("").to_owned()).collect();
        names.sort();
        let one = self.call(Method::GET, &format!("/cohorts/{id}/"), Value::Null).await.assert_ok().json();
        assert_eq!(one["count"], names.len(), "{one}");
        names
    }

    async fn uuid_of(&self, name: &str) -> String {
        let rows = self.rows(&format!("select toString(id) from persons where properties.name = '{name}'")).await;
        rows[0][0].as_str().unwrap().to_owned()
    }
}

fn filter(id: i64) -> Value {
    json!({ "type": "cohort", "key": "id", "value": id })
}

fn seen(name: &str, n: i64, has_profile: bool) -> Value {
    let properties = if has_profile {
        json!({ "n": n, "$set": { "name": name, "plan": if n % 2 == 0 { "even" } else { "odd" } } })
    } else {
        json!({ "n": n, "$process_person_profile": false })
    };
    json!({ "event": "seen", "distinct_id": name, "timestamp": format!("2026-10-{:02}T10:00:00Z", n + 1), "properties": properties })
}

fn merge(into: &str, from: &str) -> Value {
    json!({ "event": "$merge_dangerously", "distinct_id": into, "timestamp": "2026-10-20T10:00:00Z", "properties": { "alias": from } })
}

/// Four with a profile and one without.
async fn people() -> Desk {
    let desk = Desk::start().await;
    let (_, _, theirs) = desk.app.stranger().await;
    let all = json!([
        seen("p1", 1, true),
        seen("p2", 2, true),
        seen("p3", 3, true),
        seen("p4", 4, true),
        seen("p5", 5, false)
    ]);
    desk.send_to(&theirs, &all).await;
    desk.send(&all).await;
    desk
}

#[tokio::test]
async fn a_cohort_is_whoever_its_filters_fit_now() {
    let desk = people().await;
    let even = desk.cohort("even", json!([{ "type": "person", "key": "plan", "value": "even" }])).await;
    let not_even =
        desk.cohort("not even", json!([{ "type": "person", "key": "plan", "value": "even", "negation": true }])).await;
    let some = desk
        .cohort(
            "some",
            json!([
                { "type": "OR", "values": [{ "type": "cohort", "key": "id", "value": even }, { "type": "person", "key": "name", "value": "p1" }] },
                { "type": "cohort", "key": "id", "value": not_even, "negation": false, "operator": "in" },
            ]),
        )
        .await;
    let without =
        desk.cohort("without", json!([{ "type": "cohort", "key": "id", "value": even, "negation": true }])).await;
    assert_eq!(desk.members(even).await, ["p2", "p4"]);
    assert_eq!(desk.members(not_even).await, ["p1", "p3"]);
    assert_eq!(desk.members(some).await, ["p1"]);
    assert_eq!(desk.members(without).await, ["p1", "p3"]);

    assert_eq!(desk.numbers(json!({ "properties": [filter(even)] })).await, [2, 4]);
    let mut not_in = filter(even);
    not_in["operator"] = "not_in".into();
    assert_eq!(desk.numbers(json!({ "properties": [not_in] })).await, [1, 3, 5]);
    let both = json!([{ "type": "precalculated-cohort", "key": "id", "value": [even.to_string(), some] }]);
    assert_eq!(desk.numbers(json!({ "properties": both })).await, [1, 2, 4]);
    for (sql, answer) in [
        (format!("select count() from events where person_id in cohort {even}"), json!([[2]])),
        ("select count() from events where person_id in cohort 'even'".to_owned(), json!([[2]])),
        (format!("select count() from events where person_id not in cohort {even} and event = 'seen'"), json!([[3]])),
        (format!("select properties.name from persons where id in cohort {some}"), json!([["p1"]])),
        (
            format!(
                "select cohort_id, count() from cohort_people group by cohort_id having cohort_id <= {not_even} order by cohort_id"
            ),
            json!([[even, 2], [not_even, 2]]),
        ),
    ] {
        assert_eq!(desk.rows(&sql).await, answer, "{sql}");
    }
    let action = desk.action("seen", json!([{ "event": "seen", "properties": [filter(even)] }])).await;
    assert_eq!(desk.rows(&format!("select count() from events where matchesAction({action})")).await, json!([[2]]));
    assert_eq!(desk.rows("select count() from events where matchesAction('seen')").await, json!([[2]]));
    let sessions = json!({ "kind": "HogQLQuery", "query": "select count() from sessions where {filters}", "filters": { "properties": [filter(even)] } });
    assert_eq!(desk.answer(sessions).await["results"], json!([[0]]));

    // Whoever changes is in it or not at once; whoever is merged is one.
    desk.send(&json!([
        { "event": "$set", "distinct_id": "p1", "timestamp": "2026-10-21T10:00:00Z", "properties": { "$set": { "plan": "even" } } },
        merge("p2", "p3"),
    ]))
    .await;
    assert_eq!(desk.members(even).await, ["p1", "p2", "p4"]);
    assert_eq!(desk.numbers(json!({ "properties": [filter(even)], "event": "seen" })).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn people_are_put_into_a_static_cohort_and_merges_carry_that() {
    let desk = people().await;
    let made = desk.upload("by file", "distinct_id\np1\np3\nnobody\np5").await;
    let made = made.assert_status(201).json();
    assert_eq!((&made["count"], &made["is_calculating"], &made["is_static"]), (&json!(2), &json!(false), &json!(true)));
    let id = made["id"].as_i64().unwrap();
    assert_eq!(desk.members(id).await, ["p1", "p3"]);
    assert_eq!(desk.numbers(json!({ "properties": [filter(id)] })).await, [1, 3]);

    let p4 = desk.uuid_of("p4").await;
    let added = desk
        .call(Method::PATCH, &format!("/cohorts/{id}/add_persons_to_static_cohort/"), json!({ "person_ids": [p4] }))
        .await;
    assert_eq!(added.assert_ok().json()["count"], 3);
    desk.send(&json!([merge("p2", "p3")])).await;
    assert_eq!(desk.members(id).await, ["p1", "p2", "p4"]);
    assert_eq!(desk.numbers(json!({ "properties": [filter(id)], "event": "seen" })).await, [1, 2, 3, 4]);
    // Out goes the whole person, whichever of their numbers was put in.
    let p2 = desk.uuid_of("p2").await;
    desk.app.clock.advance(std::time::Duration::from_secs(1));
    let path = format!("/cohorts/{id}/remove_person_from_static_cohort/");
    desk.call(Method::PATCH, &path, json!({ "person_id": p2 })).await.assert_ok();
    assert_eq!(desk.members(id).await, ["p1", "p4"]);

    let source = json!({ "kind": "LifecycleQuery", "series": [{ "event": "seen" }], "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-12" } });
    let source = json!({ "kind": "InsightActorsQuery", "source": source, "day": "2026-10-03", "status": "new" });
    for (name, query) in [
        ("of a chart", source.clone()),
        (
            "of a list",
            json!({ "kind": "ActorsQuery", "source": source, "properties": [{ "type": "person", "key": "plan", "value": "even" }] }),
        ),
    ] {
        let body = json!({ "name": name, "is_static": true, "query": query });
        let made = desk.call(Method::POST, "/cohorts/", body).await.assert_status(201).json();
        assert_eq!(desk.members(made["id"].as_i64().unwrap()).await, ["p2"], "{name}");
    }
    let gone = desk.call(Method::DELETE, &format!("/cohorts/{id}/"), Value::Null).await;
    gone.assert_status(204);
    assert_eq!(desk.app.ch_count(&format!("SELECT count() FROM cohort_members WHERE cohort_id = {id}")).await, 0);
    desk.call(Method::GET, &format!("/cohorts/{id}/"), Value::Null).await.assert_status(404);
}

#[tokio::test]
async fn an_erased_person_leaves_static_cohorts() {
    let desk = people().await;
    let id = desk.upload("all", "p1\np2").await.assert_status(201).json()["id"].as_i64().unwrap();
    let uuid = desk.uuid_of("p1").await;
    let path = format!("/persons/{uuid}/?delete_events=true");
    let erasure = desk.call(Method::DELETE, &path, Value::Null).await.assert_status(202).json();
    desk.app.hidden(&desk.owner, erasure["id"].as_str().unwrap()).await;
    assert_eq!(desk.members(id).await, ["p2"]);
    assert_eq!(desk.app.ch_count("SELECT count() FROM cohort_members").await, 1);
    // Only the profile: it is in no cohort any more either.
    let uuid = desk.uuid_of("p2").await;
    desk.call(Method::DELETE, &format!("/persons/{uuid}/"), Value::Null).await.assert_status(202);
    for _ in 0..600 {
        if desk.app.ch_count("SELECT count() FROM cohort_members").await == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the membership stays");
}

const NOW: &str = "2026-11-01T12:00:00Z";

fn did(fields: Value) -> Value {
    let mut filter = json!({ "type": "behavioral", "key": "visit", "event_type": "events", "value": "performed_event",
        "time_value": 30, "time_interval": "day" });
    filter.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    filter
}

/// So many days later, or earlier, on the clock of the project's zone.
fn moved(at: Timestamp, days: i32) -> Timestamp {
    let zone: TimeZoneName = "Europe/Berlin".parse().unwrap();
    (at.to_zoned(zone.rules()) + days.days()).timestamp()
}

fn days_ago(days: i32) -> Timestamp {
    moved(NOW.parse().unwrap(), -days)
}

#[tokio::test]
async fn what_people_did_is_as_a_naive_reading_finds_it() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 5, 30).await;
    // Those with a profile: they alone can be in a cohort.
    let everybody: BTreeSet<u64> =
        world.events.iter().map(|event| event.person).filter(|person| *person < 11).collect();
    let of = |person: u64, name: &str| -> Vec<&Happened> {
        world.events.iter().filter(|event| event.person == person && event.event == name).collect()
    };
    let between = |events: &[&Happened], from: i32, to: i32| {
        events.iter().filter(|event| event.at >= days_ago(from) && event.at < days_ago(to)).count()
    };
    let visits = |person: u64| of(person, "visit");
    type Naive<'a> = Box<dyn Fn(u64) -> bool + 'a>;
    let cases: Vec<(Value, Naive<'_>)> = vec![
        (did(json!({ "time_value": 6 })), Box::new(|p| between(&visits(p), 6, 0) > 0)),
        (did(json!({ "time_value": 6, "negation": true })), Box::new(|p| between(&visits(p), 6, 0) == 0)),
        (
            did(json!({ "explicit_datetime": "-20d", "explicit_datetime_to": "-12d" })),
            Box::new(|p| between(&visits(p), 20, 12) > 0),
        ),
        (
            did(
                json!({ "value": "performed_event_multiple", "operator": "gte", "operator_value": 5, "time_value": 20 }),
            ),
            Box::new(|p| between(&visits(p), 20, 0) >= 5),
        ),
        (
            did(
                json!({ "value": "performed_event_multiple", "operator": "lte", "operator_value": 3, "time_value": 15 }),
            ),
            Box::new(|p| (1..=3).contains(&between(&visits(p), 15, 0))),
        ),
        (
            did(json!({ "value": "performed_event_multiple", "operator": "eq", "operator_value": 0, "time_value": 8 })),
            Box::new(|p| between(&visits(p), 8, 0) == 0),
        ),
        (
            did(json!({ "value": "performed_event_first_time", "key": "buy", "time_value": 28 })),
            Box::new(|p| of(p, "buy").first().is_some_and(|first| first.at >= days_ago(28))),
        ),
        (
            did(
                json!({ "value": "stopped_performing_event", "time_value": 25, "seq_time_value": 7, "seq_time_interval": "day" }),
            ),
            Box::new(|p| between(&visits(p), 25, 7) > 0 && between(&visits(p), 7, 0) == 0),
        ),
        (
            did(json!({ "value": "restarted_performing_event", "key": "buy", "time_value": 2, "time_interval": "week",
                "seq_time_value": "8", "seq_time_interval": "day" })),
            Box::new(|p| {
                let buys = of(p, "buy");
                between(&buys, 400, 14) > 0 && between(&buys, 14, 8) == 0 && between(&buys, 8, 0) > 0
            }),
        ),
        (
            did(
                json!({ "value": "performed_event_sequence", "time_value": 20, "seq_event": "buy", "seq_event_type": "events",
                "seq_time_value": 1, "seq_time_interval": "day" }),
            ),
            Box::new(|p| {
                let buys = of(p, "buy");
                let is_soon = |v: &Happened, b: &Happened| b.at > v.at && b.at <= moved(v.at, 1);
                visits(p).iter().filter(|v| v.at >= days_ago(20)).any(|v| buys.iter().any(|b| is_soon(v, b)))
            }),
        ),
        (
            did(json!({ "value": "performed_event_regularly", "operator": "gte", "operator_value": 2, "time_value": 5,
                "total_periods": 6, "min_periods": 3 })),
            Box::new(|p| (0..6).filter(|i| between(&visits(p), 5 * (i + 1), 5 * i) >= 2).count() >= 3),
        ),
    ];
    let mut some = 0;
    for (filter, naive) in &cases {
        let expected: BTreeSet<u64> = everybody.iter().copied().filter(|person| naive(*person)).collect();
        let id = desk.cohort("c", json!([filter])).await;
        let ids =
            desk.rows(&format!("select groupArray(distinct_id) from events where person_id in cohort {id}")).await;
        let found: BTreeSet<u64> = ids[0][0]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| super::random::whole(id.as_str().unwrap()[1..].parse().unwrap()))
            .collect();
        assert_eq!(found, expected, "{filter}");
        some += usize::from(!found.is_empty() && found != everybody);
    }
    assert!(some >= 8, "only {some} of them tell people apart");
    let body = json!({ "filters": { "properties": { "type": "OR", "values": [cases[0].0, cases[1].0] } } });
    let size = desk.call(Method::POST, "/cohorts/size/", body).await.assert_ok().json();
    assert_eq!(size["count"], everybody.len());
}

#[tokio::test]
async fn an_action_is_something_that_people_did() {
    let desk = people().await;
    let action = desk
        .action("late", json!([{ "event": "seen", "properties": [{ "key": "n", "operator": "gt", "value": 2 }] }]))
        .await;
    let by_action = did(json!({ "key": action, "event_type": "actions", "time_value": 2, "time_interval": "month" }));
    let id = desk.cohort("late", json!([by_action])).await;
    assert_eq!(desk.members(id).await, ["p3", "p4"]);
    let filtered = did(
        json!({ "key": "seen", "event_filters": [{ "type": "event", "key": "n", "value": 1 }], "time_value": 2, "time_interval": "month" }),
    );
    let id = desk.cohort("first", json!([filtered])).await;
    assert_eq!(desk.members(id).await, ["p1"]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = people().await;
    let good = json!([{ "type": "person", "key": "a", "value": "b" }]);
    let one = desk.cohort("one", good.clone()).await;
    let other = desk.cohort("other", json!([filter(one)])).await;
    let at = |name: &str| format!("filters.properties.values[0].{name}");
    for (filter, attr) in [
        (did(json!({ "value": "thought_of" })), at("value")),
        (did(json!({ "key": "" })), at("key")),
        (did(json!({ "time_value": 0 })), at("time_value")),
        (did(json!({ "time_interval": "fortnight" })), at("time_interval")),
        (did(json!({ "explicit_datetime": "soon" })), at("explicit_datetime")),
        (did(json!({ "event_type": "actions", "key": 77 })), at("key")),
        (did(json!({ "value": "performed_event_multiple" })), at("operator_value")),
        (did(json!({ "value": "stopped_performing_event", "seq_time_value": 31 })), at("seq_time_value")),
        (did(json!({ "value": "performed_event_sequence", "seq_event": "x" })), at("seq_time_value")),
        (did(json!({ "value": "performed_event_regularly", "total_periods": 3, "min_periods": 4 })), at("min_periods")),
        (json!({ "type": "cohort", "key": "id", "value": 99 }), at("value")),
        (json!({ "type": "cohort", "key": "id" }), at("value")),
        (json!({ "type": "cohort", "key": "id", "value": one, "operator": "gt" }), at("operator")),
        (json!({ "type": "planet", "key": "a", "value": 1 }), at("type")),
    ] {
        let filters = json!({ "properties": { "type": "AND", "values": [filter] } });
        let body = json!({ "name": "x", "filters": filters });
        let reply = desk.call(Method::POST, "/cohorts/", body.clone()).await;
        assert_eq!(reply.assert_status(400).json()["attr"], attr, "{body}\n{}", reply.text());
    }
    for (body, attr) in [
        (json!({ "filters": {} }), "name"),
        (json!({ "name": "x" }), "filters.properties"),
        (json!({ "name": "x", "filters": { "properties": { "type": "AND", "values": [] } } }), "filters.properties"),
        (json!({ "name": "x", "query": { "kind": "ActorsQuery" } }), "query"),
        (json!({ "name": "x", "is_static": true, "query": { "kind": "EventsQuery" } }), "query.kind"),
        (json!({ "name": "x", "is_static": true, "query": { "kind": "HogQLQuery" } }), "query.query"),
    ] {
        let reply = desk.call(Method::POST, "/cohorts/", body.clone()).await;
        assert_eq!(reply.assert_status(400).json()["attr"], attr, "{body}\n{}", reply.text());
    }
    // None stands in itself.
    let circle = json!({ "filters": { "properties": { "type": "AND", "values": [filter(other)] } } });
    let reply = desk.call(Method::PATCH, &format!("/cohorts/{one}/"), circle).await;
    assert_eq!(reply.assert_status(400).json()["attr"], "filters.properties.values[0].value", "{}", reply.text());
    for (sql, said) in [
        ("select 1 from events where person_id in cohort 99", "there is no cohort 99"),
        ("select 1 from events where matchesAction('none')", "there is no action none"),
    ] {
        assert!(desk.refusal(sql).await.contains(said), "{sql}");
    }
}

#[tokio::test]
async fn a_cohort_of_another_project_is_none() {
    let desk = people().await;
    let project: i32 = desk.app.pg_value("SELECT id FROM projects WHERE api_key = 'phc_elsewhere'").await;
    let sql = format!(
        "INSERT INTO cohorts (project_id, name, is_static, filters, created_at, updated_at) VALUES ({project}, 'canary', false,
         '{{\"properties\": [{{\"type\": \"person\", \"key\": \"name\", \"operator\": \"is_set\"}}]}}', now(), now()) RETURNING id"
    );
    let theirs: i64 = desk.app.pg_value(&sql).await;
    for (method, path) in [(Method::GET, ""), (Method::PATCH, ""), (Method::DELETE, ""), (Method::GET, "persons/")] {
        desk.call(method, &format!("/cohorts/{theirs}/{path}"), json!({ "name": "mine" })).await.assert_status(404);
    }
    assert_eq!(desk.call(Method::GET, "/cohorts/", Value::Null).await.json()["count"], 0);
    let asked = json!({ "kind": "EventsQuery", "select": ["event"], "properties": [filter(theirs)] });
    assert_eq!(desk.reply(asked).await.assert_status(400).json()["attr"], "properties[0].value");
    desk.refusal(&format!("select 1 from events where person_id in cohort {theirs}")).await;
    desk.refusal("select 1 from events where person_id in cohort 'canary'").await;
    // Who was put into a cohort elsewhere is in none here, though the number is the same.
    let id = desk.upload("mine", "p1").await.assert_status(201).json()["id"].as_i64().unwrap();
    desk.app
        .ch_rows(&format!(
            "INSERT INTO cohort_members SELECT {project}, {id}, person_id, 1, false FROM events WHERE project_id = {}",
            desk.owner.project
        ))
        .await;
    assert_eq!(desk.members(id).await, ["p1"]);
    assert_eq!(desk.rows("select count() from static_cohort_members").await, json!([[1]]));
    assert_eq!(desk.rows("select count() from person_numbers").await, json!([[4]]));
}
