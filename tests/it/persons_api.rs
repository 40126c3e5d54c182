//! `/api/projects/{project}/persons/` and groups, over the API.

use http::{Method, header};
use http_body_util::Full;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tenrec::accounts::keys;
use tenrec::model::UserId;
use uuid::Uuid;

use crate::explorer_support::Explorer;
use crate::support::Reply;

/// A project, and the key of its owner.
pub struct Api {
    pub explorer: Explorer,
    key: String,
}

impl Api {
    pub async fn start() -> Self {
        let explorer = Explorer::start().await;
        let user = UserId::new(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
        let label = "tests".parse().unwrap();
        let key = keys::create(&explorer.app.state().pg, &explorer.app.clock, user, label).await.unwrap();
        Self { key: key.expose().to_owned(), explorer }
    }

    fn path(&self, path: &str) -> String {
        format!("/api/projects/{}{path}", self.explorer.project)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.explorer.app.get_with_key(&self.path(path), &self.key).await
    }

    /// What an address in an answer leads to.
    pub async fn follow(&self, url: &Value) -> Reply {
        let (_, path) = url.as_str().unwrap().split_once("/api/").unwrap();
        self.explorer.app.get_with_key(&format!("/api/{path}"), &self.key).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.explorer.app.post_json_with_key(&self.path(path), &self.key, &body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Reply {
        let app = &self.explorer.app;
        let request = app
            .request(Method::PATCH, &self.path(path))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header(header::CONTENT_TYPE, "application/json");
        app.send(request.body(Full::from(body.to_string())).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        let request = self.explorer.app.request(Method::DELETE, &self.path(path));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        self.explorer.app.send(request.body(Full::default()).unwrap()).await
    }

    /// What a query in SQL answers.
    pub async fn rows(&self, sql: &str) -> Value {
        let query = json!({ "query": { "kind": "HogQLQuery", "query": sql } });
        self.post("/query/", query).await.assert_ok().json()["results"].clone()
    }

    /// The status of an error, and the field that it names.
    async fn refused(&self, path: &str) -> (u16, Value) {
        let reply = self.get(path).await;
        (reply.status.as_u16(), reply.json()["attr"].clone())
    }
}

fn names(reply: &Reply) -> Vec<String> {
    let json = reply.assert_ok().json();
    json["results"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn people_are_listed_a_page_at_a_time_in_both_directions() {
    let api = Api::start().await;
    let now = api.explorer.app.clock.now();
    for at in 0..7_i64 {
        let created = now - SignedDuration::from_secs(at / 3);
        api.explorer.person_at(&[&format!("u-{at}")], json!({ "plan": "pro" }), created).await;
    }
    let all = names(&api.get("/persons/").await);
    assert_eq!(all.len(), 7);
    let mut seen = Vec::new();
    let mut reply = api.get("/persons?limit=3").await;
    assert_eq!(reply.json()["previous"], Value::Null);
    let last = loop {
        seen.extend(names(&reply));
        let json = reply.json();
        let Some(next) = json["next"].as_str() else { break json };
        let path = next.split_once("/api/").unwrap().1.to_owned();
        reply = api.explorer.app.get_with_key(&format!("/api/{path}"), &api.key).await;
    };
    assert_eq!(seen, all, "each once, in order");
    let previous = last["previous"].as_str().unwrap().split_once("/api/").unwrap().1.to_owned();
    let back = api.explorer.app.get_with_key(&format!("/api/{previous}"), &api.key).await;
    assert_eq!(names(&back), all[3..6]);
    let first = back.json()["previous"].as_str().unwrap().split_once("/api/").unwrap().1.to_owned();
    let first = api.explorer.app.get_with_key(&format!("/api/{first}"), &api.key).await;
    assert_eq!((names(&first), first.json()["previous"].clone()), (all[..3].to_vec(), Value::Null));
    let mirror = format!("/api/environments/{}/persons/?limit=1000000000000", api.explorer.project);
    assert_eq!(names(&api.explorer.app.get_with_key(&mirror, &api.key).await), all);
}

#[tokio::test]
async fn people_are_found_by_each_filter() {
    let api = Api::start().await;
    api.explorer.person(&["u-1", "anon-1"], json!({ "email": "Ada@Example.com", "name": "Ada", "seats": 12 })).await;
    api.explorer.person(&["u-2"], json!({ "email": "bob@example.com", "seats": "3", "tags": ["a"] })).await;
    api.explorer.person(&["u-3"], json!({ "name": "Grace", "note": null })).await;
    let filter = |key: &str, operator: &str, value: Value| {
        let json = json!([{ "key": key, "operator": operator, "value": value, "type": "person" }]).to_string();
        format!("properties={}", serde_urlencoded::to_string([("", json)]).unwrap().trim_start_matches('='))
    };
    let (ada, bob, grace) = ("Ada@Example.com", "bob@example.com", "Grace");
    for (query, found) in [
        ("distinct_id=anon-1".to_owned(), vec![ada]),
        ("distinct_id=anon".to_owned(), vec![]),
        ("email=ada@example.COM".to_owned(), vec![ada]),
        ("email=ada".to_owned(), vec![]),
        ("search=example".to_owned(), vec![bob, ada]),
        ("search=anon".to_owned(), vec![ada]),
        (filter("seats", "gt", json!(2)), vec![bob, ada]),
        (filter("seats", "gte", json!(12)), vec![ada]),
        (filter("seats", "lt", json!(12)), vec![bob]),
        (filter("seats", "lte", json!(3)), vec![bob]),
        (filter("seats", "exact", json!([3, 12])), vec![bob, ada]),
        (filter("seats", "is_not", json!("3")), vec![grace, ada]),
        (filter("email", "icontains", json!("EXAMPLE")), vec![bob, ada]),
        (filter("email", "not_icontains", json!("bob")), vec![grace, ada]),
        (filter("email", "regex", json!("^bob@")), vec![bob]),
        (filter("email", "not_regex", json!("^bob@")), vec![grace, ada]),
        (filter("note", "is_set", json!(null)), vec![]),
        (filter("email", "is_not_set", json!(null)), vec![grace]),
        (filter("email", "gt", json!(1)), vec![]),
        (filter("a'b\\c\"", "exact", json!("x")), vec![]),
        ("search=example&email=bob@example.com".to_owned(), vec![bob]),
    ] {
        assert_eq!(names(&api.get(&format!("/persons/?{query}")).await), found, "{query}");
    }
}

#[tokio::test]
async fn a_person_is_read_by_uuid_and_number_and_edited() {
    let api = Api::start().await;
    let (id, uuid) = api.explorer.person(&["u-1"], json!({ "email": "ada@example.com", "plan": "free" })).await;
    let by_uuid = api.get(&format!("/persons/{uuid}/")).await.assert_ok().json();
    let by_number = api.get(&format!("/persons/{}", id.get())).await.assert_ok().json();
    assert_eq!(by_uuid, by_number);
    assert_eq!(by_uuid["uuid"], json!(uuid));
    assert_eq!((&by_uuid["name"], &by_uuid["distinct_ids"]), (&json!("ada@example.com"), &json!(["u-1"])));
    let one = format!("/persons/{uuid}");
    let set = api.post(&format!("{one}/update_property"), json!({ "key": "plan", "value": { "a": [1, true] } })).await;
    assert_eq!(set.assert_ok().json()["properties"]["plan"], json!({ "a": [1, true] }));
    let patched = api.patch(&format!("{one}/"), json!({ "properties": { "seats": 3, "plan": null } })).await;
    assert_eq!(patched.assert_ok().json()["properties"], json!({ "email": "ada@example.com", "seats": 3 }));
    let rows = api.rows("select properties.seats, properties.plan from persons").await;
    assert_eq!(rows, json!([["3", null]]), "queries see it at once");
    let gone = api.post(&format!("{one}/delete_property/"), json!({ "$unset": "seats" })).await;
    assert_eq!(gone.assert_ok().json()["properties"], json!({ "email": "ada@example.com" }));
    // Each change is noted with who made it; what changes nothing is none.
    api.post(&format!("{one}/delete_property/"), json!({ "$unset": "seats" })).await.assert_ok();
    let app = &api.explorer.app;
    let edits = "SELECT string_agg(format('%s: %s > %s', key, old_value, new_value), '; ' ORDER BY id)
                 FROM person_property_edits WHERE edited_by IS NOT NULL";
    assert_eq!(
        app.pg_value::<String>(edits).await,
        r#"plan: "free" > {"a": [1, true]}; seats:  > 3; plan: {"a": [1, true]} > ; seats: 3 > "#
    );
    assert_eq!(app.pg_value::<i64>("SELECT version FROM persons").await, 3);
}

#[tokio::test]
async fn values_of_a_property_are_counted() {
    let api = Api::start().await;
    for (id, plan) in [("a", "pro"), ("b", "pro"), ("c", "free"), ("d", "")] {
        api.explorer.person(&[id], json!({ "plan": plan })).await;
    }
    let values = api.get("/persons/values/?key=plan").await.assert_ok().json();
    assert_eq!(values, json!([{ "name": "pro", "count": 2 }, { "name": "free", "count": 1 }]));
    let values = api.get("/persons/values?key=plan&value=FR").await.assert_ok().json();
    assert_eq!(values, json!([{ "name": "free", "count": 1 }]));
    assert_eq!(api.refused("/persons/values/").await, (400, json!("key")));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let api = Api::start().await;
    let (_, uuid) = api.explorer.person(&["u-1"], json!({})).await;
    for (path, status, attr) in [
        ("/persons/?limit=0", 400, json!("limit")),
        ("/persons/?limit=many", 400, json!("limit")),
        ("/persons/?cursor=nonsense", 400, json!("cursor")),
        ("/persons/?cursor=7.~ada", 400, json!("cursor")),
        ("/persons/?cursor=%3C7.x", 400, json!("cursor")),
        ("/persons/?properties=%7B", 400, json!("properties")),
        (
            "/persons/?properties=%5B%7B%22key%22%3A%22a%22%2C%22operator%22%3A%22near%22%7D%5D",
            400,
            json!("properties"),
        ),
        (
            "/persons/?properties=%5B%7B%22key%22%3A%22a%22%2C%22operator%22%3A%22regex%22%2C%22value%22%3A%22(%22%7D%5D",
            400,
            json!("properties"),
        ),
        ("/persons/what/", 400, json!("id")),
        ("/persons/-1/", 400, json!("id")),
        ("/persons/99999999999999999999/", 400, json!("id")),
        ("/persons/999999/", 404, Value::Null),
        ("/persons/00000000-0000-0000-0000-000000000000/", 404, Value::Null),
        ("/groups/", 400, json!("group_type_index")),
        ("/groups/?group_type_index=5", 400, json!("group_type_index")),
        ("/groups/?group_type_index=0&limit=-1", 400, json!("limit")),
        ("/groups/find/?group_type_index=0", 400, json!("group_key")),
        ("/groups/find/?group_type_index=0&group_key=none", 404, Value::Null),
    ] {
        assert_eq!(api.refused(path).await, (status, attr), "{path}");
    }
    let one = format!("/persons/{uuid}");
    for (path, body, attr) in [
        ("update_property", json!({ "value": 1 }), "key"),
        ("update_property", json!({ "key": "", "value": 1 }), "key"),
        ("update_property", json!({ "key": "a\u{0}", "value": 1 }), "key"),
        ("update_property", json!({ "key": "a" }), "value"),
        ("update_property", json!({ "key": "a", "value": "\u{0}" }), "value"),
        ("delete_property", json!({}), "$unset"),
    ] {
        let reply = api.post(&format!("{one}/{path}/"), body.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["attr"]), (400, &json!(attr)), "{path} {body}");
    }
    assert_eq!(api.patch(&one, json!({})).await.assert_status(400).json()["attr"], "properties");
    let many: serde_json::Map<String, Value> = (0..2_001).map(|at| (format!("k{at}"), json!(at))).collect();
    assert_eq!(api.patch(&one, json!({ "properties": many })).await.assert_status(400).json()["attr"], "properties");
    assert_eq!(api.get(&one).await.json()["properties"], json!({}), "nothing was changed");
}

#[tokio::test]
async fn nobody_reaches_people_of_others() {
    let api = Api::start().await;
    let Api { explorer, key } = &api;
    let (id, uuid) = explorer.person(&["u-1"], json!({ "email": "ada@example.com" })).await;
    explorer.app.pg_execute(&format!("UPDATE persons SET project_id = {}", explorer.other_project)).await;
    for path in [format!("/persons/{uuid}/"), format!("/persons/{}/", id.get())] {
        api.get(&path).await.assert_status(404);
        api.patch(&path, json!({ "properties": { "a": 1 } })).await.assert_status(404);
        api.post(&format!("{path}update_property/"), json!({ "key": "a", "value": 1 })).await.assert_status(404);
        api.post(&format!("{path}delete_property/"), json!({ "$unset": "email" })).await.assert_status(404);
    }
    assert!(names(&api.get("/persons/").await).is_empty());
    for project in [explorer.other_project.to_string(), "999999".to_owned()] {
        for path in ["persons/", "persons/values/?key=email", "groups/?group_type_index=0", "groups_types/"] {
            let path = format!("/api/projects/{project}/{path}");
            explorer.app.get_with_key(&path, key).await.assert_status(404);
            explorer.app.get(&path).await.assert_status(401);
        }
    }
    explorer.browser.get(&api.path("/persons/")).await.assert_status(401);
}

#[tokio::test]
async fn a_viewer_reads_people_and_changes_none() {
    let api = Api::start().await;
    let (_, uuid) = api.explorer.person(&["u-1"], json!({ "plan": "pro" })).await;
    api.explorer.app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    let one = format!("/persons/{uuid}/");
    api.get(&one).await.assert_ok();
    api.patch(&one, json!({ "properties": { "plan": "x" } })).await.assert_status(403);
    api.post(&format!("{one}update_property/"), json!({ "key": "plan", "value": "x" })).await.assert_status(403);
    api.post(&format!("{one}delete_property/"), json!({ "$unset": "plan" })).await.assert_status(403);
    assert_eq!(api.get(&one).await.json()["properties"], json!({ "plan": "pro" }));
}

#[tokio::test]
async fn groups_are_listed_by_type() {
    let api = Api::start().await;
    api.explorer.group(0, "company", "acme", json!({ "name": "Acme", "seats": 12 })).await;
    api.explorer.group(0, "company", "zoo", json!({ "seats": 3 })).await;
    api.explorer.group(1, "team", "red", json!({})).await;
    let types = api.get("/groups_types/").await.assert_ok().json();
    let types: Vec<_> = types
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["group_type"].clone(), one["group_type_index"].clone()))
        .collect();
    assert_eq!(types, [(json!("company"), json!(0)), (json!("team"), json!(1))]);
    let keys = |reply: &Reply| -> Vec<String> {
        let json = reply.assert_ok().json();
        json["results"].as_array().unwrap().iter().map(|one| one["group_key"].as_str().unwrap().to_owned()).collect()
    };
    let first = api.get("/groups/?group_type_index=0&limit=1").await;
    assert_eq!(keys(&first), ["acme"]);
    assert_eq!(first.json()["results"][0]["group_properties"], json!({ "name": "Acme", "seats": 12 }));
    let next = first.json()["next"].as_str().unwrap().split_once("/api/").unwrap().1.to_owned();
    let second = api.explorer.app.get_with_key(&format!("/api/{next}"), &api.key).await;
    assert_eq!((keys(&second), second.json()["next"].clone()), (vec!["zoo".to_owned()], Value::Null));
    assert_eq!(keys(&api.get("/groups/?group_type_index=0&search=ACM").await), ["acme"]);
    let few = "/groups/?group_type_index=0&properties=%5B%7B%22key%22%3A%22seats%22%2C%22operator%22%3A%22lt%22%2C%22value%22%3A5%7D%5D";
    assert_eq!(keys(&api.get(few).await), ["zoo"]);
    assert_eq!(keys(&api.get("/groups/?group_type_index=2").await), [""; 0]);
    let one = api.get("/groups/find/?group_type_index=1&group_key=red").await.assert_ok().json();
    assert_eq!(one["group_key"], "red");
}
