//! `/project/{project}/groups` and one group.

use jiff::SignedDuration;
use serde_json::json;
use tenrec::model::PersonId;

use crate::explorer_support::Explorer;

#[tokio::test]
async fn without_groups_the_page_says_how_to_send_one() {
    let explorer = Explorer::start().await;
    let page = explorer.page("/groups").await;
    assert_eq!(page.text(".empty h2"), "No groups yet");
    assert!(page.text(".empty pre").contains("posthog.group("));
    explorer.get("/groups/0").await.assert_status(404);
    explorer.get("/groups/0/acme").await.assert_status(404);
}

#[tokio::test]
async fn groups_are_listed_by_type_searched_and_filtered() {
    let explorer = Explorer::start().await;
    explorer.group(0, "company", "acme", json!({ "name": "Acme & Sons", "seats": 12 })).await;
    explorer.group(0, "company", "zoo", json!({ "seats": 3 })).await;
    explorer.group(1, "team", "<b>red</b>", json!({})).await;
    let first = explorer.get("/groups").await;
    first.assert_status(303);
    assert_eq!(first.header("location"), format!("/project/{}/groups/0", explorer.project));
    let page = explorer.page("/groups/0").await;
    assert_eq!(page.texts(".segmented a"), ["company", "team"]);
    assert_eq!(page.texts(".person-cell"), ["Acme & Sons", "zoo"]);
    for (query, found) in [
        ("search=SONS", vec!["Acme & Sons"]),
        ("search=zo", vec!["zoo"]),
        ("property=seats&operator=gt&value=5", vec!["Acme & Sons"]),
        ("property=name&operator=is_not_set", vec!["zoo"]),
        ("search=none", vec![]),
    ] {
        assert_eq!(explorer.page(&format!("/groups/0?{query}")).await.texts(".person-cell"), found, "{query}");
    }
    let wrong = explorer.page("/groups/0?property=name&operator=regex&value=%28").await;
    assert!(wrong.text(".notice.is-error").contains("regular expression"));
    let teams = explorer.page("/groups/1").await;
    assert_eq!(teams.texts(".person-cell"), ["<b>red</b>"]);
    let team = explorer.follow(&teams.attributes("a.person-cell", "href")[0]).await;
    assert_eq!(team.text("h1"), "<b>red</b>");
    explorer.get("/groups/2").await.assert_status(404);
    explorer.get("/groups/x").await.assert_status(404);
}

#[tokio::test]
async fn pages_of_groups_go_both_ways() {
    let explorer = Explorer::start().await;
    for at in 0..120 {
        explorer.group(0, "company", &format!("c{at:03}"), json!({})).await;
    }
    let first = explorer.page("/groups/0").await;
    let second = explorer.follow(&first.attributes("a[rel=next]", "href")[0]).await;
    let third = explorer.follow(&second.attributes("a[rel=next]", "href")[0]).await;
    assert_eq!((first.count(".person-cell"), second.count(".person-cell"), third.count(".person-cell")), (50, 50, 20));
    assert_eq!(third.count("a[rel=next]"), 0);
    let back = explorer.follow(&third.attributes("a[rel=prev]", "href")[0]).await;
    assert_eq!(back.texts(".person-cell"), second.texts(".person-cell"));
    let start = explorer.follow(&back.attributes("a[rel=prev]", "href")[0]).await;
    assert_eq!(start.texts(".person-cell"), first.texts(".person-cell"));
    assert_eq!(start.count("a[rel=prev]"), 0);
}

