//! The pages of privacy.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_erase_page_counts_first_and_deletes_only_for_the_word() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    app.send_events(&owner, &[("e", "ada", json!({ "$set": { "email": "ada@x.org" } }))]).await;
    let base = format!("/project/{}/privacy", owner.project);
    let uuid = app.person_uuid("ada").await;
    for (name, title) in [("ada", "Erase ada"), ("ada%40x.org", "Erase ada@x.org"), (&*uuid, "Erase ada@x.org")] {
        let page = owner.browser.get(&format!("{base}/erase?person={name}")).await;
        assert_eq!(page.assert_ok().element_text("h1"), title);
        let (labels, counts) = (page.element_texts("tbody th"), page.element_texts("tbody td.num"));
        let events = labels.iter().zip(&counts).find(|(label, _)| *label == "Events").map(|(_, count)| count.as_str());
        assert_eq!(events, Some("1"), "{labels:?}");
    }
    let nobody = owner.browser.get(&format!("{base}/erase")).await;
    assert_eq!(nobody.assert_status(303).header("location"), base);
    let refused = owner.browser.post_form(&format!("{base}/erase"), &[("person", "ada"), ("confirm", "yes")]).await;
    assert_eq!(refused.assert_status(422).element_text("#error-confirm"), "Type the word erase to go on.");
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 1);
    let done = owner.browser.post_form(&format!("{base}/erase"), &[("person", "ada"), ("confirm", " Erase ")]).await;
    let erasure = done.assert_status(303).header("location").to_owned();
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 0);
    assert_eq!(owner.browser.get(&erasure).await.assert_ok().element_text("h1"), "Erasure");
    assert_eq!(owner.browser.get(&base).await.assert_ok().element_texts("section:has(#erasures) tbody tr").len(), 1);

    // Others may look, and do nothing.
    let member = app.invite(&owner, "member", "m@example.com").await;
    member.get(&format!("{base}/erase?person=ada")).await.assert_status(403);
    member.post_form(&format!("{base}/erase"), &[("person", "ada"), ("confirm", "erase")]).await.assert_status(403);
    member.post_form(&format!("{base}/choices"), &[("cookieless", "1")]).await.assert_status(403);
    let viewer = app.invite(&owner, "viewer", "v@example.com").await;
    viewer.post_form(&format!("{base}/opt-outs"), &[("distinct_id", "x")]).await.assert_status(403);
    viewer.get(&format!("{base}/export?person=ada")).await.assert_status(403);
    let (stranger, ..) = app.stranger().await;
    stranger.get(&base).await.assert_status(404);
    stranger.get(&erasure).await.assert_status(404);
}

#[tokio::test]
async fn opt_outs_and_the_switch_are_kept() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let base = format!("/project/{}/privacy", owner.project);
    let wrong = owner.browser.post_form(&format!("{base}/opt-outs"), &[("distinct_id", " ")]).await;
    assert_eq!(wrong.assert_status(422).element_text("#error-distinct_id"), "A distinct id has 1 to 200 characters.");
    owner.browser.post_form(&format!("{base}/opt-outs"), &[("distinct_id", "<b>ada")]).await.assert_status(303);
    owner.browser.post_form(&format!("{base}/choices"), &[("cookieless", "1")]).await.assert_status(303);
    let page = owner.browser.get(&base).await;
    assert_eq!(page.assert_ok().element_texts("section:has(#opt-outs) tbody code"), ["<b>ada"]);
    assert_eq!(page.attribute("#field-cookieless", "checked").as_deref(), Some(""));
    owner.browser.post_form(&format!("{base}/opt-outs/remove"), &[("distinct_id", "<b>ada")]).await.assert_status(303);
    owner.browser.post_form(&format!("{base}/choices"), &[]).await.assert_status(303);
    let page = owner.browser.get(&base).await;
    assert!(page.assert_ok().element_texts("section:has(#opt-outs) tbody code").is_empty());
    assert_eq!(page.attribute("#field-cookieless", "checked"), None);
}

#[tokio::test]
async fn an_address_of_several_people_is_not_taken_for_nobodys() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let shared = json!({ "$set": { "email": "ada@x.org" } });
    app.send_events(&owner, &[("e", "ada", shared.clone()), ("e", "ada-2", shared)]).await;
    let base = format!("/project/{}/privacy", owner.project);
    for path in ["erase?person=ADA@x.org", "export?person=ada@x.org"] {
        let page = owner.browser.get(&format!("{base}/{path}")).await;
        let said = page.assert_status(400).element_text("main");
        assert!(said.contains("Several people have this e-mail address"), "{said}");
    }
    let fields = [("person", "ada@x.org"), ("confirm", "erase")];
    owner.browser.post_form(&format!("{base}/erase"), &fields).await.assert_status(400);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM persons").await, 2);
}
