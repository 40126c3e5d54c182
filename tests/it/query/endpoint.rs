//! How the endpoint takes a question, answers it, and refuses one.

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp};

pub(super) async fn patch(app: &TestApp, path: &str, key: &str, body: &Value) -> Reply {
    let request = app
        .request(Method::PATCH, path)
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json");
    app.send(request.body(Full::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn a_trend_is_answered_with_all_that_every_answer_holds() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let query = json!({ "kind": "InsightVizNode", "source": { "kind": "TrendsQuery", "series": [{ "event": "x" }] } });
    let body = json!({ "query": query, "refresh": "force_blocking", "client_query_id": "mine" });
    for parent in ["projects", "environments"] {
        for slash in ["", "/"] {
            let path = format!("/api/{parent}/{}/query{slash}", owner.project);
            let answer = app.post_json_with_key(&path, &owner.personal_key, &body).await.assert_ok().json();
            assert_eq!(answer["results"][0]["data"], json!([0, 0, 0, 0, 0, 0, 0, 0]), "{answer}");
            assert_eq!((&answer["timezone"], &answer["is_cached"]), (&json!("Europe/Berlin"), &json!(false)));
            assert_eq!((&answer["error"], &answer["client_query_id"]), (&Value::Null, &json!("mine")));
            assert!(answer["timings"][0]["t"].is_number() && answer["clickhouse"].is_string());
        }
    }
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_by_field() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let path = format!("/api/projects/{}/query/", owner.project);
    for (body, attr) in [
        (json!({}), "query"),
        (json!({ "query": "select 1" }), "query"),
        (json!({ "query": {} }), "kind"),
        (json!({ "query": { "kind": "NoSuchQuery" } }), "kind"),
        (json!({ "query": { "kind": "TrendsQuery" } }), "series"),
        (json!({ "query": { "kind": "TrendsQuery", "series": [{ "math": "magic" }] } }), "series[0].math"),
        (json!({ "query": { "kind": "TrendsQuery", "series": [{}] }, "refresh": "maybe" }), "refresh"),
    ] {
        let reply = app.post_json_with_key(&path, &owner.personal_key, &body).await;
        let fault = reply.assert_status(400).json();
        assert_eq!((&fault["type"], &fault["code"]), (&json!("validation_error"), &json!("invalid_input")), "{fault}");
        assert_eq!(fault["attr"], json!(attr), "{fault}");
        assert!(fault["detail"].as_str().is_some_and(|text| text.ends_with('.')), "{fault}");
    }
    app.post_json_with_key(&path, "phx_nobody", &json!({})).await.assert_status(401);
    let (_, theirs, _) = app.stranger().await;
    let path = format!("/api/projects/{theirs}/query/");
    app.post_json_with_key(&path, &owner.personal_key, &json!({})).await.assert_status(404);
}

#[tokio::test]
async fn settings_of_a_project_are_kept_and_checked() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let path = format!("/api/projects/{}/", owner.project);
    let before = app.get_with_key(&path, &owner.personal_key).await.assert_ok().json();
    assert_eq!((&before["week_start_day"], &before["test_account_filters"]), (&json!(0), &json!([])));
    let filters = json!([{ "key": "email", "type": "person", "operator": "not_icontains", "value": "@us.example" }]);
    let rules = json!([{ "regex": "/\\d+", "alias": "/<id>" }]);
    let wish = json!({ "week_start_day": 1, "test_account_filters": filters, "path_cleaning_filters": rules });
    let changed = patch(&app, &path, &owner.personal_key, &wish).await.assert_ok().json();
    for field in ["week_start_day", "test_account_filters", "path_cleaning_filters"] {
        assert_eq!(changed[field], wish[field]);
    }
    let renamed = patch(&app, &path, &owner.personal_key, &json!({ "name": "Shop 2" })).await.assert_ok().json();
    assert_eq!((&renamed["week_start_day"], &renamed["name"]), (&json!(1), &json!("Shop 2")));
    for (field, value) in [("week_start_day", json!(2)), ("test_account_filters", json!(["x"]))] {
        let fault = patch(&app, &path, &owner.personal_key, &json!({ field: value })).await.assert_status(400).json();
        assert_eq!(fault["attr"], json!(field));
    }
}

#[tokio::test]
async fn a_property_gets_another_type() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let event = json!({ "api_key": owner.api_key, "event": "x", "distinct_id": "a",
        "properties": { "index": "3", "Size": 4, "$set": { "age": 5 } } });
    app.post_json("/i/v0/e/", &event).await.assert_ok();
    app.flush().await;
    let base = format!("/api/projects/{}/property_definitions/", owner.project);
    let list =
        async |rest: &str| app.get_with_key(&format!("{base}{rest}"), &owner.personal_key).await.assert_ok().json();
    assert_eq!(list("?type=person").await["results"][0]["name"], "age");
    let found = list("?search=INDEX&type=event").await;
    assert_eq!((&found["count"], &found["results"][0]["property_type"]), (&json!(1), &json!("String")));
    let one = format!("{base}{}/", found["results"][0]["id"].as_str().unwrap());
    let changed =
        patch(&app, &one, &owner.personal_key, &json!({ "property_type": "Numeric" })).await.assert_ok().json();
    assert_eq!((&changed["property_type"], &changed["is_numerical"]), (&json!("Numeric"), &json!(true)));
    assert_eq!(list("?search=index").await["results"][0], changed);
    patch(&app, &one, &owner.personal_key, &json!({ "property_type": "Magic" })).await.assert_status(400);
    let (_, theirs, _) = app.stranger().await;
    let elsewhere = one.replace(&format!("/{}/", owner.project), &format!("/{theirs}/"));
    patch(&app, &elsewhere, &owner.personal_key, &json!({ "property_type": "String" })).await.assert_status(404);
}
