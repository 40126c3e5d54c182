//! Values that come under a key for the first time, however late and odd: the next question sees them.

use serde_json::{Value, json};
use tenrec::model::ProjectId;
use tenrec::model::value_kinds::{MAX_PROPERTIES, ValueKinds};
use tenrec::storage::pg::{PropertyDefinition, PropertyKind};

use super::Desk;

/// An answer of its own, not one from before.
async fn ask(desk: &Desk, query: Value) -> Value {
    let path = format!("/api/projects/{}/query/", desk.owner.project);
    let asked = json!({ "query": query, "refresh": "force_blocking" });
    desk.app.post_json_with_key(&path, &desk.owner.personal_key, &asked).await.assert_ok().json()
}

/// What each event says of a key, by time, as the language and a breakdown of trends read it.
async fn values(desk: &Desk, key: &str) -> (Vec<Value>, Vec<String>) {
    let query = format!("select properties.{key} from events where event = 'order' order by timestamp");
    let rows = ask(desk, json!({ "kind": "HogQLQuery", "query": query })).await["results"].clone();
    let listed = rows.as_array().expect("rows").iter().map(|row| row[0].clone()).collect();
    let trends = json!({
        "kind": "TrendsQuery",
        "series": [{ "kind": "EventsNode", "event": "order" }],
        "dateRange": { "date_from": "2026-10-31", "date_to": "2026-10-31" },
        "breakdownFilter": { "breakdown": key, "breakdown_type": "event", "breakdown_limit": 50 },
    });
    let lines = ask(desk, trends).await["results"].clone();
    let mut broken: Vec<String> = lines
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| format!("{}: {}", line["breakdown_value"].as_str().unwrap_or("?"), line["count"]))
        .collect();
    broken.sort();
    (listed, broken)
}

#[tokio::test]
async fn a_value_of_a_new_kind_is_read_at_once() {
    let desk = Desk::start().await;
    let mut sent: Vec<Value> = Vec::new();
    // What is said of `$browser` fits its column at first, and `plan` is a text.
    let steps = [
        (json!("Firefox"), json!("pro")),
        (json!(null), json!(null)),
        (json!(7), json!(12)),
        (json!(true), json!(1.5)),
        (json!(["a", "b"]), json!(["x"])),
        (json!("x".repeat(1001)), json!(true)),
        (json!(u64::MAX), json!(u64::MAX)),
        (json!("Safari"), json!({ "a": 1 })),
    ];
    assert_eq!(values(&desk, "$browser").await, (vec![], vec![]), "nothing is known before the first event");
    let text = |value: &Value| match value {
        Value::Null => Value::Null,
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    };
    for (minute, (browser, plan)) in steps.iter().enumerate() {
        desk.send(&json!([{
            "event": "order", "distinct_id": "a", "timestamp": format!("2026-10-31T12:{minute:02}:00Z"),
            "properties": { "$browser": browser, "plan": plan },
        }]))
        .await;
        sent.push(json!([browser, plan]));
        for (at, key) in ["$browser", "plan"].into_iter().enumerate() {
            let (listed, broken) = values(&desk, key).await;
            let expected: Vec<Value> = sent.iter().map(|both| text(&both[at])).collect();
            assert_eq!(listed, expected, "{key} after {minute}");
            assert_eq!(broken.len(), expected.len(), "{key} after {minute}: one line for each: {broken:?}");
        }
    }
    // As a project is of which events were stored before anybody noted their kinds.
    desk.app.pg_execute("UPDATE property_definitions SET tail_kinds = NULL WHERE name = '$browser'").await;
    desk.app.pg_execute("DELETE FROM property_definitions WHERE name = 'plan'").await;
    desk.app.pg_execute("UPDATE projects SET knows_tails = false").await;
    for (at, key) in ["$browser", "plan"].into_iter().enumerate() {
        let expected: Vec<Value> = sent.iter().map(|both| text(&both[at])).collect();
        assert_eq!(values(&desk, key).await.0, expected, "{key}, of which nothing is known");
    }
}

#[tokio::test]
async fn numbers_and_flags_are_read_as_what_they_are() {
    let desk = Desk::start().await;
    let events: Vec<Value> = [json!({ "size": 3, "share": 0.5, "is_paid": true, "$screen_width": 400 }), json!({ "size": -4, "share": 2, "is_paid": false })]
        .into_iter()
        .enumerate()
        .map(|(minute, properties)| {
            json!({ "event": "order", "distinct_id": "a", "timestamp": format!("2026-10-31T12:{minute:02}:00Z"), "properties": properties })
        })
        .collect();
    desk.send(&json!(events)).await;
    let sums = async || {
        let query = "select sum(properties.size), sum(properties.share), countIf(properties.is_paid), avg(properties.$screen_width) \
                     from events where event = 'order'";
        ask(&desk, json!({ "kind": "HogQLQuery", "query": query })).await["results"][0].clone()
    };
    assert_eq!(sums().await, json!([-1, 2.5, 1, 400]));
    // Texts that read as numbers count as such, whatever came before.
    desk.send(&json!([{
        "event": "order", "distinct_id": "a", "timestamp": "2026-10-31T12:05:00Z",
        "properties": { "size": "10", "share": u64::MAX, "is_paid": "true", "$screen_width": "800" },
    }]))
    .await;
    assert_eq!(sums().await, json!([9, 18446744073709551618.5, 2, 600]));
}

/// What Postgres knows of a key after its tails were seen to hold these.
async fn known_after(desk: &Desk, project: ProjectId, name: &str, kinds: ValueKinds) -> Option<ValueKinds> {
    let pg = &desk.app.state().pg;
    let seen = PropertyDefinition {
        kind: PropertyKind::Event,
        name: name.to_owned(),
        property_type: "String",
        tail_kinds: Some(kinds),
    };
    pg.upsert_property_definitions(project, &[seen], desk.app.clock.now()).await.unwrap();
    let known = pg.list_property_definitions(project, PropertyKind::Event).await.unwrap();
    known.into_iter().find(|seen| seen.name == name).expect("it was noted").tail_kinds
}

#[tokio::test]
async fn what_may_have_been_overlooked_is_never_known() {
    let desk = Desk::start().await;
    let project = ProjectId::new(desk.owner.project.try_into().unwrap());
    let (text, list) = (ValueKinds::TEXT, ValueKinds::LIST);
    assert_eq!(known_after(&desk, project, "first", text).await, Some(text));
    assert_eq!(known_after(&desk, project, "first", list).await, Some(text.with(list)));

    // One more than are kept: another instance had no place for a name that comes again.
    let many = format!(
        "INSERT INTO property_definitions (project_id, kind, name, property_type, tail_kinds, first_seen_at)
         SELECT {project}, 'event', 'many' || n, 'String', 1, now() FROM generate_series(2, {MAX_PROPERTIES}) AS n"
    );
    desk.app.pg_execute(&many).await;
    assert_eq!(known_after(&desk, project, "late", text).await, None);
    assert_eq!(known_after(&desk, project, "late", list).await, None);
    assert_eq!(known_after(&desk, project, "many7", text).await, None, "nothing is said, so nothing is relied on");
    desk.app.pg_execute("DELETE FROM property_definitions WHERE name LIKE 'many%' OR name = 'late'").await;

    // A batch of which Postgres refused the names.
    desk.app.state().pg.forget_tail_kinds(project).await.unwrap();
    assert_eq!(known_after(&desk, project, "first", list).await, None);
    assert_eq!(known_after(&desk, project, "late", text).await, None);
}
