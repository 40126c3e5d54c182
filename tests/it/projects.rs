//! Projects: their settings pages and `/api/projects/`.

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp};

async fn patch(app: &TestApp, path: &str, key: &str, body: &Value) -> Reply {
    let request = app
        .request(Method::PATCH, path)
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json");
    app.send(request.body(Full::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn projects_are_made_listed_read_and_changed_over_the_api() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let key = &owner.personal_key;
    let made = app.post_json_with_key("/api/projects/", key, &json!({"name": "Blog", "timezone": "asia/tokyo"})).await;
    let made = made.assert_status(201).json();
    assert_eq!((&made["name"], &made["timezone"]), (&json!("Blog"), &json!("Asia/Tokyo")));
    assert!(made["api_token"].as_str().unwrap().starts_with("phc_"));
    let id = made["id"].as_i64().unwrap();

    let list = app.get_with_key("/api/projects/?limit=1&offset=1", key).await.assert_ok().json();
    assert_eq!((&list["count"], &list["results"][0]["id"]), (&json!(2), &json!(id)));
    assert_eq!((&list["next"], &list["previous"]), (&Value::Null, &json!(app.url("/api/projects/?limit=1&offset=0"))));

    let path = format!("/api/projects/{id}/");
    assert_eq!(app.get_with_key(&path, key).await.assert_ok().json(), made);
    let current = app.get_with_key("/api/projects/@current/", key).await.assert_ok().json();
    assert_eq!(current["api_token"], json!(owner.api_key));
    let changed = patch(&app, &path, key, &json!({"name": "Journal"})).await.assert_ok().json();
    assert_eq!((&changed["name"], &changed["timezone"]), (&json!("Journal"), &json!("Asia/Tokyo")));
    assert_eq!(patch(&app, &path, key, &json!({"timezone": "UTC"})).await.assert_ok().json()["name"], "Journal");
}

#[tokio::test]
async fn faults_are_answered_in_the_apis_shape() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let key = &owner.personal_key;
    let fault = |reply: &Reply, status: u16, kind: &str, code: &str, attr: Value| {
        let body = reply.assert_status(status).json();
        assert_eq!((&body["type"], &body["code"], &body["attr"]), (&json!(kind), &json!(code), &attr), "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    };
    let post = async |body: Value| app.post_json_with_key("/api/projects/", key, &body).await;
    fault(&post(json!({})).await, 400, "validation_error", "invalid_input", json!("name"));
    fault(&post(json!({"name": " "})).await, 400, "validation_error", "invalid_input", json!("name"));
    fault(
        &post(json!({"name": "x", "timezone": "Mars"})).await,
        400,
        "validation_error",
        "invalid_input",
        json!("timezone"),
    );
    fault(&post(json!({"name": 7})).await, 400, "validation_error", "invalid_input", Value::Null);
    let elsewhere = json!({"name": "x", "organization": "00000000-0000-0000-0000-000000000001"});
    fault(&post(elsewhere).await, 400, "validation_error", "invalid_input", json!("organization"));
    fault(&app.get_with_key("/api/projects/999/", key).await, 404, "invalid_request", "not_found", Value::Null);
    fault(&app.get_with_key("/api/no/such/thing", key).await, 404, "invalid_request", "not_found", Value::Null);
    for wrong in ["phx_unknown_but_well_formed", "phc_public", "", "%01", "phx_%ff%ff%ff%ff%ff%ff"] {
        let reply = app.get(&format!("/api/projects/?personal_api_key={wrong}")).await;
        fault(&reply, 401, "authentication_error", "authentication_failed", Value::Null);
    }
    app.get(&format!("/api/projects/?personal_api_key={key}")).await.assert_ok();
    let basic = app.request(Method::GET, "/api/projects/").header(header::AUTHORIZATION, format!("Basic {key}"));
    app.send(basic.body(Full::default()).unwrap()).await.assert_status(401);
    // A signed-in browser proves nothing to the API: another site's page could make it call.
    owner.browser.get("/api/projects/").await.assert_status(401);
}

#[tokio::test]
async fn what_belongs_to_another_organization_is_not_there() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let (eve, theirs, their_key) = app.stranger().await;
    for project in [theirs.to_string(), their_key] {
        app.get_with_key(&format!("/api/projects/{project}/"), &owner.personal_key).await.assert_status(404);
        owner.browser.get(&format!("/project/{project}/settings")).await.assert_status(404);
        owner.browser.get(&format!("/project/{project}/settings/members")).await.assert_status(404);
        let fields = [("name", "mine"), ("time_zone", "UTC"), ("role", "admin")];
        owner.browser.post_form(&format!("/project/{project}/settings"), &fields).await.assert_status(404);
        owner.browser.post_form(&format!("/project/{project}/settings/invitations"), &fields).await.assert_status(404);
    }
    let path = format!("/api/projects/{theirs}/");
    patch(&app, &path, &owner.personal_key, &json!({"name": "mine"})).await.assert_status(404);
    assert_eq!(app.pg_value::<String>("SELECT name FROM projects WHERE api_key = 'phc_elsewhere'").await, "Elsewhere");

    // Members and invitations are found within the organization of the project alone.
    let ada = app.pg_value::<String>("SELECT id::text FROM users WHERE email = 'ada@example.com'").await;
    eve.post_form(&format!("/project/{theirs}/settings/members/{ada}/remove"), &[]).await.assert_status(404);
    eve.post_form(&format!("/project/{theirs}/settings/members/{ada}/role"), &[("role", "viewer")])
        .await
        .assert_status(404);
    app.invitation(&owner, "viewer").await;
    let invitation = app.pg_value::<String>("SELECT id::text FROM invitations").await;
    eve.post_form(&format!("/project/{theirs}/settings/invitations/{invitation}/revoke"), &[]).await.assert_status(404);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM invitations").await, 1);
}

#[tokio::test]
async fn a_viewer_reads_over_the_api_and_changes_nothing() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let viewer = app.invite(&owner, "viewer", "viewer@example.com").await;
    let shown = viewer.post_form("/settings/api-keys", &[("label", "read")]).await;
    let key = shown.assert_ok().element_text("#personal-api-key");
    let path = format!("/api/projects/{}/", owner.project);
    app.get_with_key(&path, &key).await.assert_ok();
    let refused = patch(&app, &path, &key, &json!({"name": "x"})).await;
    assert_eq!(refused.assert_status(403).json()["code"], "permission_denied");
    app.post_json_with_key("/api/projects/", &key, &json!({"name": "x"})).await.assert_status(403);
}

#[tokio::test]
async fn a_project_is_found_by_its_key_and_its_settings_are_saved() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let page = owner.browser.get(&format!("/project/{}/settings", owner.api_key)).await;
    assert_eq!(page.assert_ok().element_text("#project-api-key"), owner.api_key);
    assert_eq!(page.attribute("input[name=name]", "value").as_deref(), Some("Shop"));
    assert_eq!(page.element_text("option[selected]"), "Europe/Berlin");

    let path = format!("/project/{}/settings", owner.project);
    let again = owner.browser.post_form(&path, &[("name", ""), ("time_zone", "UTC")]).await;
    assert_eq!(again.assert_status(422).element_text("#error-name"), "A name is needed.");
    let saved = owner.browser.post_form(&path, &[("name", "Shöp"), ("time_zone", "Asia/Tokyo")]).await;
    let page = owner.browser.get(saved.assert_status(303).header("location")).await;
    assert_eq!(page.attribute("input[name=name]", "value").as_deref(), Some("Shöp"));
    assert_eq!(page.element_text("[role=status]"), "Saved.");
}

#[tokio::test]
async fn further_projects_are_made_on_a_page_and_kept_in_the_frame() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    owner.browser.get("/settings/projects/new").await.assert_ok();
    let made = owner.browser.post_form("/settings/projects/new", &[("name", "Blog"), ("time_zone", "UTC")]).await;
    assert_eq!(made.assert_status(303).header("location"), "/project/2/onboarding");
    let account = owner.browser.get("/settings/account?project=2").await;
    assert_eq!(account.assert_ok().attribute(".tabs a", "href").as_deref(), Some("/project/2/settings"));
    assert_eq!(account.element_texts(".project-switch .menu-box > a").len(), 3);
    let (_, theirs, _) = app.stranger().await;
    let other = owner.browser.get(&format!("/settings/account?project={theirs}")).await;
    assert_eq!(other.assert_ok().attribute(".tabs a", "href").as_deref(), Some("/project/1/settings"));
}
