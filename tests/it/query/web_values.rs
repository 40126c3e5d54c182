//! Questions about the web whose answers are plain to see, and those that are refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Desk;
use super::web::plain;

#[tokio::test]
async fn scrolling_and_time_are_told_by_the_page_after() {
    let desk = Desk::start().await;
    let view = |minute: u32, path: &str, more: &Value| {
        let mut properties = json!({ "$session_id": "visit-a", "$pathname": path });
        more.as_object().unwrap().iter().for_each(|(key, value)| properties[key] = value.clone());
        json!({ "event": "$pageview", "distinct_id": "a", "timestamp": format!("2026-10-05T10:{minute:02}:00Z"), "properties": properties })
    };
    let left = |path: &str, depth: f64, seconds: u32| {
        json!({ "$prev_pageview_pathname": path, "$prev_pageview_duration": seconds,
        "$prev_pageview_max_scroll_percentage": depth, "$prev_pageview_max_content_percentage": depth })
    };
    desk.send(&json!([
        view(0, "/a", &json!({})),
        view(1, "/b", &left("/a", 0.5, 60)),
        view(2, "/a", &left("/b", 0.9, 30)),
        view(3, "/c", &left("/a", 1.0, 100_000))
    ]))
    .await;
    let asked = |more: &Value| {
        let mut query =
            json!({ "kind": "WebStatsTableQuery", "breakdownBy": "Page", "dateRange": { "date_from": "2026-10-01" } });
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        query
    };
    let answer = desk.answer(asked(&json!({ "includeBounceRate": true, "includeScrollDepth": true }))).await;
    let one = |value: Value| json!([value, null]);
    let row = |path: &str, views: u32, bounce: Value, scrolled: Value, deep: Value| {
        plain(&json!([path, one(json!(1)), one(json!(views)), one(bounce), one(scrolled), one(deep), 1.0 / 3.0, ""]))
    };
    let expected = [
        row("/a", 2, json!(0), json!(0.75), json!(0.5)),
        row("/b", 1, Value::Null, json!(0.9), json!(1)),
        row("/c", 1, Value::Null, Value::Null, Value::Null),
    ];
    assert_eq!(plain(&answer["results"]), json!(expected));
    assert_eq!(answer["columns"][4], "context.columns.average_scroll_percentage");
    let only_a = json!({ "includeBounceRate": true, "includeScrollDepth": true, "orderBy": ["AverageScrollPercentage", "ASC"],
        "properties": [{ "type": "event", "key": "$pathname", "operator": "exact", "value": "/a" }] });
    let answer = desk.answer(asked(&only_a)).await;
    assert_eq!(plain(&answer["results"][0][4]), plain(&json!([0.75, null])), "{answer}");
    assert_eq!(plain(&answer["results"][0][6]), plain(&json!(0.75)), "sorted by a part, that part is told");
    let answer = desk.answer(asked(&json!({ "includeAvgTimeOnPage": true }))).await;
    // Nine in ten of 60 and a day.
    assert_eq!(plain(&answer["results"][0][3]), plain(&json!([60.0 + 0.9 * 86_340.0, null])), "{answer}");
    assert_eq!(plain(&answer["results"][2][3]), plain(&json!([0, null])));
}

#[tokio::test]
async fn values_of_several_parts_languages_zones_and_frustration() {
    let desk = Desk::start().await;
    let event = |event: &str, who: &str, properties: Value| {
        let mut properties = properties;
        properties["$session_id"] = format!("visit-{who}").into();
        json!({ "event": event, "distinct_id": who, "timestamp": "2026-10-05T10:00:00Z", "properties": properties })
    };
    desk.send(&json!([
        event("$pageview", "a", json!({ "$viewport_width": 1280, "$viewport_height": 720, "$browser_language": "en-GB",
            "$timezone_offset": -330, "$pathname": "/calm", "$current_url": "https://x.example/calm", "$referrer": "https://y.example/z" })),
        event("$pageview", "b", json!({ "$browser_language": "en-GB", "$pathname": "/cross", "$referrer": "https://x.example/calm?q=1",
            "$current_url": "https://x.example/cross" })),
        event("$pageview", "c", json!({ "$browser_language": "en-US", "$pathname": "/cross" })),
        event("$rageclick", "b", json!({ "$pathname": "/cross" })),
        event("$exception", "c", json!({ "$pathname": "/cross" })),
    ]))
    .await;
    let table = async |by: &str| {
        let answer = desk.answer(
            json!({ "kind": "WebStatsTableQuery", "breakdownBy": by, "dateRange": { "date_from": "2026-10-01" } }),
        );
        let answer = answer.await;
        let width = answer["columns"].as_array().unwrap().len();
        assert!(
            answer["results"].as_array().unwrap().iter().all(|row| row.as_array().unwrap().len() == width),
            "{answer}"
        );
        answer["results"].clone()
    };
    assert_eq!(table("Viewport").await[0][0], json!([1280, 720]));
    assert_eq!(table("Timezone").await[0][0], json!(5.5));
    assert_eq!(table("Language").await, json!([["en-GB", [3, null], [3, null], ""]]));
    assert_eq!(table("FrustrationMetrics").await, json!([["/cross", [1, null], [0, null], [1, null], ""]]));
    let before: BTreeSet<String> =
        table("PreviousPage").await.as_array().unwrap().iter().map(|row| row[0].to_string()).collect();
    assert_eq!(before, BTreeSet::from(["\"/calm\"", "\"https://y.example/z\""].map(str::to_owned)));
    let nothing = json!([["(none) / (none) / (none)", [3, null], [3, null], 1, ""]]);
    assert_eq!(table("InitialUTMSourceMediumCampaign").await, nothing);
    // Nobody said where they are, on what, or what they clicked.
    for by in ["City", "Region", "Country", "DeviceType", "ExitClick"] {
        assert_eq!(table(by).await, json!([]), "{by}");
    }
    for by in ["InitialReferringURL", "InitialChannelType"] {
        assert!(!table(by).await.as_array().unwrap().is_empty(), "{by}");
    }
    let page = desk
        .answer(
            json!({ "kind": "WebStatsTableQuery", "breakdownBy": "Page", "dateRange": { "date_from": "2026-10-01" },
            "orderBy": ["Views", "ASC"], "limit": 1, "offset": 1 }),
        )
        .await;
    assert_eq!((&page["results"][0][0], &page["hasMore"]), (&json!("/cross"), &json!(false)));
}

