//! Every kind of filter on every kind of question that has filters of events.

use serde_json::{Value, json};
use tenrec::insights::QUERY_KINDS;

use super::Desk;
use super::kinds::{life, question};

#[tokio::test]
async fn every_kind_takes_every_filter() {
    let desk = Desk::start().await;
    desk.send(&life("mine")).await;
    desk.action("bought", json!([{ "event": "buy" }])).await;
    let of_all = |value: &str| json!([{ "type": "person", "key": "shared_by", "value": value, "operator": "exact" }]);
    let everybody = desk.cohort("everybody", of_all("all")).await;
    let nobody = desk.cohort("nobody", of_all("none")).await;
    let filter = |ty: &str, key: &str, operator: &str, value: Value| json!({ "type": ty, "key": key, "operator": operator, "value": value });
    // What holds for all events changes no answer; what holds for none gives the answer of an empty project.
    let all = [
        filter("person", "shared_by", "exact", json!("all")),
        filter("session", "$entry_pathname", "icontains", json!("/mine")),
        filter("session", "$exit_pathname", "is_set", Value::Null),
        filter("session", "$session_duration", "gte", json!(0)),
        filter("cohort", "id", "in", json!(everybody)),
        filter("cohort", "id", "not_in", json!(nobody)),
        json!({ "type": "group", "group_type_index": 0, "key": "name", "operator": "is_not_set", "value": "is_not_set" }),
        json!({ "type": "hogql", "key": "session.$session_duration >= 0 and person.properties.shared_by = 'all'" }),
        json!({ "type": "OR", "values": [
            filter("session", "$entry_pathname", "icontains", json!("/mine")),
            filter("person", "shared_by", "exact", json!("none")) ] }),
    ];
    let none = [
        filter("person", "shared_by", "exact", json!("none")),
        filter("session", "$entry_pathname", "exact", json!("/nowhere")),
        filter("session", "$channel_type", "exact", json!("Email")),
        filter("session", "$session_duration", "gt", json!(86_400)),
        filter("cohort", "id", "in", json!(nobody)),
        json!({ "type": "group", "group_type_index": 0, "key": "name", "operator": "exact", "value": "x" }),
        json!({ "type": "element", "key": "text", "operator": "exact", "value": "x" }),
        json!({ "type": "hogql", "key": "session.$entry_pathname = '/nowhere'" }),
    ];
    for kind in QUERY_KINDS.iter().filter(|kind| !["HogQLQuery", "ActorsQuery"].contains(kind)) {
        let ask = async |filter: Option<&Value>| {
            let mut query = question(kind);
            query["properties"].as_array_mut().unwrap().extend(filter.cloned());
            desk.answer(query).await["results"].clone()
        };
        let whole = ask(None).await;
        for filter in &all {
            assert_eq!(ask(Some(filter)).await, whole, "{kind} {filter}");
        }
        let empty = ask(Some(&filter("event", "shared", "exact", json!("no")))).await;
        assert_ne!(empty, whole, "{kind} proves nothing");
        for filter in &none {
            assert_eq!(ask(Some(filter)).await, empty, "{kind} {filter}");
        }
    }
}
