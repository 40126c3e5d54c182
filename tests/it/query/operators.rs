//! Operators of filters, each on its own.

use serde_json::{Value, json};

use super::Desk;

async fn desk() -> Desk {
    let desk = Desk::start().await;
    let event = |n: i64, properties: Value| {
        let mut properties = properties;
        properties["n"] = n.into();
        json!({ "event": "seen", "distinct_id": format!("u{n}"), "timestamp": "2026-10-02T10:00:00Z", "properties": properties })
    };
    desk.send(&json!([
        event(1, json!({ "browser": "Safari", "version": "1.2.3", "due": "2026-10-05" })),
        event(2, json!({ "browser": "safari", "version": "v1.10", "due": "2026-10-06 12:00:00" })),
        event(3, json!({ "browser": "Chrome", "version": "2.0.0-rc.1", "due": "1912-06-23" })),
        event(4, json!({ "browser": "", "version": "newest", "due": "soon" })),
        event(5, json!({ "version": "0.2.9" })),
    ]))
    .await;
    desk
}

/// The numbers of the events that a filter leaves.
async fn left(desk: &Desk, filter: &Value) -> Value {
    let sql = "select toInt(properties.n) from events where {filters} order by 1";
    let answer =
        desk.answer(json!({ "kind": "HogQLQuery", "query": sql, "filters": { "properties": [filter] } })).await;
    answer["results"].as_array().unwrap().iter().map(|row| row[0].clone()).collect()
}

#[tokio::test]
async fn each_leaves_what_it_says() {
    let desk = desk().await;
    for (key, operator, value, expected) in [
        ("browser", "starts_with", json!("SA"), json!([1, 2])),
        ("browser", "not_starts_with", json!("sa"), json!([3, 4, 5])),
        ("browser", "ends_with", json!("ME"), json!([3])),
        ("browser", "icontains_multi", json!(["SAF", "chr"]), json!([1, 2, 3])),
        ("browser", "exact", json!(""), json!([4])),
        ("browser", "exact", json!([]), json!([1, 2, 3, 4, 5])),
        ("browser", "exact", Value::Null, json!([5])),
        ("browser", "exact", json!([null]), json!([5])),
        ("browser", "is_not", Value::Null, json!([1, 2, 3, 4])),
        ("due", "is_date_before", json!("2026-10-06"), json!([1, 3])),
        ("due", "is_date_after", json!("2026-10-05"), json!([2])),
        ("due", "is_date_after", json!("-100y"), json!([1, 2])),
        ("due", "is_date_before", json!("100y"), json!([3])),
        ("due", "is_date_before", json!("2026-10-06T10:00:00Z"), json!([1, 3])),
        ("due", "is_date_before", json!(" 2026-10-06T10:00:00Z "), json!([1, 3])),
        ("due", "is_date_after", json!(" 2026-10-05\t"), json!([2])),
        ("version", "semver_eq", json!("1.10.0"), json!([2])),
        ("version", "semver_neq", json!("1.10.0"), json!([1, 3, 4, 5])),
        ("version", "semver_gt", json!("1.9"), json!([2, 3])),
        ("version", "semver_gte", json!("v1.2.3"), json!([1, 2, 3])),
        ("version", "semver_lt", json!("1.2.3"), json!([5])),
        ("version", "semver_lte", json!("1.2.3"), json!([1, 5])),
        ("version", "semver_tilde", json!("1.2.0"), json!([1])),
        ("version", "semver_caret", json!("1.2.0"), json!([1, 2])),
        ("version", "semver_caret", json!("0.2.3"), json!([5])),
        ("version", "semver_wildcard", json!("1.*"), json!([1, 2])),
        ("version", "semver_wildcard", json!("1.10.*"), json!([2])),
        ("version", "semver_wildcard", json!("1.2.3.*"), json!([1])),
        ("version", "semver_wildcard", json!("1.2.2"), json!([])),
    ] {
        let filter = json!({ "type": "event", "key": key, "operator": operator, "value": value });
        assert_eq!(left(&desk, &filter).await, expected, "{filter}");
    }
    for nothing in [json!({}), json!({ "type": "empty" })] {
        assert_eq!(left(&desk, &nothing).await, json!([1, 2, 3, 4, 5]));
    }
    // What is worked out for people is no property of theirs.
    let key = "$virt_initial_channel_type";
    let channel = |value: &str| json!({ "type": "person", "key": key, "operator": "exact", "value": value });
    let known = desk.rows("select distinct $virt_initial_channel_type from persons").await;
    assert_eq!(left(&desk, &channel(known[0][0].as_str().unwrap())).await, json!([1, 2, 3, 4, 5]));
    assert_eq!(left(&desk, &channel("Nowhere")).await, json!([]));
}

