//! The switch between humans, bots and all: on every page that counts or lists events.

use serde_json::json;

use crate::capture::create_project;
use crate::explorer_support::{Explorer, Page};
use crate::support::TestApp;

/// Two events of people, three of bots, all just now.
async fn with_traffic() -> Explorer {
    let explorer = Explorer::start().await;
    let mut seeds = Vec::new();
    for (who, page, class) in [
        ("ada", "/a", None),
        ("bob", "/b", None),
        ("crawler", "/robots", Some("ai_crawler")),
        ("crawler", "/robots", Some("ai_crawler")),
        ("curl", "/robots", Some("script")),
    ] {
        let mut properties = json!({ "$pathname": page });
        if let Some(class) = class {
            properties["$bot_class"] = class.into();
        }
        seeds.push(explorer.seed("$pageview", who, properties));
    }
    explorer.store(&seeds).await;
    let definition = format!("INSERT INTO event_definitions VALUES ({0}, '$pageview', now(), now())", explorer.project);
    explorer.app.pg_execute(&definition).await;
    explorer
}

#[tokio::test]
async fn an_insight_counts_humans_unless_it_says_otherwise_and_says_so() {
    let explorer = with_traffic().await;
    for (query, number, note) in [
        ("", "2", "Without bots · include them"),
        ("&traffic=humans", "2", "Without bots · include them"),
        ("&traffic=bots", "3", "Bots only"),
        ("&traffic=all", "5", "Humans and bots"),
    ] {
        let page = explorer.page(&format!("/insights/new?event=%24pageview&date=dStart&display=number{query}")).await;
        assert_eq!(page.text(".big-number b"), number, "{query}");
        assert!(page.texts("#result .result-foot span").iter().any(|text| text == note), "{query}");
    }
    let page = explorer.page("/insights/new?event=%24pageview&math=dau&date=dStart&display=number&traffic=all").await;
    assert_eq!(page.text(".big-number b"), "4");
    assert_eq!(page.text("#traffic option[selected]"), "All");
    // Where all that there is was a bot's, nothing looks lost.
    let robots = "/insights/new?event=%24pageview&filter_key=%24pathname&filter_op=exact&filter_value=%2Frobots";
    let page = explorer.page(robots).await;
    assert!(page.text("#result .empty p").ends_with("Bots are left out."));
    assert!(page.texts("#result .empty a").contains(&"Include bots".to_owned()));
    let values = async |traffic: &str| {
        explorer.get(&format!("/insights/values?key=%24pathname{traffic}")).await.assert_ok().json()
    };
    assert_eq!(values("").await, json!(["/robots", "/a", "/b"]));
    assert_eq!(values("&traffic=humans").await, json!(["/a", "/b"]));
}

#[tokio::test]
async fn the_explorer_and_the_live_page_show_all_and_mark_bots_until_asked() {
    let explorer = with_traffic().await;
    for path in ["/events", "/events/live"] {
        for (query, rows, badges, current) in
            [("", 5, 3, "All"), ("?traffic=humans", 2, 0, "Humans"), ("?traffic=bots", 3, 3, "Bots")]
        {
            let page = explorer.page(&format!("{path}{query}")).await;
            assert_eq!(page.texts("tr.event-row").len(), rows, "{path}{query}");
            assert_eq!(page.texts("tr.event-row .badge").len(), badges, "{path}{query}");
            assert_eq!(page.text("nav.segmented [aria-current]"), current, "{path}{query}");
        }
    }
    let feed = explorer.page("/events/live/feed?after=0&traffic=humans").await;
    assert_eq!(feed.texts("tr.event-row").len(), 2);
    // The choice stays through filters, and can be taken back.
    let page = explorer.page("/events?traffic=bots&date_from=-24h").await;
    assert_eq!(page.texts("form.filter-bar input[type=hidden][name=traffic][value=bots]").len(), 1);
    assert!(page.texts(".chips .chip").iter().any(|chip| chip.contains("Bots only")));
    assert!(page.attributes("nav.tabs a", "href").iter().any(|href| href.ends_with("/events/live?traffic=bots")));
    let page = explorer.page("/events/live?traffic=bots").await;
    assert!(page.attributes("nav.tabs a", "href").iter().any(|href| href.ends_with("/events?traffic=bots")));
    // A person's page shows what they did, whoever they are.
    let page = explorer.page("/person/crawler").await;
    assert_eq!(page.texts("tr.event-row").len(), 2);
}

#[tokio::test]
async fn the_home_page_counts_as_its_insights_say_unless_asked() {
    let explorer = with_traffic().await;
    let page = explorer.page("").await;
    assert_eq!(page.text("nav.segmented [aria-current]"), "Humans");
    let tile = explorer.app.pg_value::<i64>("SELECT min(id) FROM dashboard_tiles").await;
    for (query, number) in [("", "2"), ("?traffic=bots", "3"), ("?traffic=all", "5")] {
        let page = explorer.page(query).await;
        assert_eq!(page.texts(&format!(".tile [hx-get$='/home/tiles/{tile}{query}']")).len(), 1, "{query}");
        let path = format!("/project/{}/home/tiles/{tile}{query}", explorer.project);
        let request = explorer.browser.request(http::Method::GET, &path).header("hx-request", "true");
        let inside = explorer.browser.send(request.body(http_body_util::Full::default()).unwrap()).await;
        assert_eq!(Page::of(inside.assert_ok()).text(".big-number b"), number, "{query}");
    }
}

#[tokio::test]
async fn a_bot_is_stored_with_class_rule_and_score_and_an_sdk_on_a_server_is_none() {
    let app = TestApp::start().await;
    create_project(&app, "phc_bots").await;
    let send = async |name: &str, agent: &str, properties: serde_json::Value| {
        let body = json!({"event": name, "distinct_id": "u", "api_key": "phc_bots", "properties": properties});
        let request = app.request(http::Method::POST, "/capture/").header("user-agent", agent);
        let request = request.header("content-type", "application/json");
        app.send(request.body(http_body_util::Full::from(body.to_string())).unwrap()).await.assert_ok();
    };
    send("crawler", "Mozilla/5.0 (compatible; Googlebot/2.1)", json!({"$lib": "web"})).await;
    send("curl by hand", "curl/8.5.0", json!({})).await;
    send("driven", "Mozilla/5.0 (X11; Linux x86_64)", json!({"$lib": "web", "$webdriver": true})).await;
    send("node", "posthog-node/5.70.0", json!({"$lib": "posthog-node"})).await;
    send("python", "python-requests/2.32", json!({"$lib": "posthog-python"})).await;
    let weak = json!({"$lib": "web", "$screen_width": 1920, "$screen_height": 1080});
    send("weak", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", weak).await;
    app.flush().await;
    let rows = app
        .ch_rows("SELECT event, `$bot_class` AS class, `$bot_rule` AS rule, `$bot_score` AS score FROM events ORDER BY event")
        .await;
    let row = |event: &str, class: Option<&str>, rule: Option<&str>, score: Option<u8>| json!({"event": event, "class": class, "rule": rule, "score": score});
    assert_eq!(
        rows,
        [
            row("crawler", Some("search_crawler"), Some("googlebot"), Some(100)),
            row("curl by hand", None, None, None),
            row("driven", Some("automation"), Some("webdriver"), Some(80)),
            row("node", None, None, None),
            row("python", None, None, None),
            row("weak", None, Some("no_language"), Some(30)),
        ]
    );
}
