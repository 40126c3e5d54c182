//! A person's properties: where they came from, and changing them on the page; their events by session.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::explorer_support::{Explorer, Page};

#[tokio::test]
async fn a_property_is_added_changed_and_deleted() {
    let explorer = Explorer::start().await;
    let (_, uuid) = explorer.person(&["ada"], json!({ "plan": "free" })).await;
    let base = format!("/project/{}/persons/{uuid}", explorer.project);
    let stored = async || explorer.app.pg_value::<Value>("SELECT properties FROM persons").await;
    let page = explorer.page(&format!("/persons/{uuid}?edit=plan")).await;
    assert_eq!(page.text(".prop-form textarea"), "free");
    assert_eq!(page.attributes(".prop-form", "action"), [format!("{base}/properties")]);
    let post =
        async |path: &str, fields: &[(&str, &str)]| explorer.browser.post_form(&format!("{base}{path}"), fields).await;
    let done = post("/properties", &[("key", "plan"), ("kind", "number"), ("value", "12.5")]).await;
    done.assert_status(303);
    assert_eq!(done.header("location"), format!("{base}#properties"));
    assert_eq!(stored().await, json!({ "plan": 12.5 }));
    post("/properties", &[("new", "1"), ("key", " tags "), ("kind", "json"), ("value", "[1,2]")])
        .await
        .assert_status(303);
    assert_eq!(stored().await, json!({ "plan": 12.5, "tags": [1, 2] }));
    post("/properties/delete", &[("key", "plan")]).await.assert_status(303);
    assert_eq!(stored().await, json!({ "tags": [1, 2] }));
    for (fields, field, value) in [
        ([("new", "1"), ("key", ""), ("kind", "text"), ("value", "x")], "#p-key-error", "x"),
        ([("new", "1"), ("key", "a"), ("kind", "number"), ("value", "many")], "#p-value-error", "many"),
        ([("new", "0"), ("key", "tags"), ("kind", "json"), ("value", "[")], "#p-value-error", "["),
    ] {
        let again = post("/properties", &fields).await;
        let page = Page::of(again.assert_status(422));
        assert_eq!(page.count(field), 1, "{fields:?}");
        assert_eq!(page.text(".prop-form textarea"), value);
    }
    assert_eq!(stored().await, json!({ "tags": [1, 2] }));
    let page = explorer.page(&format!("/persons/{uuid}?origins=1")).await;
    assert!(page.text(".prop-origin").contains("edited by Ada"), "{}", page.text(".prop-origin"));
    explorer.app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    post("/properties", &[("key", "plan"), ("kind", "text"), ("value", "x")]).await.assert_status(403);
    post("/properties/delete", &[("key", "tags")]).await.assert_status(403);
    let page = explorer.page(&format!("/persons/{uuid}?edit=tags")).await;
    assert_eq!((page.count(".prop-form"), page.count(".prop-edit")), (0, 0));
}

#[tokio::test]
async fn adding_what_is_there_asks_before_it_replaces() {
    let explorer = Explorer::start().await;
    let (_, uuid) = explorer.person(&["ada"], json!({ "plan": "free", "seats": 2 })).await;
    let path = format!("/project/{}/persons/{uuid}/properties", explorer.project);
    let stored = async || explorer.app.pg_value::<Value>("SELECT properties FROM persons").await;
    let post = async |fields: &[(&str, &str)]| explorer.browser.post_form(&path, fields).await;
    let asked = post(&[("new", "1"), ("key", " plan "), ("kind", "text"), ("value", "gold")]).await;
    let page = Page::of(asked.assert_status(422));
    assert_eq!((page.text(".prop-form .existing"), page.text(".prop-form textarea")), ("free".into(), "gold".into()));
    assert!(page.text(".prop-form [role=alert]").contains("plan already"), "{}", page.text(".prop-form [role=alert]"));
    assert_eq!((page.text(".prop-form .is-primary"), page.count("#p-key")), ("Replace it".into(), 0));
    assert_eq!(stored().await, json!({ "plan": "free", "seats": 2 }), "nothing is overwritten unasked");
    // As the form of that page sends it: it adds nothing new.
    assert_eq!((page.attributes(".prop-form [name=key]", "value"), page.count("[name=new]")), (vec!["plan".into()], 0));
    post(&[("key", "plan"), ("kind", "text"), ("value", "gold")]).await.assert_status(303);
    // What is so already is no question.
    post(&[("new", "1"), ("key", "seats"), ("kind", "number"), ("value", "2")]).await.assert_status(303);
    assert_eq!(stored().await, json!({ "plan": "gold", "seats": 2 }));
}

#[tokio::test]
async fn nobody_edits_people_of_others() {
    let explorer = Explorer::start().await;
    let (_, uuid) = explorer.person(&["ada"], json!({ "plan": "free" })).await;
    explorer.app.pg_execute(&format!("UPDATE persons SET project_id = {}", explorer.other_project)).await;
    for project in [explorer.project, explorer.other_project] {
        for path in ["properties", "properties/delete"] {
            let path = format!("/project/{project}/persons/{uuid}/{path}");
            let fields = [("key", "plan"), ("kind", "text"), ("value", "x")];
            explorer.browser.post_form(&path, &fields).await.assert_status(404);
        }
        explorer.browser.get(&format!("/project/{project}/persons/{uuid}/properties")).await.assert_status(404);
    }
    assert_eq!(explorer.app.pg_value::<Value>("SELECT properties FROM persons").await, json!({ "plan": "free" }));
}

