//! People over the API: what is refused before a handler reads it, and what a path may name.

use serde_json::json;

use crate::persons_api::Api;

#[tokio::test]
async fn what_no_handler_reads_is_refused_in_the_shape_of_all_errors() {
    let api = Api::start().await;
    let [ada, ..] = api.explorer.people().await;
    let body = api.post(&format!("/persons/{ada}/"), json!({})).await.assert_status(405).json();
    assert_eq!((&body["code"], &body["type"]), (&json!("method_not_allowed"), &json!("invalid_request")));
    for refused in [
        api.delete(&format!("/persons/{ada}/?delete_events=maybe")).await,
        api.post(&format!("/persons/{ada}/merges/first/undo/"), json!({})).await,
    ] {
        let body = refused.assert_status(400).json();
        assert_eq!((&body["code"], &body["type"]), (&json!("invalid_input"), &json!("validation_error")), "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    }
    assert_eq!(api.get("/persons/?offset=100").await.assert_status(400).json()["attr"], "offset");
    assert_eq!(api.get("/groups/?group_type_index=0&offset=1").await.assert_status(400).json()["attr"], "offset");
}

#[tokio::test]
async fn a_number_names_a_person_wherever_a_uuid_does() {
    let api = Api::start().await;
    let [ada, ..] = api.explorer.people().await;
    let number = api.get(&format!("/persons/{ada}/")).await.assert_ok().json()["id"].clone();
    let preview = api.get(&format!("/persons/{number}/erase_preview/")).await.assert_ok().json();
    assert_eq!(preview, api.get(&format!("/persons/{ada}/erase_preview/")).await.assert_ok().json());
    api.get(&format!("/persons/{number}/export/")).await.assert_ok();
    api.delete(&format!("/persons/{number}/")).await.assert_status(202);
    api.get(&format!("/persons/{ada}/")).await.assert_status(404);
    api.delete(&format!("/persons/{number}/")).await.assert_status(404);
}
