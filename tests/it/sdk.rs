//! What the browser SDK loads and calls beside capture: its bundles, its configuration, its side channels.

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::capture::create_project;
use crate::fixtures::{self, recordings};
use crate::support::TestApp;

#[tokio::test]
async fn configuration_comes_as_json_as_a_script_and_before_the_bundle() {
    let app = TestApp::start().await;
    create_project(&app, "phc_test").await;
    let config = app.get("/array/phc_test/config").await.assert_ok().json();
    assert_eq!(config["token"], "phc_test");
    assert_eq!(config["defaultIdentifiedOnly"], true);
    let script = app.get("/array/phc_test/config.js").await;
    assert!(script.assert_ok().header("content-type").starts_with("text/javascript"));
    let text = script.text();
    let (_, object) = text.split_once("all[\"phc_test\"]={config:").expect("it sets the project's entry");
    let (object, _) = object.rsplit_once(",siteApps:[]};").expect("it ends the entry");
    assert_eq!(serde_json::from_str::<Value>(object).expect("JSON is JavaScript"), config);
    let bundle = app.get("/array/phc_test/array.js").await;
    assert!(bundle.assert_ok().text().starts_with(text));
    assert!(bundle.text().len() > 100_000, "the bundle follows");

    for path in ["/array/phc_unknown/config", "/array/phc_unknown/config.js", "/array/phx_1/config"] {
        assert_eq!(app.get(path).await.assert_status(401).json()["code"], "invalid_api_key", "{path}");
    }
    app.get("/array/phc_test/other.js").await.assert_status(404);
}

#[tokio::test]
async fn every_script_that_a_recorded_browser_loaded_is_served() {
    let app = TestApp::start().await;
    create_project(&app, fixtures::KEY).await;
    let mut loaded = 0;
    for recording in recordings().iter().filter(|r| r.method == "GET" && r.sdk == "posthog-js/1.449.2") {
        let path = recording.path.strip_prefix("/ph").unwrap_or(&recording.path);
        if !path.starts_with("/static/") && !path.starts_with("/array/") {
            continue;
        }
        let reply = app.get(&format!("{path}?{}", recording.request.query)).await;
        // The toolbar is not part of the npm package.
        if path.ends_with("/toolbar.js") {
            reply.assert_status(404);
            continue;
        }
        reply.assert_ok();
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(reply.header("cross-origin-resource-policy"), "cross-origin", "{path}");
        assert!(!reply.header("cache-control").is_empty(), "{path}");
        loaded += 1;
    }
    assert!(loaded >= 90, "only {loaded} scripts were asked for; was the front end built (npm run assets)?");
}

#[tokio::test]
async fn a_bundle_is_packed_for_who_takes_that_and_kept_by_who_has_it() {
    let app = TestApp::start().await;
    let plain = app.get("/static/array.js").await;
    assert_eq!(plain.assert_ok().header("content-encoding"), "");
    let ask = |name, value: &str| app.request(Method::GET, "/static/array.js").header(name, value);
    let packed = app.send(ask(header::ACCEPT_ENCODING, "gzip, br").body(Full::default()).unwrap()).await;
    assert_eq!(packed.assert_ok().header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len() / 2);
    let tag = plain.header("etag");
    app.send(ask(header::IF_NONE_MATCH, tag).body(Full::default()).unwrap()).await.assert_status(304);
    app.get("/static/../Cargo.js").await.assert_status(404);
    app.get("/static/1.449.2/nothing.js").await.assert_status(404);
    app.get("/static/array.css").await.assert_status(404);
}

#[tokio::test]
async fn side_channels_are_content_with_nothing() {
    let app = TestApp::start().await;
    for (path, answer) in [
        ("/api/surveys/?token=phc_1&_=1", json!({"surveys": [], "survey_config": null})),
        ("/api/early_access_features/?token=phc_1&stage=beta", json!({"earlyAccessFeatures": []})),
        ("/api/web_experiments/", json!({"experiments": []})),
        ("/api/product_tours", json!({"product_tours": []})),
    ] {
        let reply = app.get(path).await;
        assert_eq!(reply.assert_ok().json(), answer, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
    }
    let recordings = app.post("/s/", "text/plain", vec![0; 1 << 20]).await;
    assert_eq!(recordings.assert_ok().json()["quota_limited"], json!(["recordings"]));
}

#[tokio::test]
async fn logs_metrics_and_traces_are_answered_as_if_they_were_kept() {
    let app = TestApp::start().await;
    create_project(&app, fixtures::KEY).await;
    let mut kinds = std::collections::BTreeSet::new();
    for recording in recordings().iter().filter(|r| {
        ["logs", "metrics", "traces"].iter().any(|kind| r.path.trim_end_matches('/') == format!("/i/v1/{kind}"))
    }) {
        let mut request = app.request(Method::POST, &format!("{}?{}", recording.path, recording.request.query));
        for (name, value) in &recording.headers {
            if ["authorization", "content-type", "content-encoding"].contains(&name.as_str()) {
                request = request.header(name, value.as_str().unwrap());
            }
        }
        let reply = app.send(request.body(Full::from(recording.request.body.clone())).unwrap()).await;
        assert_eq!(reply.assert_ok().json(), json!({}), "{}", recording.name);
        kinds.insert(recording.path.clone());
    }
    assert_eq!(kinds.len(), 3, "{kinds:?}");

    let key = fixtures::KEY;
    let protobuf = app.post(&format!("/i/v1/traces/?api_key={key}"), "application/x-protobuf", vec![0; 100]).await;
    assert_eq!(protobuf.assert_ok().header("content-type"), "application/x-protobuf");
    assert!(protobuf.body.is_empty());
    for (path, code) in [
        ("/i/v1/logs", "missing_api_key"),
        ("/i/v1/logs/?token=phc_unknown", "invalid_api_key"),
        ("/i/v1/metrics?token=phx_1", "invalid_api_key"),
    ] {
        let reply = app.post(path, "text/plain", vec![0x1f, 0x8b, 1, 2]).await;
        assert_eq!(reply.assert_status(401).json()["code"], code, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
    }
    let metrics = app.get("/metrics").await;
    for kind in ["logs", "metrics", "traces"] {
        assert!(metrics.text().contains(&format!("tenrec_side_channel_requests_total{{kind=\"{kind}\"}}")), "{kind}");
    }
    // Whether the key is right cannot be known, and does not matter much.
    app.state().pg.close().await;
    app.post("/i/v1/logs?token=phc_never_seen", "text/plain", vec![1]).await.assert_ok();
}