#[tokio::test]
async fn pages_are_told_with_their_hosts_and_sessions_by_the_link_they_left_by() {
    let desk = Desk::start().await;
    let rules = json!([{ "regex": "^/item/\\d+", "alias": "/item/:id" }]);
    desk.change_project(&json!({ "path_cleaning_filters": rules })).await;
    let event = |event: &str, who: &str, minute: u32, properties: Value| {
        let mut properties = properties;
        properties["$session_id"] = format!("visit-{who}").into();
        json!({ "event": event, "distinct_id": who, "timestamp": format!("2026-10-05T10:{minute:02}:00Z"), "properties": properties })
    };
    let view = |who: &str, minute: u32, host: &str, path: &str, before: Option<&str>| {
        let properties = json!({ "$host": host, "$pathname": path, "$current_url": format!("https://{host}{path}"),
            "$prev_pageview_pathname": before, "$prev_pageview_max_scroll_percentage": before.map(|_| 0.5) });
        event("$pageview", who, minute, properties)
    };
    let click =
        |who: &str, minute: u32, url: &str| event("$autocapture", who, minute, json!({ "$external_click_url": url }));
    desk.send(&json!([
        view("a", 1, "x.example", "/item/7", None),
        view("a", 2, "x.example", "/end", Some("/item/7")),
        view("b", 1, "y.example", "/item/8", None),
        click("a", 3, "https://first.example/"),
        click("a", 4, "https://last.example/?q=1"),
    ]))
    .await;
    let table = async |by: &str, more: Value| {
        let mut query =
            json!({ "kind": "WebStatsTableQuery", "breakdownBy": by, "dateRange": { "date_from": "2026-10-01" } });
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        desk.answer(query).await["results"].clone()
    };
    let values = |rows: &Value| {
        rows.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let hosts = json!({ "includeHost": true, "doPathCleaning": true });
    assert_eq!(
        values(&table("Page", hosts.clone()).await),
        ["x.example/end", "x.example/item/:id", "y.example/item/:id"]
    );
    assert_eq!(values(&table("InitialPage", hosts.clone()).await), ["x.example/item/:id", "y.example/item/:id"]);
    assert_eq!(values(&table("ExitPage", hosts).await), ["x.example/end", "y.example/item/:id"]);
    assert_eq!(values(&table("Page", json!({ "doPathCleaning": true })).await), ["/item/:id", "/end"]);
    let whole = json!({ "includeHost": true, "includeBounceRate": true, "includeScrollDepth": true });
    let pages = table("Page", whole).await;
    let row = |page: &str| pages.as_array().unwrap().iter().find(|row| row[0] == page).unwrap().clone();
    // Bounced, scrolled half.
    assert_eq!((&row("y.example/item/8")[3][0], &row("x.example/item/7")[3][0]), (&json!(1), &json!(0)), "{pages}");
    assert_eq!(
        (&row("x.example/item/7")[4][0], &row("y.example/item/8")[4][0]),
        (&json!(0.5), &Value::Null),
        "{pages}"
    );
    let clicks = table("ExitClick", json!({})).await;
    assert_eq!(clicks, json!([["https://last.example/?q=1", [1, null], [2, null], 1, ""]]));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    for (query, attr) in [
        (json!({ "kind": "WebOverviewQuery", "conversionGoal": {} }), "conversionGoal"),
        (json!({ "kind": "WebOverviewQuery", "conversionGoal": { "actionId": "x" } }), "conversionGoal.actionId"),
        (json!({ "kind": "WebOverviewQuery", "includeRevenue": true }), "includeRevenue"),
        (
            json!({ "kind": "WebOverviewQuery", "compareFilter": { "compare": true, "compare_to": "mStart" } }),
            "compareFilter.compare_to",
        ),
        (
            json!({ "kind": "WebOverviewQuery", "dateRange": { "date_from": "2026-10-05", "date_to": "2026-10-01" } }),
            "dateRange.date_to",
        ),
        (json!({ "kind": "WebStatsTableQuery" }), "breakdownBy"),
        (json!({ "kind": "WebStatsTableQuery", "breakdownBy": "Clicks" }), "breakdownBy"),
        (json!({ "kind": "WebStatsTableQuery", "breakdownBy": "Page", "limit": 50_001 }), "limit"),
        (json!({ "kind": "WebStatsTableQuery", "breakdownBy": "Page", "orderBy": ["Views"] }), "orderBy"),
        (json!({ "kind": "WebStatsTableQuery", "breakdownBy": "Page", "orderBy": ["Love", "ASC"] }), "orderBy[0]"),
        (
            json!({ "kind": "WebStatsTableQuery", "breakdownBy": "OS", "includeScrollDepth": true }),
            "includeScrollDepth",
        ),
    ] {
        let reply = desk.reply(query.clone()).await;
        assert_eq!(reply.status.as_u16(), 400, "{query}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
}
