//! `/flags/`, `/decide/` and definitions, without a flag defined.

use serde_json::json;

use crate::capture::create_project;
use crate::fixtures::{self, recordings};
use crate::support::TestApp;

#[tokio::test]
async fn every_recorded_request_for_flags_gets_the_shape_it_asked_for() {
    let app = TestApp::start().await;
    create_project(&app, fixtures::KEY).await;
    let mut asked = 0;
    for recording in recordings() {
        let path = recording.path.strip_prefix("/ph").unwrap_or(&recording.path).to_owned();
        if !["/flags/", "/decide/"].contains(&path.as_str()) || recording.method == "OPTIONS" {
            continue;
        }
        let request = &recording.request;
        let url = format!("{path}?{}", request.query);
        let reply = match recording.method.as_str() {
            "GET" => app.get(&url).await,
            _ => app.post(&url, request.content_type.as_deref().unwrap_or_default(), request.body.to_vec()).await,
        };
        let answer = reply.assert_ok().json();
        let version = request.query.split('&').find_map(|pair| pair.strip_prefix("v=")).unwrap_or("1");
        match (path.as_str(), version) {
            ("/flags/", "2" | "3" | "4") | ("/decide/", "4") => {
                assert_eq!(answer["flags"], json!({}), "{}", recording.name)
            }
            ("/decide/", "1") => assert_eq!(answer["featureFlags"], json!([]), "{}", recording.name),
            _ => assert_eq!(answer["featureFlags"], json!({}), "{}", recording.name),
        }
        if path == "/flags/" {
            assert_eq!(answer["errorsWhileComputingFlags"], false);
            assert_eq!(answer["evaluatedAt"], 1_793_534_400_000_i64);
            assert!(answer["requestId"].as_str().is_some_and(|id| id.len() == 36));
        } else {
            assert!(answer["supportedCompression"].is_array() && answer["sessionRecording"] == false);
        }
        asked += 1;
    }
    assert!(asked >= 80, "only {asked} requests were found");
}

#[tokio::test]
async fn a_request_for_flags_is_refused_as_an_event_would_be() {
    let app = TestApp::start().await;
    for (body, status, code) in [
        (json!({"token": "phc_unknown", "distinct_id": "u"}), 401, "invalid_api_key"),
        (json!({"distinct_id": "u"}), 401, "missing_api_key"),
        (json!([1]), 400, "invalid_batch"),
    ] {
        let reply = app.post_json("/flags/?v=2", &body).await;
        assert_eq!(reply.assert_status(status).json()["code"], code, "{body}");
    }
    assert_eq!(app.get("/flags/?v=2").await.assert_ok().json()["flags"], json!({}));
}

#[tokio::test]
async fn definitions_are_for_holders_of_a_personal_key() {
    let app = TestApp::start().await;
    for path in ["/flags/definitions?token=phc_1&send_cohorts", "/api/feature_flag/local_evaluation/?token=phc_1"] {
        let reply = app.get(path).await;
        assert!(reply.assert_status(401).json()["detail"].as_str().is_some_and(|detail| detail.contains("phx_")));
        app.get_with_key(path, "phx_0123456789abcdef").await.assert_status(401);
    }
}