#[tokio::test]
async fn an_edit_stands_beside_what_events_set_at_the_same_time() {
    let explorer = Explorer::start().await;
    let send = async |at: u32| {
        let event = json!({ "api_key": "phc_shop", "event": "$set", "distinct_id": "ada",
                            "properties": { "$set": { format!("e{at}"): at } } });
        explorer.app.post_json("/i/v0/e/", &event).await.assert_ok();
    };
    send(0).await;
    explorer.app.flush().await;
    let uuid = explorer.app.pg_value::<Uuid>("SELECT uuid FROM persons").await;
    let path = format!("/project/{}/persons/{uuid}/properties", explorer.project);
    for at in 1..=20_u32 {
        let (key, value) = (format!("u{at}"), at.to_string());
        let fields = [("key", key.as_str()), ("kind", "number"), ("value", value.as_str())];
        let (_, edited) = tokio::join!(send(at), explorer.browser.post_form(&path, &fields));
        edited.assert_status(303);
    }
    explorer.app.flush().await;
    let properties = explorer.app.pg_value::<Value>("SELECT properties FROM persons").await;
    for at in 1..=20 {
        assert_eq!((&properties[format!("e{at}")], &properties[format!("u{at}")]), (&json!(at), &json!(at)));
    }
}

#[tokio::test]
async fn each_property_says_which_event_it_came_from() {
    let explorer = Explorer::start().await;
    let send = async |seconds: i64, event: &str, properties: Value| {
        let at = explorer.app.clock.now() - SignedDuration::from_secs(1_000 - seconds);
        let event = json!({ "api_key": "phc_shop", "event": event, "distinct_id": "ada", "timestamp": at.to_string(),
                            "uuid": Uuid::from_u128(seconds as u128), "properties": properties });
        explorer.app.post_json("/i/v0/e/", &event).await.assert_ok();
        explorer.app.flush().await;
    };
    send(1, "$pageview", json!({ "$browser": "Firefox", "utm_source": "ads" })).await;
    send(2, "$identify", json!({ "$set": { "plan": "free", "a.b": 1 }, "$set_once": { "joined": "2026" } })).await;
    send(3, "$identify", json!({ "$set": { "plan": "pro" }, "$set_once": { "joined": "2027" } })).await;
    send(4, "paid", json!({ "$set": { "paid": true } })).await;
    send(5, "$pageview", json!({ "$browser": "Safari", "utm_source": "mail", "$set": { "$browser": "Safari" } })).await;
    let uuid = explorer.app.pg_value::<Uuid>("SELECT uuid FROM persons").await;
    for path in [format!("/persons/{uuid}/properties"), format!("/persons/{uuid}?origins=1")] {
        let page = explorer.page(&path).await;
        let keys = page.raw_texts(".person-properties dt");
        let links = page.attributes(".prop-origin a:not(.prop-edit)", "href");
        assert_eq!(keys.len(), links.len(), "every one has an event: {:?}", page.texts(".prop-origin"));
        let from = |key: &str| {
            let at = keys.iter().position(|found| found == key);
            let link = &links[at.unwrap_or_else(|| panic!("{key} in {keys:?}"))];
            let uuid: Uuid = link.split_once("/events/").unwrap().1[..36].parse().unwrap();
            uuid.as_u128()
        };
        for (key, event) in [
            ("plan", 3),
            ("a.b", 2),
            ("joined", 2),
            ("paid", 4),
            ("$browser", 5),
            ("$initial_browser", 1),
            ("utm_source", 5),
            ("$initial_utm_source", 1),
        ] {
            assert_eq!(from(key), event, "{key} {path}");
        }
    }
    // Script fetches them into the page; without it a link does.
    let page = explorer.page(&format!("/persons/{uuid}")).await;
    assert_eq!(
        page.attributes("#property-list", "hx-get"),
        [format!("/project/{}/persons/{uuid}/properties", explorer.project)]
    );
    assert_eq!(page.count(".prop-origin a:not(.prop-edit)"), 0);
}

#[tokio::test]
async fn events_stand_by_session() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    let (ada, uuid) = explorer.person(&["ada"], json!({})).await;
    let mut seeds = Vec::new();
    for (minutes, session) in [(1, Some("s2")), (2, None), (3, Some("s2")), (60, Some("s1")), (61, Some("s1"))] {
        let properties = session.map_or(json!({}), |id| json!({ "$session_id": id }));
        let mut seed = explorer.seed("visit", "ada", properties);
        (seed.at, seed.person) = (now - SignedDuration::from_mins(minutes), ada);
        seeds.push(seed);
    }
    explorer.store(&seeds).await;
    let page = explorer.page(&format!("/persons/{uuid}")).await;
    assert_eq!(page.texts(".session-part-title"), ["Session", "Outside any session", "Session"]);
    assert_eq!(page.texts(".session-part summary .muted"), ["2 events in 2m", "1 event", "2 events in 1m"]);
    let order = [0, 2, 1, 3, 4].map(|at: usize| seeds[at].uuid);
    assert_eq!(page.events(), order);
    let links = page.attributes(".session-part-link a", "href");
    assert_eq!(links, ["s2", "s1"].map(|id| format!("/project/{}/sessions/{id}", explorer.project)));
    let open = page.attributes(".event-open a", "href")[0].clone();
    assert_eq!(explorer.follow(open.split('#').next().unwrap()).await.count(".event-panel"), 1);
}
