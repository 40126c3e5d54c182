//! Statements kept under review, each also run on the real engine.

use std::collections::HashMap;

use serde_json::json;
use tenrec::model::ProjectId;
use tenrec::model::query::WeekStart;
use tenrec::model::value_kinds::ValueKinds;
use tenrec::sql::parse_query;
use tenrec::storage::ch::hogql::{LimitRule, Named, PropertyFacts, PropertyType, QueryScope, compile};

use super::Desk;

const QUESTIONS: &[(&str, &str)] = &[
    (
        "plain",
        "select event, count() as n from events where timestamp >= '2026-10-01' group by event order by n desc limit 10",
    ),
    (
        "properties",
        "select properties.$browser, properties.plan, properties.price, properties.seen, properties.is_new, properties.cart.items.1.id, person.properties.email from events",
    ),
    (
        "properties_of_known_kinds",
        "select properties.$os, properties.$lib, properties.$screen_width, properties.tier, properties.size, properties.share, properties.amount, properties.is_paid, properties.mixed, properties.tags from events",
    ),
    (
        "people",
        "select person_id, pdi.person.properties.email, person.created_at from events where person.id is not null",
    ),
    (
        "persons",
        "select id, properties.email, created_at, $virt_initial_channel_type from persons where properties.email like '%@example.com'",
    ),
    (
        "sessions",
        "select session_id, $session_duration from sessions where $start_timestamp > '2026-10-01' and $entry_current_url != null",
    ),
    ("session_of_event", "select event, session.$session_duration from events"),
    (
        "joins",
        "select e.event, p.properties.name from events as e left join person_distinct_ids as d on d.distinct_id = e.distinct_id join persons as p on p.id = d.person_id",
    ),
    (
        "nulls",
        "select null = 1, properties.a = properties.b, properties.a != 'x', properties.a not like 'x', properties.a not in ('x', 'y'), properties.a ?? 'none' from events",
    ),
    (
        "times",
        "select toStartOfWeek(timestamp), toDateTime('2026-10-31'), now() > timestamp, today(), toDate(timestamp), dateDiff('day', timestamp, now()) from events",
    ),
    (
        "names",
        "with a as (select event as e, count() as c from events group by e), 5 as five select a.e, c * five as x from a where x > 1 order by 2",
    ),
    (
        "windows",
        "select event, lag(event, 1) over w, sum(1) over (partition by event order by timestamp rows between 1 preceding and current row) from events window w as (order by timestamp)",
    ),
    ("groups", "select group_0.properties.industry, group_3.key, group_3.created_at from events"),
    ("table_of_groups", "select index, key, created_at, properties.name, properties from groups"),
    (
        "cohort_tables",
        "select stored, number from person_numbers where stored in (select stored from static_cohort_members where cohort_id = 7)",
    ),
    (
        "exists",
        "select event from events where exists (select 1 from persons where properties.plan = 'pro') and not exists (with 'x' as y select 1 from events where event = y)",
    ),
    (
        "first_of_each",
        "select distinct on (distinct_id) distinct_id, event from events order by distinct_id, timestamp desc",
    ),
    (
        "grouped_by_all",
        "select event, toStartOfDay(timestamp) as day, count() as n, n * 2, rank() over (order by n), (select count() from persons) from events group by all order by n",
    ),
    ("sets", "select event from events union all (select distinct_id from person_distinct_ids limit 3)"),
    (
        "lists",
        "select arrayMap(x -> concat(x, 'y'), ['a']), t from events array join JSONExtract(properties.tags, 'Array(String)') as t",
    ),
];

fn statement(sql: &str) -> String {
    let query = parse_query(sql).unwrap_or_else(|e| panic!("{}", e.describe(sql)));
    let event_property = |key: &str| {
        let (ty, kinds) = match key {
            "price" => (Some(PropertyType::Numeric), None),
            "is_new" => (Some(PropertyType::Boolean), None),
            "seen" => (Some(PropertyType::DateTime), None),
            "plan" | "a" | "b" => (Some(PropertyType::Text), None),
            "$os" | "$screen_width" => (None, Some(ValueKinds::NONE)),
            "$lib" => (None, Some(ValueKinds::WHOLE)),
            "tier" => (Some(PropertyType::Text), Some(ValueKinds::TEXT)),
            "size" => (Some(PropertyType::Numeric), Some(ValueKinds::WHOLE)),
            "share" => (Some(PropertyType::Numeric), Some(ValueKinds::BROKEN)),
            "amount" => (Some(PropertyType::Numeric), Some(ValueKinds::NUMBERS)),
            "is_paid" => (Some(PropertyType::Boolean), Some(ValueKinds::FLAG)),
            "mixed" => (Some(PropertyType::Numeric), Some(ValueKinds::NUMBERS.with(ValueKinds::TEXT))),
            "tags" => (None, Some(ValueKinds::TEXT.with(ValueKinds::LIST))),
            _ => (None, None),
        };
        PropertyFacts { ty, kinds }
    };
    let placeholders = HashMap::new();
    let named = Named::default();
    let scope = QueryScope {
        project: ProjectId::new(7),
        zone: "Europe/Berlin",
        week_start: WeekStart::Monday,
        event_property: &event_property,
        person_type: &|_| Some(PropertyType::Text),
        placeholders: &placeholders,
        named: &named,
        behind: None,
    };
    let compiled = compile(&query, &scope, Some(LimitRule { default: 100, most: 50_000 }));
    let sql = compiled.unwrap_or_else(|e| panic!("{}", e.describe(sql))).sql;
    let text = sql.text();
    let tables = [
        "FROM events",
        "FROM persons FINAL",
        "FROM person_distinct_ids FINAL",
        "FROM sessions ",
        "FROM person_overrides",
        "FROM groups FINAL",
        "FROM cohort_members FINAL",
    ];
    let tables: usize = tables.iter().map(|table| text.matches(table).count()).sum();
    assert_eq!(text.matches("project_id = {").count(), tables, "a table without its project: {text}");
    let params = sql.params().iter().enumerate().map(|(at, value)| format!("\np{at}: {value:?}"));
    format!("{text}\n{}", params.collect::<String>())
}

#[test]
fn statements_are_as_they_were() {
    for (name, sql) in QUESTIONS {
        insta::assert_snapshot!(*name, statement(sql));
    }
}

#[tokio::test]
async fn every_one_of_them_runs() {
    let desk = Desk::start().await;
    desk.send(&json!([{ "event": "x", "distinct_id": "a", "timestamp": "2026-10-31T12:00:00Z",
        "properties": { "price": 1, "seen": "2026-10-31T12:00:00Z", "is_new": true, "a": "b", "$set": { "email": "a@example.com" } } }]))
        .await;
    for (name, sql) in QUESTIONS {
        let reply = desk.reply(json!({ "kind": "HogQLQuery", "query": sql })).await;
        assert_eq!(reply.status.as_u16(), 200, "{name}: {}", reply.text());
    }
}
