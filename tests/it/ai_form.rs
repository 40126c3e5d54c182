//! One event of a language model as a form, with what is long in parts of their own.

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::capture::create_project;
use crate::support::{Reply, TestApp};

const KEY: &str = "phc_form";

/// A form of parts: name, content type and content.
fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content_type, data) in parts {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {content_type}\r\n\r\n");
        body.extend(format!("--a b\r\n{head}").bytes());
        body.extend_from_slice(data);
        body.extend(b"\r\n");
    }
    body.extend(b"--a b--\r\n");
    body
}

async fn send(app: &TestApp, key: Option<&str>, body: Vec<u8>) -> Reply {
    let mut request = app
        .request(Method::POST, "/i/v0/ai")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=\"a b\"")
        .header(header::ORIGIN, "https://shop.example.test");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    app.send(request.body(Full::from(body)).unwrap()).await
}

fn event(distinct_id: &str) -> Vec<u8> {
    let uuid = "01939292-1111-7111-8111-111111111111";
    let properties = json!({"$ai_model": "m", "$ai_latency": 1.5});
    json!({"event": "$ai_generation", "distinct_id": distinct_id, "uuid": uuid, "properties": properties})
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn a_form_becomes_one_event_with_its_long_texts_whole() {
    let app = TestApp::start().await;
    create_project(&app, KEY).await;
    let prompt = "What is a tenrec? ".repeat(20_000);
    let input = json!([{"role": "user", "content": prompt}]).to_string();
    let parts: [(&str, &str, &[u8]); 4] = [
        ("event", "application/json", &event("ada")),
        ("event.properties.$ai_input", "application/json", input.as_bytes()),
        ("event.properties.$ai_output", "text/plain", b"A small mammal."),
        ("event.properties.picture", "image/png", &[0x89, b'P', b'N', b'G', 0xff]),
    ];
    let picture =
        json!({"name": "event.properties.picture", "content_type": "image/png", "bytes": 5, "reason": "binary"});
    // Sent again it is the same event.
    for _ in 0..2 {
        let reply = send(&app, Some(KEY), form(&parts)).await;
        let answer = reply.assert_ok().json();
        assert_eq!(answer["status"], "Ok");
        assert_eq!(answer["accepted_parts"].as_array().map(Vec::len), Some(3));
        assert_eq!(answer["dropped_parts"], json!([picture]));
        assert_eq!(reply.header("access-control-allow-origin"), "https://shop.example.test");
    }
    app.flush().await;
    let rows = app.ch_rows("SELECT event, distinct_id, properties FROM events").await;
    let [row] = rows.as_slice() else { panic!("{} rows", rows.len()) };
    assert_eq!((&row["event"], &row["distinct_id"]), (&json!("$ai_generation"), &json!("ada")));
    let properties = &row["properties"];
    assert_eq!(properties["$ai_model"], "m");
    assert!(properties["$ai_input"][0]["content"] == prompt, "longer than texts of other events may be");
    assert_eq!(properties["$ai_output"], "A small mammal.");
    assert_eq!(properties["$ai_parts_dropped"][0]["name"], "picture");
    assert_eq!(properties["$ai_parts_dropped"][0]["reason"], "binary");
    let metrics = app.get("/metrics").await;
    assert!(metrics.text().contains("tenrec_ai_parts_dropped_total{reason=\"binary\"}"));
}

#[tokio::test]
async fn what_does_not_fit_is_left_out_and_an_event_that_does_not_fit_is_refused() {
    let small = TestApp::builder().config(|config| config.limits.max_ai_event_bytes = 2000);
    let app = small.start().await;
    create_project(&app, KEY).await;
    let long = [b'a'; 3000];
    let body = form(&[("event", "application/json", &event("ada")), ("event.properties.long", "text/plain", &long)]);
    let answer = send(&app, Some(KEY), body).await.assert_ok().json();
    assert_eq!(answer["dropped_parts"][0]["reason"], "too_large");
    let large = json!({"event": "e", "distinct_id": "u", "properties": {"a": "a".repeat(3000)}}).to_string();
    let reply = send(&app, Some(KEY), form(&[("event", "application/json", large.as_bytes())])).await;
    assert_eq!(reply.assert_status(400).json()["code"], "event_too_large");
    app.flush().await;
    let rows = app.ch_rows("SELECT properties FROM events").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["properties"]["$ai_parts_dropped"][0]["bytes"], 3000);
}

#[tokio::test]
async fn a_form_is_refused_as_other_requests_are_and_json_is_taken_too() {
    let app = TestApp::start().await;
    create_project(&app, KEY).await;
    let named = event("ada");
    let whole = form(&[("event", "application/json", &named)]);
    let (cut, personal) = (whole[..whole.len() - 8].to_vec(), "phx_personal");
    let both: Value = serde_json::from_slice(&named).unwrap();
    let mut other_key = both.clone();
    other_key["api_key"] = "phc_other".into();
    let other_key = form(&[("event", "application/json", other_key.to_string().as_bytes())]);
    for (key, body, status, code) in [
        (None, whole.clone(), 401, "missing_api_key"),
        (Some("phc_unknown"), whole.clone(), 401, "invalid_api_key"),
        (Some(personal), whole.clone(), 401, "invalid_api_key"),
        (Some(KEY), other_key, 401, "several_api_keys"),
        (Some(KEY), cut, 400, "invalid_form"),
        (Some(KEY), form(&[("blob", "text/plain", b"1")]), 400, "invalid_form"),
        (Some(KEY), form(&[("event", "application/json", b"{half")]), 400, "invalid_json"),
        (Some(KEY), form(&[("event", "application/json", b"{\"event\":\"e\"}")]), 400, "missing_distinct_id"),
    ] {
        let reply = send(&app, key, body).await;
        assert_eq!(reply.assert_status(status).json()["code"], code);
    }
    let mut as_json = both;
    as_json["api_key"] = KEY.into();
    app.post_json("/i/v0/ai/", &as_json).await.assert_ok();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, 1);
}
