//! `/api/projects/{project}/actions/`, and questions that name an action.

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::Desk;
use crate::support::Reply;

impl Desk {
    /// A call of the API about this project.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Reply {
        let path = format!("/api/projects/{}{path}", self.owner.project);
        let request = self
            .app
            .request(method, &path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.owner.personal_key))
            .header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.app.send(request.body(Full::from(body)).unwrap()).await
    }

    /// Makes an action, and gives its id.
    pub async fn action(&self, name: &str, steps: Value) -> i64 {
        let reply = self.call(Method::POST, "/actions/", json!({ "name": name, "steps": steps })).await;
        reply.assert_status(201).json()["id"].as_i64().unwrap()
    }

    /// The events that a filter or action leaves, by their property `n`.
    pub async fn numbers(&self, fields: Value) -> Vec<i64> {
        let mut query = json!({ "kind": "EventsQuery", "select": ["properties.n"], "after": "all",
            "orderBy": ["properties.n"] });
        query.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let rows = self.answer(query).await["results"].clone();
        let number = |row: &Value| row[0].as_i64().or_else(|| row[0].as_str().and_then(|text| text.parse().ok()));
        rows.as_array().unwrap().iter().filter_map(number).collect()
    }
}

fn click(n: u32, elements: &Value) -> Value {
    json!({ "event": "$autocapture", "distinct_id": "ada", "timestamp": format!("2026-10-02T10:00:{n:02}Z"),
        "properties": { "n": n, "$elements": elements } })
}

fn event(n: u32, name: &str, mut properties: Value) -> Value {
    properties["n"] = n.into();
    json!({ "event": name, "distinct_id": "ada", "timestamp": format!("2026-10-02T10:00:{n:02}Z"), "properties": properties })
}

async fn clicks() -> Desk {
    let desk = Desk::start().await;
    desk.send(&json!([
        click(1, &json!([
            { "tag_name": "a", "$el_text": "Pay \"now\"", "attr__href": "/pay?x=1", "attr__class": ["btn", "big", "sm:flex"], "attr__id": "pay",
              "attr__data-kind": "a;b", "nth_child": 2, "nth_of_type": 1 },
            { "tag_name": "li", "attr__class": ["item"], "nth_child": 3 },
            { "tag_name": "div", "attr__id": "main", "attr__class": ["list"] },
        ])),
        click(2, &json!([
            { "tag_name": "button", "$el_text": "Cancel", "attr__class": ["btn"], "attr__title": "x;a.btn:attr_id=" },
            { "tag_name": "div", "attr__id": "main" },
        ])),
        click(3, &json!([{ "tag_name": "abbr", "$el_text": "what is it" }])),
        event(4, "$pageview", json!({ "$current_url": "https://x.example/Pay/100%" })),
        event(5, "$pageview", json!({ "$current_url": "https://x.example/pay/100%/done" })),
        event(6, "paid", json!({ "plan": "pro", "$set": { "email": "ada@example.com" } })),
        event(7, "paid", json!({ "plan": "free" })),
    ]))
    .await;
    desk
}

