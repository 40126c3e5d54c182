use proptest::prelude::*;

use super::super::{Conjunction, DateBound, Operator, PropertyFilter};
use super::*;

fn refused(query: Value) -> String {
    TrendsQuery::parse(&query).expect_err("it makes no sense").to_string()
}

#[test]
fn the_public_shape_is_read_and_fields_nobody_knows_are_passed_over() {
    let query = TrendsQuery::parse(&json!({
        "kind": "InsightVizNode",
        "source": {
            "kind": "TrendsQuery",
            "filterTestAccounts": false,
            "series": [
                { "kind": "EventsNode", "event": "$pageview", "name": "$pageview", "math": "dau",
                  "properties": [{ "key": "n", "value": [1, 2.0, true], "operator": "exact", "type": "event" }] },
                { "kind": "EventsNode", "event": null, "custom_name": "Everything" },
            ],
            "interval": "week",
            "dateRange": { "date_from": "-30d", "date_to": null },
            "properties": { "type": "AND", "values": [{ "type": "OR", "values": [
                { "key": "plan", "value": "pro", "type": "person" }, { "key": "email", "operator": "is_set", "type": "person" },
            ] }] },
            "breakdownFilter": { "breakdown": "$browser", "breakdown_type": "event", "breakdown_limit": 3 },
            "trendsFilter": { "display": "ActionsBar", "showLegend": true },
            "compareFilter": { "compare": true },
            "version": 2,
        },
    }))
    .expect("a query");
    assert_eq!(query.series[0].math, Math::UniqueUsers);
    assert_eq!(query.series[0].properties.filters[0].values, ["1", "2", "true"]);
    assert_eq!(query.series[1].label(), "Everything");
    assert_eq!(query.properties.conjunction, Conjunction::Or);
    assert_eq!(query.properties.filters.len(), 2);
    assert_eq!(query.breakdown.as_ref().map(|b| b.limit), Some(3));
    assert!(query.is_compared && query.display == Display::Bar && query.interval == Interval::Week);
    assert_eq!(TrendsQuery::parse(&query.to_json()), Ok(query));
}

#[test]
fn what_cannot_be_answered_is_refused_by_field() {
    let with = |key: &str, value: Value| {
        let mut query = json!({ "kind": "TrendsQuery", "series": [{ "event": "a" }] });
        query[key] = value;
        refused(query)
    };
    assert_eq!(
        refused(json!({ "kind": "FunnelsQuery" })),
        "kind: FunnelsQuery cannot be answered yet; TrendsQuery can"
    );
    assert_eq!(refused(json!({ "kind": "TrendsQuery" })), "series: 1 to 26 series are needed");
    assert_eq!(refused(json!(7)), "query: an object is needed here");
    assert!(with("series", json!([{ "event": "a", "math": "p95" }])).starts_with("series[0].math: \"p95\""));
    assert!(with("series", json!([{ "kind": "ActionsNode", "id": 1 }])).starts_with("series[0].kind: ActionsNode"));
    assert!(with("interval", json!("fortnight")).starts_with("interval: \"fortnight\""));
    assert!(with("dateRange", json!({ "date_from": "soon" })).starts_with("dateRange.date_from: \"soon\" is no date"));
    assert!(
        with("properties", json!([{ "key": "a", "operator": "gt", "value": "x" }])).starts_with("properties[0].value:")
    );
    assert!(
        with("properties", json!([{ "key": "a", "type": "cohort" }])).starts_with("properties[0].type: \"cohort\"")
    );
    assert!(with("properties", json!([{ "key": "a", "value": [] }])).starts_with("properties[0].value:"));
    assert!(with("breakdownFilter", json!({ "breakdown_limit": 0 })).starts_with("breakdownFilter.breakdown_limit:"));
    assert!(with("trendsFilter", json!({ "formula": "A/B" })).starts_with("trendsFilter.formula:"));
}

fn filters() -> impl Strategy<Value = PropertyFilter> {
    let values = proptest::collection::vec(any::<String>(), 1..3);
    (any::<bool>(), any::<String>(), 0..Operator::WORDS.len(), values, any::<i32>()).prop_map(
        |(person, key, operator, values, number)| {
            let scope = if person { PropertyScope::Person } else { PropertyScope::Event };
            let (_, operator) = Operator::WORDS[operator];
            let values = match operator {
                _ if operator.is_numeric() => vec![number.to_string()],
                _ if operator.takes_value() => values,
                _ => Vec::new(),
            };
            PropertyFilter { scope, key, operator, values }
        },
    )
}

fn groups() -> impl Strategy<Value = PropertyGroup> {
    let group = |inner: BoxedStrategy<Vec<PropertyGroup>>| {
        (any::<bool>(), proptest::collection::vec(filters(), 0..3), inner).prop_map(|(or, filters, groups)| {
            let conjunction = if or { Conjunction::Or } else { Conjunction::And };
            PropertyGroup { conjunction, filters, groups }.simplified()
        })
    };
    let leaf = group(Just(Vec::new()).boxed()).boxed();
    group(proptest::collection::vec(leaf, 0..3).boxed())
}

fn queries() -> impl Strategy<Value = TrendsQuery> {
    let name = || proptest::option::of(".{1,20}");
    let series = (name(), name(), any::<bool>(), groups()).prop_map(|(event, custom_name, people, properties)| {
        let math = if people { Math::UniqueUsers } else { Math::Total };
        Series { event, custom_name, math, properties }
    });
    let bounds =
        proptest::sample::select(vec!["-7d", "-24h", "mStart", "2026-11-01", "2026-11-01T10:00:00Z", "-1mEnd"]);
    let breakdown = proptest::option::of((".{1,20}", 1..1000_u32, any::<bool>()));
    let series = proptest::collection::vec(series, 1..4);
    (series, bounds, 0..5_usize, 0..5_usize, groups(), breakdown, any::<bool>()).prop_map(
        |(series, from, interval, display, properties, breakdown, is_compared)| TrendsQuery {
            series,
            interval: Interval::WORDS[interval].1,
            date_range: DateRange {
                from: Some(from.parse::<DateBound>().expect("a date")),
                to: None,
                is_explicit: is_compared,
            },
            properties,
            traffic: Traffic::WORDS[display % 3].1,
            counts_cookieless: interval % 2 == 0,
            breakdown: breakdown.map(|(key, limit, is_list)| Breakdown {
                scope: PropertyScope::Event,
                key,
                limit,
                is_list,
            }),
            display: Display::WORDS[display].1,
            is_compared,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back(query in queries()) {
        prop_assert_eq!(TrendsQuery::parse(&query.to_json()), Ok(query));
    }

    /// Whatever the JSON is, the answer is a query or a reason.
    #[test]
    fn hostile_json_never_panics(key in "[a-z]{1,10}", text in any::<String>()) {
        for value in [json!(text), json!([text]), json!({ key.as_str(): text }), json!(1e300), json!([[[]]])] {
            let names = ["series", "interval", "dateRange", "properties", "breakdownFilter", "trendsFilter", "traffic", "kind"];
            for field in names {
                let mut query = json!({ "kind": "TrendsQuery", "series": [{ "event": "a" }] });
                query[field] = value.clone();
                let _ = TrendsQuery::parse(&query);
            }
        }
    }
}