#[tokio::test]
async fn a_group_shows_its_people_after_merges_and_its_events() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    explorer.group(0, "company", "acme", json!({ "name": "Acme", "seats": 12 })).await;
    let (ada, uuid) = explorer.person(&["ada"], json!({ "email": "ada@example.com" })).await;
    let merged = PersonId::from_row(9_000_000);
    let rows =
        [tenrec::storage::ch::PersonOverride { project_id: explorer.project, from: merged, into: ada, version: 1 }];
    explorer.app.state().ch.insert_person_overrides(&rows).await.unwrap();
    let mut seeds = Vec::new();
    for (hours, person, id, group) in
        [(1, ada, "ada", "acme"), (2, merged, "ada", "acme"), (3, ada, "ada", "other"), (24 * 40, ada, "ada", "acme")]
    {
        let mut seed = explorer.seed("visit", id, json!({ "$group_0": group }));
        (seed.at, seed.person) = (now - SignedDuration::from_hours(hours), person);
        seeds.push(seed);
    }
    let mut anonymous = explorer.seed("visit", "anon", json!({ "$group_0": "acme" }));
    anonymous.at = now - SignedDuration::from_hours(5);
    seeds.push(anonymous);
    explorer.store(&seeds).await;
    let page = explorer.page("/groups/0/acme").await;
    assert_eq!(page.text("h1"), "Acme");
    // Who acted takes longer: script asks for it, or a link.
    assert_eq!(page.count(".person-cell"), 0);
    let part = explorer.follow(&page.attributes("#group-facts", "hx-get")[0]).await;
    let whole = explorer.follow(&page.attributes("#group-people a.without-script", "href")[0]).await;
    for one in [part, whole] {
        assert_eq!(one.texts(".person-facts dd")[..2], ["3", "2"], "events and people of 30 days");
        assert_eq!(one.texts(".person-cell .truncate"), ["ada@example.com", "anon"]);
        assert_eq!(one.texts("td.num"), ["2", "1"]);
        assert_eq!(one.count("[hx-get]"), 0, "nothing is missing");
    }
    let wanted = [seeds[0].uuid, seeds[1].uuid, seeds[4].uuid, seeds[3].uuid];
    assert_eq!(page.events(), wanted);
    // A group that events name has a page, though nobody described it; and the person leads to both.
    let other = explorer.page("/groups/0/other").await;
    assert_eq!((other.text("h1"), other.count(".notice")), ("other".to_owned(), 1));
    explorer.get("/groups/0/nobody").await.assert_status(404);
    explorer.get("/groups/0/a%00b").await.assert_status(404);
    let person = explorer.page(&format!("/persons/{uuid}")).await;
    assert_eq!(person.texts(".person-groups a"), ["Acme", "other"]);
    assert_eq!(
        person.attributes(".person-groups a", "href")[0],
        format!("/project/{}/groups/0/acme", explorer.project)
    );
}

#[tokio::test]
async fn a_groups_property_is_added_changed_and_deleted() {
    let explorer = Explorer::start().await;
    explorer.group(0, "company", "a/b & c", json!({ "plan": "free" })).await;
    let base = format!("/project/{}/groups/0/a%2Fb%20%26%20c", explorer.project);
    let stored = async || explorer.app.pg_value::<serde_json::Value>("SELECT properties FROM groups").await;
    let post =
        async |path: &str, fields: &[(&str, &str)]| explorer.browser.post_form(&format!("{base}{path}"), fields).await;
    let page = explorer.follow(&format!("{base}?edit=plan")).await;
    assert_eq!(page.text(".prop-form textarea"), "free");
    assert_eq!(page.attributes(".prop-form", "action"), [format!("{base}/properties")]);
    let done = post("/properties", &[("key", "plan"), ("kind", "number"), ("value", "12.5")]).await;
    done.assert_status(303);
    assert_eq!(done.header("location"), format!("{base}#properties"));
    post("/properties", &[("new", "1"), ("key", "tags"), ("kind", "json"), ("value", "[1,2]")])
        .await
        .assert_status(303);
    assert_eq!(stored().await, json!({ "plan": 12.5, "tags": [1, 2] }));
    let page = explorer.follow(&base).await;
    assert!(page.texts(".prop-origin").iter().all(|text| text.contains("edited by Ada")), "{:?}", page.texts("dd"));
    post("/properties/delete", &[("key", "plan")]).await.assert_status(303);
    assert_eq!(stored().await, json!({ "tags": [1, 2] }));
    let again = post("/properties", &[("new", "1"), ("key", "n"), ("kind", "number"), ("value", "many")]).await;
    let page = crate::explorer_support::Page::of(again.assert_status(422));
    assert_eq!((page.count("#p-value-error"), page.text(".prop-form textarea")), (1, "many".to_owned()));

    let asked = post("/properties", &[("new", "1"), ("key", "tags"), ("kind", "text"), ("value", "x")]).await;
    let page = crate::explorer_support::Page::of(asked.assert_status(422));
    assert!(page.text(".prop-form .existing").contains('2'), "{}", page.text(".prop-form"));
    assert_eq!(stored().await, json!({ "tags": [1, 2] }), "nothing is overwritten unasked");

    // Who was never described has nothing to edit, and who only looks edits nothing.
    let nobody = format!("/project/{}/groups/0/zoo/properties", explorer.project);
    let fields = [("new", "1"), ("key", "a"), ("kind", "text"), ("value", "x")];
    explorer.browser.post_form(&nobody, &fields).await.assert_status(404);
    explorer.app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    post("/properties", &fields).await.assert_status(403);
    post("/properties/delete", &[("key", "tags")]).await.assert_status(403);
    assert_eq!(stored().await, json!({ "tags": [1, 2] }));
    let page = explorer.follow(&format!("{base}?edit=tags")).await;
    assert_eq!((page.count(".prop-form"), page.count(".prop-edit")), (0, 0));
}