#[tokio::test]
async fn an_action_is_whatever_any_of_its_steps_says() {
    let desk = clicks().await;
    for (at, (steps, numbers)) in [
        (json!([{ "event": "paid" }]), vec![6, 7]),
        (json!([{ "event": "paid", "properties": [{ "key": "plan", "value": "pro", "operator": "exact", "type": "event" }] }]), vec![6]),
        (json!([{ "event": "paid", "properties": [{ "key": "email", "value": ".com", "operator": "icontains", "type": "person" }] }]), vec![6, 7]),
        (json!([{ "event": "$pageview", "url": "/pay/" }, { "event": "paid" }]), vec![5, 6, 7]),
        (json!([{ "event": "$pageview", "url": "100%" }]), vec![4, 5]),
        (json!([{ "event": "$pageview", "url": "https://x.example/Pay/100%", "url_matching": "exact" }]), vec![4]),
        (json!([{ "event": "$pageview", "url": "(?i)/pay/.*%$", "url_matching": "regex" }]), vec![4]),
        (json!([{ "event": null }]), vec![1, 2, 3, 4, 5, 6, 7]),
        (json!([{ "event": "$autocapture", "text": "Cancel" }]), vec![2]),
        (json!([{ "event": "$autocapture", "text": "cancel" }]), vec![]),
        (json!([{ "event": "$autocapture", "text": "Pay \"now\"" }]), vec![1]),
        (json!([{ "event": "$autocapture", "text": "AN", "text_matching": "contains" }]), vec![2]),
        (json!([{ "event": "$autocapture", "text": "^[CP]a", "text_matching": "regex" }]), vec![1, 2]),
        (json!([{ "event": "$autocapture", "href": "/pay?x=1" }]), vec![1]),
        (json!([{ "event": "$autocapture", "href": "pay", "href_matching": "contains" }]), vec![1]),
        (json!([{ "event": "$autocapture", "tag_name": "a" }]), vec![1]),
        (json!([{ "event": "$autocapture", "tag_name": "div" }]), vec![1, 2]),
    ]
    .into_iter()
    .enumerate()
    {
        let id = desk.action(&format!("action {at}"), steps.clone()).await;
        assert_eq!(desk.numbers(json!({ "actionId": id })).await, numbers, "{steps}");
    }
}

#[tokio::test]
async fn selectors_find_elements_in_the_chain() {
    let desk = clicks().await;
    for (selector, numbers) in [
        ("a", vec![1]),
        (".btn", vec![1, 2]),
        ("a.btn", vec![1]),
        ("a.btn.big", vec![1]),
        ("a.big.btn", vec![1]),
        (".btn.small", vec![]),
        (".sm\\:flex", vec![1]),
        ("#main", vec![1, 2]),
        ("#mai", vec![]),
        ("#main .btn", vec![1, 2]),
        ("#main > .btn", vec![2]),
        ("#main > li > a", vec![1]),
        ("div.list .item a#pay", vec![1]),
        (".btn #main", vec![]),
        ("[data-kind]", vec![1]),
        ("a[data-kind=\"a;b\"]", vec![1]),
        ("[href='/pay?x=1']", vec![1]),
        ("[href^=\"/pay\"][id$=ay]", vec![1]),
        ("[title*=btn]", vec![2]),
        ("*[title]", vec![2]),
        ("li:nth-child(3) > a:nth-of-type(1)", vec![1]),
        ("li:nth-child(2) > a", vec![]),
        ("button, abbr", vec![2, 3]),
        ("b", vec![]),
    ] {
        let filter = json!([{ "type": "element", "key": "selector", "operator": "exact", "value": selector }]);
        assert_eq!(desk.numbers(json!({ "properties": filter, "event": "$autocapture" })).await, numbers, "{selector}");
    }
    let not = json!([{ "type": "element", "key": "selector", "operator": "is_not", "value": ["a", "button"] }]);
    assert_eq!(desk.numbers(json!({ "properties": not, "event": "$autocapture" })).await, [3]);
    let tag = json!([{ "type": "element", "key": "tag_name", "operator": "exact", "value": "abbr" }]);
    assert_eq!(desk.numbers(json!({ "properties": tag })).await, [3]);
}

#[tokio::test]
async fn every_kind_counts_actions() {
    let desk = clicks().await;
    let id = desk.action("Paid or saw", json!([{ "event": "paid" }, { "event": "$pageview" }])).await;
    let series =
        json!([{ "kind": "ActionsNode", "id": id, "properties": [{ "key": "n", "operator": "gt", "value": 4 }] }]);
    let dates = json!({ "date_from": "2026-10-01", "date_to": "2026-10-03" });
    for kind in ["StickinessQuery", "LifecycleQuery"] {
        let answer = desk.answer(json!({ "kind": kind, "series": series, "dateRange": dates })).await;
        let line = &answer["results"][0];
        assert_eq!(line["action"]["id"], id, "{line}");
        assert_eq!(line["action"]["type"], "actions");
        assert_eq!(line["action"]["name"], "Paid or saw");
        assert!(line["data"].as_array().unwrap().contains(&json!(1)), "{line}");
    }
    let gone = desk.call(Method::DELETE, &format!("/actions/{id}/"), Value::Null).await;
    gone.assert_status(204);
    let reply = desk.reply(json!({ "kind": "LifecycleQuery", "series": series, "dateRange": dates })).await;
    assert_eq!(reply.assert_status(400).json()["attr"], "series[0].id");
}

