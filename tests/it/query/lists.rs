//! Lists of events and of people.

use serde_json::{Value, json};

use super::Desk;

async fn shop() -> Desk {
    let desk = Desk::start().await;
    let event = |name: &str, who: &str, at: &str, properties: Value| json!({ "event": name, "distinct_id": who, "timestamp": at, "properties": properties });
    desk.send(&json!([
        event(
            "buy",
            "ada",
            "2026-11-01T09:00:00Z",
            json!({ "price": 3, "$browser": "Chrome", "a.b": 1,
            "$set": { "email": "ada@example.com", "name": "Ada", "level": 3 } })
        ),
        event(
            "buy",
            "bob",
            "2026-11-01T10:00:00Z",
            json!({ "price": 5, "odd": { "x.y": [1, { "z": null }] },
            "$set": { "email": "bob@example.com", "name": "Bob", "level": 1 } })
        ),
        event(
            "look",
            "ada",
            "2026-11-01T11:00:00Z",
            json!({ "$elements": [
            { "tag_name": "button", "$el_text": "Buy now", "attr__href": "/buy" }, { "tag_name": "div" }] })
        ),
        event("old", "ada", "2026-10-01T11:00:00Z", json!({})),
    ]))
    .await;
    desk
}

#[tokio::test]
async fn events_come_whole_with_their_people() {
    let desk = shop().await;
    let answer =
        desk.answer(json!({ "kind": "EventsQuery", "select": ["*", "person", "properties.price -- Price"] })).await;
    assert_eq!(answer["columns"], json!(["*", "person", "properties.price -- Price"]));
    let rows = answer["results"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row[0]["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["look", "buy", "buy"], "the newest first, of the last day");
    let bought = &rows[1];
    assert_eq!(bought[0]["properties"]["price"], 5);
    assert_eq!(bought[0]["properties"]["odd"], json!({ "x.y": [1, {}] }));
    assert_eq!(rows[2][0]["properties"]["a.b"], 1);
    assert!(rows[2][0]["properties"].get("$os").is_none(), "what is not set is not there");
    assert_eq!(rows[2][0]["properties"]["$browser"], "Chrome");
    assert_eq!(
        (&bought[1]["distinct_id"], &bought[1]["properties"]["email"]),
        (&json!("bob"), &json!("bob@example.com"))
    );
    assert_eq!((&bought[2], &answer["hasMore"]), (&json!(5), &json!(false)));
    assert!(bought[0]["timestamp"].as_str().unwrap().starts_with("2026-11-01T10:00:00"));
}

#[tokio::test]
async fn events_are_filtered_ordered_and_counted() {
    let desk = shop().await;
    let ask = async |more: Value| {
        let mut query = json!({ "kind": "EventsQuery", "select": ["event", "distinct_id"], "after": "2026-10-31", "orderBy": ["timestamp ASC"] });
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.answer(query).await["results"].clone()
    };
    let filter = |filter: Value| json!({ "properties": [filter] });
    assert_eq!(ask(json!({ "event": "look" })).await, json!([["look", "ada"]]));
    assert_eq!(
        ask(json!({ "events": ["look", "old"], "after": "all" })).await,
        json!([["old", "ada"], ["look", "ada"]])
    );
    assert_eq!(ask(json!({ "where": ["properties.price > 4"] })).await, json!([["buy", "bob"]]));
    assert_eq!(
        ask(json!({ "before": "2026-11-01 10:30:00" })).await,
        json!([["buy", "ada"]]),
        "the project is in Berlin"
    );
    for (said, found) in [
        (json!({ "key": "price", "operator": "exact", "value": ["5", 3], "type": "event" }), 2),
        (json!({ "key": "price", "operator": "is_not", "value": 3, "type": "event" }), 2),
        (json!({ "key": "price", "operator": "between", "value": [4, 6], "type": "event" }), 1),
        (json!({ "key": "price", "operator": "exact", "value": "none", "type": "event" }), 0),
        (json!({ "key": "email", "operator": "icontains", "value": "ADA@", "type": "person" }), 2),
        (json!({ "key": "email", "operator": "not_icontains", "value": "ada@", "type": "person" }), 1),
        (json!({ "key": "text", "operator": "exact", "value": "Buy now", "type": "element" }), 1),
        (json!({ "key": "text", "operator": "is_not", "value": "Buy now", "type": "element" }), 2),
        (json!({ "key": "tag_name", "operator": "exact", "value": "button", "type": "element" }), 1),
        (json!({ "key": "href", "operator": "regex", "value": "^/b", "type": "element" }), 1),
        (json!({ "key": "distinct_id", "operator": "exact", "value": "bob", "type": "event_metadata" }), 1),
        (json!({ "key": "properties.price + 1 = 4", "type": "hogql" }), 1),
        (
            json!({ "type": "OR", "values": [{ "key": "price", "operator": "lt", "value": 4 }, { "key": "$browser", "operator": "is_not_set" }] }),
            3,
        ),
    ] {
        assert_eq!(ask(filter(said.clone())).await.as_array().unwrap().len(), found, "{said}");
    }
    let counted =
        json!({ "kind": "EventsQuery", "select": ["event", "count()", "sum(properties.price)"], "after": "all" });
    assert_eq!(desk.answer(counted).await["results"], json!([["buy", 2, 8], ["look", 1, null], ["old", 1, null]]));
}

#[tokio::test]
async fn people_are_listed_searched_and_counted() {
    let desk = shop().await;
    let ask = async |more: Value| {
        let mut query = json!({ "kind": "ActorsQuery", "select": ["properties.name"] });
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.answer(query).await["results"].clone()
    };
    assert_eq!(ask(json!({})).await, json!([["Ada"], ["Bob"]]));
    assert_eq!(ask(json!({ "orderBy": ["properties.name DESC"], "limit": 1 })).await, json!([["Bob"]]));
    assert_eq!(ask(json!({ "search": "bob@" })).await, json!([["Bob"]]));
    assert_eq!(ask(json!({ "search": "ADA" })).await, json!([["Ada"]]));
    let level = json!({ "properties": [{ "key": "level", "operator": "gte", "value": 2, "type": "person" }] });
    assert_eq!(ask(level).await, json!([["Ada"]]));
    assert_eq!(ask(json!({ "select": ["count()"] })).await, json!([[2]]));
    let by_sql = |sql: &str| json!({ "source": { "kind": "HogQLQuery", "query": sql, "values": { "name": "Bob" } } });
    let one = "select distinct person_id from events where person.properties.name = 'Ada'";
    assert_eq!(ask(by_sql(one)).await, json!([["Ada"]]));
    let several = "select count() as n, person_id from events where person.properties.name = {name} group by person_id";
    assert_eq!(ask(by_sql(several)).await, json!([["Bob"]]));
    assert_eq!(
        ask(by_sql("select id from persons union all select person_id from events")).await.as_array().unwrap().len(),
        2
    );
    assert_eq!(ask(by_sql("select id from persons where 1 = 0")).await, json!([]));
    let whole = ask(json!({ "select": ["person"] })).await;
    assert_eq!(whole[0][0]["properties"]["level"].as_u64().map(|n| n > 0), Some(true), "{whole}");
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    let events = |more: Value| {
        let mut query = json!({ "kind": "EventsQuery", "select": ["event"] });
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        query
    };
    let people = |sql: &str| json!({ "kind": "ActorsQuery", "source": { "kind": "HogQLQuery", "query": sql } });
    for (query, attr) in [
        (events(json!({ "select": [] })), "select"),
        (events(json!({ "select": ["event) FROM events --"] })), "select[0]"),
        (events(json!({ "where": ["1 = 1", "event = "] })), "where[1]"),
        (events(json!({ "orderBy": ["timestamp; drop"] })), "orderBy[0]"),
        (events(json!({ "orderBy": ["nope"] })), "select"),
        (events(json!({ "after": "yesterday" })), "after"),
        (events(json!({ "after": "2026-11-01", "before": "2026-10-01" })), "before"),
        (events(json!({ "limit": 1_000_000 })), "limit"),
        (events(json!({ "limit": -1 })), "limit"),
        (events(json!({ "properties": [{ "key": "a", "operator": "magic", "value": 1 }] })), "properties[0].operator"),
        (events(json!({ "properties": [{ "key": "a", "operator": "gt", "value": [1, 2] }] })), "properties[0].value"),
        (events(json!({ "properties": [{ "key": "a", "type": "planet", "value": 1 }] })), "properties[0].type"),
        (events(json!({ "properties": [{ "key": "a", "value": { "$gt": "" } }] })), "properties[0].value"),
        (
            events(json!({ "properties": [{ "key": "1 = (select 1 from nowhere", "type": "hogql" }] })),
            "properties[0].key",
        ),
        (json!({ "kind": "ActorsQuery", "search": 5 }), "search"),
        (people("select event, timestamp from events"), "source.query"),
        (people("select nothing_of_this_name from events"), "source.query"),
        (people("select person_id from"), "source.query"),
        (json!({ "kind": "ActorsQuery", "source": { "kind": "HogQLQuery" } }), "source.query"),
        (json!({ "kind": "HogQLQuery" }), "query"),
        (json!({ "kind": "HogQLQuery", "query": 5 }), "query"),
    ] {
        let reply = desk.reply(query.clone()).await;
        assert_eq!(reply.status.as_u16(), 400, "{query}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], json!(attr), "{query}\n{}", reply.text());
    }
}

#[tokio::test]
async fn columns_have_names_and_people_too() {
    let desk = Desk::start().await;
    let event = |name: &str, who: &str, minute: u32, set: Value| json!({ "event": name, "distinct_id": who, "timestamp": format!("2026-10-30T10:{minute:02}:00Z"), "properties": { "$set": set } });
    desk.send(&json!([
        event("v", "ada", 0, json!({ "email": "ada@x.example", "name": "Ada" })),
        event("v", "bob", 1, json!({ "name": "Bob" })),
        event("w", "cleo", 2, json!({ "size": 1 })),
    ]))
    .await;
    let query = json!({ "kind": "EventsQuery", "after": "2026-10-01", "select": ["event as what", "person_display_name -- Person"],
        "orderBy": ["timestamp"] });
    let by_person = json!({ "kind": "EventsQuery", "after": "2026-10-01", "select": ["person_id", "person"], "orderBy": ["person DESC"] });
    let ids = desk.answer(by_person).await["results"].clone();
    let ids: Vec<Value> = ids.as_array().unwrap().iter().map(|row| json!([row[0]])).collect();
    assert_eq!(json!(ids), desk.rows("select person_id from events order by person_id desc").await);
    let answer = desk.answer(query).await;
    assert_eq!(answer["columns"], json!(["event as what", "person_display_name -- Person"]));
    let names: Vec<&Value> = answer["results"].as_array().unwrap().iter().map(|row| &row[1]["display_name"]).collect();
    assert_eq!(names, ["ada@x.example", "Bob", "cleo"]);
    assert_eq!((&answer["results"][2][0], &answer["results"][2][1]["distinct_id"]), (&json!("w"), &json!("cleo")));
    let source = json!({ "kind": "HogQLQuery", "query": "select person_id, count() from events where event = 'v' group by person_id" });
    let query = json!({ "kind": "ActorsQuery", "select": ["person_display_name", "id"], "source": source, "orderBy": ["properties.name"] });
    let answer = desk.answer(query).await;
    assert_eq!(answer["results"][0][0]["display_name"], "ada@x.example");
    assert_eq!(
        (answer["results"].as_array().unwrap().len(), &answer["results"][1][0]["display_name"]),
        (2, &json!("Bob"))
    );
    assert_eq!(answer["results"][0][0]["id"], answer["results"][0][1]);
}
