//! Bad questions of every kind: each is refused with 400, a code, the field and a sentence.

use serde_json::{Value, json};
use tenrec::insights::QUERY_KINDS;

use super::Desk;
use super::kinds::{life, question};

async fn busy() -> Desk {
    let desk = Desk::start().await;
    desk.send(&life("mine")).await;
    desk.action("bought", json!([{ "event": "buy" }])).await;
    desk
}

/// Refused, and how it is said is right; the field.
async fn refused(desk: &Desk, query: &Value) -> String {
    let reply = desk.reply(query.clone()).await;
    let said = query.to_string().chars().take(600).collect::<String>();
    assert_eq!(reply.status.as_u16(), 400, "{said}\n{}", reply.text());
    let fault = reply.json();
    assert_eq!(
        (&fault["type"], &fault["code"]),
        (&json!("validation_error"), &json!("invalid_input")),
        "{said}\n{fault}"
    );
    let sentence = fault["detail"].as_str().unwrap();
    assert!(sentence.ends_with('.') && sentence.len() > 12 && sentence.len() < 1_000, "{said}\n{fault}");
    let field = fault["attr"].as_str().unwrap();
    assert!(!field.is_empty(), "{said}\n{fault}");
    field.to_owned()
}

/// Where filters stand in a kind, as a pointer and as an error names it.
fn filters_of(kind: &str) -> (&'static str, &'static str) {
    if kind == "HogQLQuery" { ("/filters/properties", "filters.properties") } else { ("/properties", "properties") }
}

fn with(kind: &str, pointer: &str, value: &Value) -> Value {
    let mut query = question(kind);
    *query.pointer_mut(pointer).unwrap_or_else(|| panic!("{kind} has no {pointer}")) = value.clone();
    query
}

#[tokio::test]
async fn what_was_sent_is_not_said_back_whole() {
    let desk = busy().await;
    let long = "x".repeat(100_000);
    assert_eq!(refused(&desk, &json!({ "kind": long })).await, "kind");
    assert_eq!(refused(&desk, &json!({ "kind": "TrendsQuery", "series": [{ "math": long }] })).await, "series[0].math");
    assert_eq!(refused(&desk, &json!({ "kind": "HogQLQuery", "query": format!("select {long}") })).await, "query");
}

#[tokio::test]
async fn filters_that_make_no_sense() {
    let desk = busy().await;
    for kind in QUERY_KINDS {
        let (pointer, field) = filters_of(kind);
        let (ty, key) = if *kind == "ActorsQuery" { ("person", "shared_by") } else { ("event", "shared") };
        let filter =
            |operator: &str, value: Value| json!({ "type": ty, "key": key, "operator": operator, "value": value });
        let plain = filter("exact", json!("yes"));
        let deep = (0..20).fold(json!([plain]), |inner, _| json!({ "type": "AND", "values": [inner] }));
        let many: Vec<Value> = (0..5_001).map(Value::from).collect();
        for (filters, at) in [
            (json!([filter("love", json!(1))]), "[0].operator"),
            (json!([filter("exact", json!({ "a": 1 }))]), "[0].value"),
            (json!([filter("gt", json!([1, 2]))]), "[0].value"),
            (json!([plain, { "type": "weather", "key": "a", "value": 1 }]), "[1].type"),
            (json!([{ "type": ty, "key": 7, "value": 1 }]), "[0].key"),
            (json!([filter("exact", many.into())]), "[0].value"),
            (json!("all"), ""),
        ] {
            assert_eq!(refused(&desk, &with(kind, pointer, &filters)).await, format!("{field}{at}"), "{kind}");
        }
        for filters in [deep, json!(vec![plain; 201]), json!([{ "type": "hogql", "key": "1 +" }])] {
            let named = refused(&desk, &with(kind, pointer, &filters)).await;
            assert!(named.starts_with(field), "{kind}: {named}");
        }
        refused(&desk, &with(kind, pointer, &json!([{ "type": "hogql", "key": "nothing_of_this_name = 1" }]))).await;
        // Which of the patterns it is, the store does not say.
        // Of a question in SQL it may be one of that, and of paths one that makes them alike.
        let at = if matches!(*kind, "HogQLQuery" | "PathsQuery") { "query" } else { "properties" };
        for filter in [filter("regex", json!("(unclosed")), filter("not_regex", json!("a{2,1}"))] {
            assert_eq!(refused(&desk, &with(kind, pointer, &json!([filter]))).await, at, "{kind}");
        }
    }
}