#[tokio::test]
async fn actions_are_made_listed_changed_and_taken_away() {
    let desk = Desk::start().await;
    let id = desk.action("  Signed up ", json!([{ "event": "signup" }])).await;
    let other = desk.action("other", json!([{ "event": "x" }])).await;
    let one = format!("/actions/{id}/");
    let found = desk.call(Method::GET, &one, Value::Null).await.assert_ok().json();
    assert_eq!((&found["name"], &found["steps"]), (&json!("Signed up"), &json!([{ "event": "signup" }])));
    let listed = desk.call(Method::GET, "/actions/?search=SIGN", Value::Null).await.assert_ok().json();
    assert_eq!((&listed["count"], &listed["results"][0]["id"]), (&json!(1), &json!(id)));
    let changed = json!({ "steps": [{ "event": "signed_up" }], "description": "new" });
    let changed = desk.call(Method::PATCH, &one, changed).await.assert_ok().json();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Signed up"), &json!("new")));
    for (path, body, attr) in [
        ("/actions/", json!({ "steps": [{}] }), "name"),
        ("/actions/", json!({ "name": " ", "steps": [{}] }), "name"),
        ("/actions/", json!({ "name": "Signed up", "steps": [{}] }), "name"),
        ("/actions/", json!({ "name": "n" }), "steps"),
        ("/actions/", json!({ "name": "n", "steps": [] }), "steps"),
        (
            "/actions/",
            json!({ "name": "n", "steps": [{ "url": "x", "url_matching": "like" }] }),
            "steps[0].url_matching",
        ),
        ("/actions/", json!({ "name": "n", "steps": [{ "selector": "a ~ b" }] }), "steps[0].selector"),
        ("/actions/", json!({ "name": "n", "steps": [{}], "tags": "x" }), "tags"),
    ] {
        let reply = desk.call(Method::POST, path, body.clone()).await;
        assert_eq!(reply.assert_status(400).json()["attr"], attr, "{body}");
    }
    let taken = desk.call(Method::PATCH, &format!("/actions/{other}/"), json!({ "name": "Signed up" })).await;
    assert_eq!(taken.assert_status(400).json()["attr"], "name");
    desk.call(Method::PATCH, &one, json!({ "deleted": true })).await.assert_ok();
    desk.call(Method::GET, &one, Value::Null).await.assert_status(404);
    desk.call(Method::DELETE, &one, Value::Null).await.assert_status(404);
    // Its name is free again.
    desk.action("Signed up", json!([{ "event": "signup" }])).await;
}

#[tokio::test]
async fn an_action_of_another_project_is_none() {
    let desk = Desk::start().await;
    let (_, project, _) = desk.app.stranger().await;
    let theirs: i64 = desk
        .app
        .pg_value(&format!(
            "INSERT INTO actions (project_id, name, steps, created_at, updated_at)
             VALUES ({project}, 'canary', '[{{}}]', now(), now()) RETURNING id"
        ))
        .await;
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        desk.call(method, &format!("/actions/{theirs}/"), json!({ "name": "mine" })).await.assert_status(404);
    }
    let listed = desk.call(Method::GET, "/actions/", Value::Null).await.json();
    assert_eq!(listed["count"], 0);
    let asked = json!({ "kind": "EventsQuery", "select": ["event"], "actionId": theirs });
    assert_eq!(desk.reply(asked).await.assert_status(400).json()["attr"], "actionId");
    let name: String =
        desk.app.pg_value(&format!("SELECT name FROM actions WHERE id = {theirs} AND deleted_at IS NULL")).await;
    assert_eq!(name, "canary");
}
