//! `/project/{project}/onboarding`.

use serde_json::json;

use crate::explorer_support::Explorer;

#[tokio::test]
async fn the_snippets_carry_the_key_and_the_address() {
    let explorer = Explorer::start().await;
    let page = explorer.page("/onboarding").await;
    let site = format!("http://{}", explorer.app.address());
    let html = page.text("#snippet-html");
    assert!(html.contains(&format!("script.src = \"{site}/static/array.js\"")), "{html}");
    for id in ["#snippet-html", "#snippet-npm", "#snippet-moved", "#snippet-curl"] {
        let text = page.text(id);
        assert!(text.contains("phc_shop") && text.contains(&site), "{id}: {text}");
        assert_eq!(page.count(&format!("button[data-copy='{id}']")), 1, "{id} can be copied");
    }
    assert_eq!(page.text("#project-key"), "phc_shop");
    assert_eq!(page.texts("#install section [data-tab-heading]"), ["HTML", "npm", "I already use PostHog"]);
}

#[tokio::test]
async fn the_wait_turns_into_the_first_events_and_ends() {
    let explorer = Explorer::start().await;
    let page = explorer.page("/onboarding").await;
    assert!(page.text("#arrived").starts_with("Waiting for the first event"));
    let poll = format!("/project/{}/onboarding/events", explorer.project);
    assert_eq!(page.attributes("#arrived", "hx-get"), std::slice::from_ref(&poll));
    let seeds: Vec<_> = (0..7).map(|n| explorer.seed("$pageview", "ada", json!({ "n": n }))).collect();
    explorer.store(&seeds[..1]).await;
    let one = explorer.follow(&poll).await;
    assert_eq!((one.events().len(), one.count("#arrived[hx-get]")), (1, 1), "it shows one and goes on waiting");
    assert_eq!(one.texts(".event-name"), ["Page viewed"]);
    assert_eq!(one.attributes("a.is-primary", "href"), [format!("/project/{}/insights/new", explorer.project)]);
    explorer.store(&seeds[1..]).await;
    let five = explorer.follow(&poll).await;
    assert_eq!((five.events().len(), five.count("#arrived[hx-get]")), (5, 0), "five are enough");
}
