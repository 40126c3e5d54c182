//! Insights, their editor, and the home page, as a browser uses them.

use http::Method;
use http_body_util::Full;
use serde_json::json;

use crate::explorer_support::{Explorer, Page, Seed};
use crate::support::Reply;

async fn with_events() -> Explorer {
    let explorer = Explorer::start().await;
    let seeds: Vec<Seed> = [("ada", "Chrome"), ("ada", "Chrome"), ("bob", "Firefox")]
        .into_iter()
        .map(|(who, browser)| explorer.seed("$pageview", who, json!({ "$browser": browser, "$pathname": "/<b>" })))
        .collect();
    explorer.store(&seeds).await;
    explorer
        .app
        .pg_execute(&format!(
            "INSERT INTO event_definitions VALUES ({0}, '$pageview', now(), now());
             INSERT INTO property_definitions VALUES ({0}, 'event', '$browser', 'String', now())",
            explorer.project
        ))
        .await;
    explorer
}

/// A request as htmx makes it, for a part of the page.
async fn fragment(explorer: &Explorer, path: &str, target: &str) -> Reply {
    let path = format!("/project/{}{path}", explorer.project);
    let request = explorer.browser.request(Method::GET, &path).header("hx-request", "true").header("hx-target", target);
    explorer.browser.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn the_editor_answers_in_a_table_that_says_everything() {
    let explorer = with_events().await;
    let page = explorer.page("/insights/new").await;
    assert_eq!(page.texts("#event-names option[value='$pageview']").len(), 1);
    assert_eq!(page.text("#result tbody th[scope=row]"), "$pageview");
    assert_eq!(page.texts("#result td[data-v]").last().map(String::as_str), Some("3"));
    assert_eq!(page.texts("#result thead th[data-incomplete]"), ["1 Nov"]);

    let page =
        explorer.page("/insights/new?event=%24pageview&math=dau&breakdown=%24browser&date=dStart&display=table").await;
    assert_eq!(page.texts("#result tbody th"), ["Chrome", "Firefox"]);
    assert_eq!(page.texts("#result td[data-v]"), ["1", "1"]);

    let page = explorer
        .page("/insights/new?event=%24pageview&filter_key=%24browser&filter_op=exact&filter_value=Chrome&date=dStart&display=number")
        .await;
    assert_eq!(page.text(".big-number b"), "2");
}

#[tokio::test]
async fn a_question_without_events_offers_a_wider_range_and_a_senseless_one_says_why() {
    let explorer = with_events().await;
    let page = explorer.page("/insights/new?event=nothing").await;
    assert_eq!(page.text("#result h2"), "No matching events");
    assert_eq!(page.text("#result .empty a.is-primary"), "Look at the last 30 days");
    let page = explorer.page("/insights/new?event=a&date=2026-11-10..2026-11-01").await;
    assert_eq!(page.text("#result .notice"), "Date range: the range ends before it starts.");
    let page = explorer.page("/insights/new?event=a&filter_key=k&filter_op=regex&filter_value=(").await;
    assert_eq!(page.text("#result .notice"), "Filters: a pattern is no regular expression that RE2 knows.");
}

#[tokio::test]
async fn a_change_swaps_the_answer_and_a_new_row_the_editor() {
    let explorer = with_events().await;
    let answer = fragment(&explorer, "/insights/new?event=%24pageview&math=total&name=&date=-30d", "result").await;
    answer.assert_ok();
    let address = format!(
        "/project/{}/insights/new?event=%24pageview&math=total&date=-30d&interval=day&display=line",
        explorer.project
    );
    assert_eq!(answer.header("hx-push-url"), address);
    assert_eq!(answer.header("vary"), "HX-Request, HX-Target");
    assert!(!answer.text().contains("<html"));
    assert_eq!(answer.element_texts("#result").len(), 1);

    let editor = fragment(&explorer, "/insights/new?event=%24pageview&add=series", "insight").await;
    assert_eq!(editor.element_texts("input[name=event]").len(), 2);
    assert!(!editor.header("hx-push-url").contains("add="));
    // Without script the same button leads to a page.
    let page = explorer.page("/insights/new?event=%24pageview&add=filter").await;
    assert_eq!(page.texts(".filter-row").len(), 1);
}

#[tokio::test]
async fn an_insight_is_saved_renamed_copied_put_on_the_home_page_and_deleted() {
    let explorer = with_events().await;
    let base = format!("/project/{}/insights", explorer.project);
    let state = "event=%24pageview&math=dau&date=dStart&interval=day&display=number";
    let saved = explorer.browser.post_form(&base, &[("name", ""), ("state", state)]).await;
    let path = saved.assert_status(303).header("location").trim_end_matches("?done=saved").to_owned();
    let page = Page::of(explorer.browser.get(&path).await.assert_ok());
    assert_eq!(page.text("h1"), "Unique users of $pageview");
    assert_eq!(page.text(".big-number b"), "2");

    let renamed = [("name", "People <today>"), ("state", "event=%24pageview&math=total&display=number")];
    explorer.browser.post_form(&path, &renamed).await.assert_status(303);
    let page = Page::of(explorer.browser.get(&path).await.assert_ok());
    assert_eq!((page.text("h1"), page.text(".big-number b")), ("People <today>".to_owned(), "3".to_owned()));

    explorer.browser.post_form(&format!("{path}/home"), &[]).await.assert_status(303);
    explorer.browser.post_form(&format!("{path}/home"), &[]).await.assert_status(303);
    let names = explorer.page("").await.texts(".tile-name");
    assert_eq!(names.iter().filter(|name| *name == "People <today>").count(), 1);
    assert_eq!(names.len(), 9);

    let copy = explorer.browser.post_form(&format!("{path}/duplicate"), &[]).await;
    assert_ne!(copy.assert_status(303).header("location"), path);
    let listed = explorer.page("/insights?search=today").await.texts(".insight-name");
    assert_eq!(listed.len(), 3, "{listed:?}");

    explorer.browser.post_form(&format!("{path}/delete"), &[]).await.assert_status(303);
    explorer.browser.get(&path).await.assert_status(404);
    assert_eq!(explorer.page("").await.texts(".tile-name").len(), 8);
}

#[tokio::test]
async fn what_makes_no_sense_is_not_saved() {
    let explorer = with_events().await;
    let base = format!("/project/{}/insights", explorer.project);
    for state in ["", "event=a&date=soon", "event=a&math=p95", "event=a&display=pie"] {
        explorer.browser.post_form(&base, &[("name", "x"), ("state", state)]).await.assert_status(400);
    }
    assert_eq!(explorer.app.pg_value::<i64>("SELECT count(*) FROM insights").await, 0);
}

#[tokio::test]
async fn the_home_page_has_its_starters_and_each_tile_answers_for_itself() {
    let explorer = with_events().await;
    let home = explorer.page("").await;
    assert_eq!(home.texts(".tile-name").len(), 8);
    assert_eq!(explorer.page("").await.texts(".tile-name").len(), 8, "they are made once");
    let tile = |name: &str| {
        format!("SELECT t.id FROM dashboard_tiles t JOIN insights i ON i.id = t.insight_id WHERE name = '{name}'")
    };
    let id: i64 = explorer.app.pg_value(&tile("Pageviews today")).await;
    let answer = fragment(&explorer, &format!("/home/tiles/{id}"), "").await;
    assert_eq!(answer.assert_ok().element_text(".big-number b"), "3");
    let pages: i64 = explorer.app.pg_value(&tile("Top pages, last 14 days")).await;
    let answer = fragment(&explorer, &format!("/home/tiles/{pages}"), "").await;
    assert_eq!(answer.element_text("figure[data-chart=hbar] tbody th"), "/<b>");
    // Opened as a page, a tile leads to its insight.
    explorer.get(&format!("/home/tiles/{id}")).await.assert_status(303);

    explorer
        .app
        .pg_execute("UPDATE insights SET query = '{\"kind\": \"FunnelsQuery\"}' WHERE name = 'Pageviews today'")
        .await;
    let broken = fragment(&explorer, &format!("/home/tiles/{id}"), "").await;
    assert!(broken.assert_ok().element_text("[role=alert]").starts_with("kind: FunnelsQuery cannot be answered yet"));

    let remove = format!("/project/{}/home/tiles/{id}/remove", explorer.project);
    explorer.browser.post_form(&remove, &[]).await.assert_status(303);
    assert_eq!(explorer.page("").await.texts(".tile-name").len(), 7);
}

#[tokio::test]
async fn another_projects_insights_and_tiles_are_not_there() {
    let explorer = with_events().await;
    explorer
        .app
        .pg_execute(&format!(
            "INSERT INTO insights (project_id, short_id, name, query, created_at, updated_at)
             VALUES ({0}, 'theirs01', 'Theirs', '{{\"kind\": \"TrendsQuery\", \"series\": [{{}}]}}', now(), now());
             INSERT INTO dashboards (project_id, name, is_home, created_at) VALUES ({0}, 'Home', true, now());
             INSERT INTO dashboard_tiles (dashboard_id, insight_id, position)
             SELECT (SELECT max(id) FROM dashboards), (SELECT max(id) FROM insights), 0",
            explorer.other_project
        ))
        .await;
    let id: i64 = explorer.app.pg_value("SELECT max(id) FROM dashboard_tiles").await;
    explorer.get("/insights/theirs01").await.assert_status(404);
    fragment(&explorer, &format!("/home/tiles/{id}"), "").await.assert_status(404);
    let base = format!("/project/{}", explorer.project);
    for path in ["/insights/theirs01/delete", "/insights/theirs01/home", "/insights/theirs01/duplicate"] {
        explorer.browser.post_form(&format!("{base}{path}"), &[]).await.assert_status(404);
    }
    explorer.browser.post_form(&format!("{base}/home/tiles/{id}/remove"), &[]).await.assert_status(404);
    explorer.browser.get(&format!("/project/{}/insights", explorer.other_project)).await.assert_status(404);
    assert_eq!(explorer.app.pg_value::<i64>(&format!("SELECT count(*) FROM dashboard_tiles WHERE id = {id}")).await, 1);
}

#[tokio::test]
async fn a_viewer_asks_and_does_not_save() {
    let explorer = with_events().await;
    explorer.app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    let page = explorer.page("/insights/new").await;
    assert!(page.texts("#save").is_empty());
    assert_eq!(page.texts("#result td[data-v]").last().map(String::as_str), Some("3"));
    let base = format!("/project/{}/insights", explorer.project);
    explorer.browser.post_form(&base, &[("name", "x"), ("state", "event=a")]).await.assert_status(403);
}

#[tokio::test]
async fn values_are_suggested_by_how_often_they_came() {
    let explorer = with_events().await;
    let values = explorer.get("/insights/values?type=event&key=%24browser&search=").await;
    assert_eq!(values.assert_ok().json(), json!(["Chrome", "Firefox"]));
    assert_eq!(explorer.get("/insights/values?key=%24browser&search=fire").await.json(), json!(["Firefox"]));
}