#[tokio::test]
async fn a_week_begins_with_the_day_that_the_project_says() {
    let desk = Desk::start().await;
    desk.send(&json!([{ "event": "seen", "distinct_id": "u", "timestamp": "2026-10-02T10:00:00Z",
        "properties": { "n": 1, "due": "2026-10-28" } }]))
        .await;
    // It is Sunday, the first of November.
    let filter = json!({ "type": "event", "key": "due", "operator": "is_date_after", "value": "wStart" });
    for (first_day, expected) in [(0, json!([])), (1, json!([1]))] {
        desk.change_project(&json!({ "week_start_day": first_day })).await;
        assert_eq!(left(&desk, &filter).await, expected, "{first_day}");
    }
}

#[tokio::test]
async fn of_a_list_what_is_negated_holds_of_no_item() {
    let desk = Desk::start().await;
    let click = |n: i64, texts: &[&str]| {
        let button = |text: &&str| json!({ "tag_name": "button", "$el_text": text });
        json!({ "event": "$autocapture", "distinct_id": "u", "timestamp": "2026-10-02T10:00:00Z",
            "properties": { "n": n, "$elements": texts.iter().map(button).collect::<Vec<_>>() } })
    };
    let plain =
        json!({ "event": "seen", "distinct_id": "u", "timestamp": "2026-10-02T10:00:00Z", "properties": { "n": 3 } });
    desk.send(&json!([click(1, &["Buy now", "Shop"]), click(2, &["Shop"]), plain, click(4, &["7", "1.2.3"])])).await;
    for (operator, value, holds) in [
        (["exact", "is_not"], json!("Buy now"), json!([1])),
        (["in", "not_in"], json!(["Buy now", "Sell"]), json!([1])),
        (["icontains", "not_icontains"], json!("OW"), json!([1])),
        (["icontains_multi", "not_icontains_multi"], json!(["NOW", "x"]), json!([1])),
        (["regex", "not_regex"], json!("^B"), json!([1])),
        (["starts_with", "not_starts_with"], json!("sh"), json!([1, 2])),
        (["ends_with", "not_ends_with"], json!("OW"), json!([1])),
        (["between", "not_between"], json!([6, 8]), json!([4])),
        (["semver_eq", "semver_neq"], json!("1.2.3"), json!([4])),
    ] {
        let filter = |operator: &str| json!({ "type": "element", "key": "text", "operator": operator, "value": value });
        assert_eq!(left(&desk, &filter(operator[0])).await, holds, "{}", filter(operator[0]));
        let others: Vec<i64> = (1..=4).filter(|n| !holds.as_array().unwrap().contains(&json!(n))).collect();
        assert_eq!(left(&desk, &filter(operator[1])).await, json!(others), "{}", filter(operator[1]));
    }
    for (key, value) in [("tag_name", json!(["button", "form"])), ("selector", json!(["button", "form > a"]))] {
        let filter = |operator: &str| json!({ "type": "element", "key": key, "operator": operator, "value": value });
        assert_eq!(left(&desk, &filter("in")).await, json!([1, 2, 4]), "{key}");
        assert_eq!(left(&desk, &filter("not_in")).await, json!([3]), "{key}");
    }
}

#[tokio::test]
async fn what_is_no_value_for_it_is_refused() {
    let desk = Desk::start().await;
    for (operator, value) in [
        ("is_date_before", json!("soon")),
        ("is_date_after", json!("all")),
        ("is_date_after", json!("99999999999999y")),
        ("semver_gt", json!("newest")),
        ("semver_tilde", json!("1..2")),
        ("semver_wildcard", json!("*")),
        ("semver_eq", json!("99999999999999999999.0.0")),
        ("gt", Value::Null),
        ("icontains", json!([null])),
    ] {
        let filters = json!([{ "type": "event", "key": "a", "operator": operator, "value": value }]);
        let query = json!({ "kind": "TrendsQuery", "series": [{ "event": "x" }], "properties": filters });
        let reply = desk.reply(query).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["attr"]),
            (400, &json!("properties[0].value")),
            "{filters}\n{}",
            reply.text()
        );
    }
}