#[tokio::test]
async fn dates_that_make_no_sense() {
    let desk = busy().await;
    for kind in QUERY_KINDS {
        let (from, to, names) = match *kind {
            "ActorsQuery" => continue,
            "EventsQuery" => ("/after", "/before", ["after", "before"]),
            "HogQLQuery" => (
                "/filters/dateRange/date_from",
                "/filters/dateRange/date_to",
                ["filters.dateRange.date_from", "filters.dateRange.date_to"],
            ),
            _ => ("/dateRange/date_from", "/dateRange/date_to", ["dateRange.date_from", "dateRange.date_to"]),
        };
        for nonsense in
            ["tomorrow", "2026-13-01", "0001-01-01", "99999-01-01", "-99999999d", "2026-10-25T99:00:00", "7"]
        {
            assert_eq!(refused(&desk, &with(kind, from, &json!(nonsense))).await, names[0], "{kind}: {nonsense}");
            assert_eq!(refused(&desk, &with(kind, to, &json!(nonsense))).await, names[1], "{kind}: {nonsense}");
        }
        assert_eq!(refused(&desk, &with(kind, from, &json!(7))).await, names[0], "{kind}");
        let reversed = with(kind, to, &json!("2026-10-01"));
        if *kind == "PathsQuery" {
            // The query API that this follows finds no paths in it.
            assert_eq!(desk.answer(reversed).await["results"], json!([]));
        } else {
            assert_eq!(refused(&desk, &reversed).await, names[1], "{kind}");
        }
        // All time that there may be: an answer, or a refusal that says which field.
        let mut all = with(kind, from, &json!("1900-01-01"));
        *all.pointer_mut(to).unwrap() = "2299-12-31".into();
        if desk.reply(all.clone()).await.status.as_u16() != 200 {
            refused(&desk, &all).await;
        }
        if all.get("interval").is_some() {
            all["interval"] = "minute".into();
            assert_eq!(refused(&desk, &all).await, "interval", "{kind}");
            all["interval"] = "fortnight".into();
            assert_eq!(refused(&desk, &all).await, "interval", "{kind}");
        }
    }
}

#[tokio::test]
async fn questions_without_what_they_are_about() {
    let desk = Desk::start().await;
    for kind in QUERY_KINDS {
        let mut bare = question(kind);
        if bare.get("series").is_none() {
            continue;
        }
        for series in [json!([]), Value::Null, json!(vec![json!({}); 1_000])] {
            bare["series"] = series;
            assert_eq!(refused(&desk, &bare).await, "series", "{kind}");
        }
        let wanted = question(kind)["series"].as_array().unwrap().len();
        bare["series"] = json!(vec![json!({ "kind": "PizzaNode" }); wanted]);
        assert_eq!(refused(&desk, &bare).await, "series[0].kind", "{kind}");
        bare["series"] = json!({ "event": "x" });
        assert_eq!(refused(&desk, &bare).await, "series", "{kind}");
    }
    for (query, field) in [
        (json!({ "kind": "PizzaQuery" }), "kind"),
        (json!({ "kind": 7 }), "kind"),
        (json!({}), "kind"),
        (json!({ "kind": "InsightVizNode" }), "kind"),
        (json!({ "kind": "HogQLQuery" }), "query"),
        (json!({ "kind": "EventsQuery" }), "select"),
        (json!({ "kind": "EventsQuery", "select": vec!["event"; 101] }), "select"),
        (json!({ "kind": "ActorsQuery", "select": vec!["id"; 101] }), "select"),
        (json!({ "kind": "ActorsQuery", "source": { "kind": "PizzaQuery" } }), "source.kind"),
    ] {
        assert_eq!(refused(&desk, &query).await, field, "{query}");
    }
    let wrapped = (0..9).fold(question("TrendsQuery"), |inner, _| json!({ "kind": "InsightVizNode", "source": inner }));
    assert_eq!(refused(&desk, &wrapped).await, "source");
}

#[tokio::test]
async fn ten_thousand_breakdowns() {
    let desk = busy().await;
    let many: Vec<Value> = (0..10_000).map(|n| json!({ "property": format!("p{n}"), "type": "event" })).collect();
    for kind in QUERY_KINDS.iter().filter(|kind| ["TrendsQuery", "FunnelsQuery", "RetentionQuery"].contains(*kind)) {
        let mut query = question(kind);
        query["breakdownFilter"] = json!({ "breakdowns": many });
        let field = refused(&desk, &query).await;
        assert!(field.starts_with("breakdownFilter"), "{kind}: {field}");
    }
    let select: Vec<String> = (0..10_000).map(|n| format!("properties.p{n}")).collect();
    let sql = format!("select {} from events", select.join(", "));
    assert_eq!(refused(&desk, &json!({ "kind": "HogQLQuery", "query": sql })).await, "query");
}

/// Whatever stands in whatever field: an answer, or a refusal that names a field, and never a failure of ours.
#[tokio::test]
async fn any_field_may_hold_anything() {
    let desk = busy().await;
    let odd = [json!(-1), json!("x"), json!([[7]]), json!({ "a": null }), json!(1e300)];
    for kind in QUERY_KINDS {
        let whole = question(kind);
        let mut places = Vec::new();
        collect(&whole, "", &mut places);
        for (at, place) in places.iter().enumerate().filter(|(_, place)| *place != "/kind") {
            // Each value in each field would be thousands; over all fields each comes often.
            for value in odd.iter().cycle().skip(at).take(2) {
                let mut query = whole.clone();
                *query.pointer_mut(place).unwrap() = value.clone();
                if desk.reply(query.clone()).await.status.as_u16() != 200 {
                    refused(&desk, &query).await;
                }
            }
        }
    }
}

fn collect(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            into.push(format!("{at}/{key}"));
            collect(value, &format!("{at}/{key}"), into);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| {
            into.push(format!("{at}/{n}"));
            collect(value, &format!("{at}/{n}"), into);
        }),
        _ => {}
    }
}
