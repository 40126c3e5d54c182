//! What the language knows beside its clauses: functions, tables of names, units, filters in their place.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenrec::storage::ch::Sql;
use tenrec::storage::ch::hogql::listed_functions;

use super::Desk;

/// Every function on the list is one of the engine's that works on its arguments alone.
#[tokio::test]
async fn listed_functions_are_the_engines_and_reach_nothing_else() {
    let desk = Desk::start().await;
    let ask = async |sql: &'static str| {
        let rows = desk.app.state().ch.sql_rows(&Sql::new(sql)).await.unwrap().rows;
        rows.into_iter().map(|row| row[0].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let known = ask("SELECT name FROM system.functions").await;
    let folded = ask("SELECT lower(name) FROM system.functions WHERE case_insensitive").await;
    let ends = ask("SELECT name FROM system.aggregate_function_combinators").await;
    let is_known = |name: &str| known.contains(name) || folded.contains(&name.to_ascii_lowercase());
    // An aggregate may have an end: sumIf, sumForEach.
    let without_end = |name: &str| {
        ends.iter().filter_map(|end| name.strip_suffix(end.as_str())).map(str::to_owned).collect::<Vec<_>>()
    };
    let is_combined = |name: &str| {
        let once = without_end(name);
        let twice = once.iter().flat_map(|name| without_end(name)).collect::<Vec<_>>();
        once.iter().chain(&twice).any(|name| is_known(name))
    };
    let windows = [
        "row_number",
        "rank",
        "dense_rank",
        "ntile",
        "percent_rank",
        "nth_value",
        "lagInFrame",
        "leadInFrame",
        "untuple",
    ];
    let missing: Vec<_> = listed_functions()
        .filter(|(_, prints)| !windows.contains(prints) && !is_known(prints) && !is_combined(prints))
        .collect();
    assert_eq!(missing, []);
    let tables = ask("SELECT name FROM system.table_functions").await;
    let outside = ask(
        "SELECT name FROM system.functions WHERE match(name, '^(dict|joinGet|get[A-Z]|current|sleep|file|url|s3|host|fqdn|\
         remote|zookeeper|server|query_?(ID|id)|initial|throwIf|log(Query|Trace)|connection|partitionId|shard|hasColumnIn|\
         show|catboost|evalML|encrypt|decrypt|aes_|default|enabled|total|display|version|uptime|build|user$|database|schema|\
         tcpPort|transaction|hasThread|isMergeTree|generateRandom|addressTo|demangle|errorCode|runningAcc|python)')",
    )
    .await;
    let reaching: Vec<_> = listed_functions().filter(|(_, prints)| outside.contains(*prints)).collect();
    assert_eq!(reaching, []);
    // What gives rows is not on the list; one name means a function of texts where a value stands.
    let rows: Vec<_> =
        listed_functions().filter(|(_, prints)| tables.contains(*prints)).map(|(name, _)| name).collect();
    assert_eq!(rows, ["format"]);
}

/// Names that the public list of the language has, each with what it gives.
#[tokio::test]
async fn functions_are_called_by_their_names() {
    let desk = Desk::start().await;
    for (sql, expected) in [
        ("max2(1, 2), min2(1, 2), factorial(4), roundBankers(2.5), intExp2(4)", json!([2, 1, 24, 2, 16])),
        (
            "lpad('a', 3, 'x'), rpad('a', 3, 'x'), left('äbc', 2), right('abä', 2), initcap('ab cd')",
            json!(["xxa", "axx", "äb", "bä", "Ab Cd"]),
        ),
        (
            "md5('a'), hex(MD5('a')), base58Decode(base58Encode('a'))",
            json!(["0cc175b9c0f1b6a831c399e269772661", "0CC175B9C0F1B6A831C399E269772661", "a"]),
        ),
        (
            "arrayFold((acc, x) -> acc + x, [1, 2, 3], toInt64(0)), arrayResize([1], 3, 0), hasSubstr([1, 2], [2])",
            json!([6, [1, 0, 0], 1]),
        ),
        (
            "arrayRotateLeft([1, 2, 3], 1), arrayCumSumNonNegative([1, -2, 3]), arrayWithConstant(2, 'a')",
            json!([[2, 3, 1], [1, 0, 3], ["a", "a"]]),
        ),
        (
            "splitByNonAlpha('a.b'), extractGroups('ab', '(a)(b)'), multiSearchFirstIndex('abc', ['x', 'c'])",
            json!([["a", "b"], ["a", "b"], 2]),
        ),
        (
            "queryStringAndFragment('https://a.b/c?d#e'), netloc('https://u@a.b/c'), JSONArrayLength('[1, 2]')",
            json!(["d#e", "u@a.b", 2]),
        ),
        ("date_part('year', toDateTime('2026-11-01')), date_part('dow', toDateTime('2026-11-01'))", json!([2026, 7])),
        (
            "toDate(dateAdd('day', 1, toDateTime('2026-10-31'))), toDate(date_sub(month, 1, toDate('2026-11-30')))",
            json!(["2026-11-01", "2026-10-30"]),
        ),
        (
            "dateDiff(day, toDate('2026-11-01'), toDate('2026-11-03')), date_trunc(month, toDate('2026-11-03'))",
            json!([2, "2026-11-01"]),
        ),
        (
            "toDateTime('2026-10-25 02:30:00', 'UTC') = toDateTime('2026-10-25T02:30:00Z'), date('2026-11-01')",
            json!([1, "2026-11-01"]),
        ),
        ("1 is distinct from null, null is not distinct from null, 1 is not distinct from 2", json!([1, 1, 0])),
        (
            "date_trunc('month', toDate('2026-11-03')), dateDiff('day', toDate('2026-11-01'), toDate('2026-11-03'))",
            json!(["2026-11-01", 2]),
        ),
        (
            "toDecimal('1.256', 2), toDecimal(1.5, 1) + 1, toDecimal('many', 2), toDecimal(null, 0), toTypeName(toDecimal('1', 4))",
            json!([1.25, 2.5, null, null, "Nullable(Decimal(18, 4))"]),
        ),
        (
            "toUnixTimestamp(toDateTimeUS('11/10/2026 12:00:00')) - toUnixTimestamp(toDateTime('2026-11-10 12:00:00')), \
             toUnixTimestamp(toDateTimeUS('11/10/2026 12:00:00', 'UTC')) - toUnixTimestamp(toDateTime('2026-11-10T12:00:00Z')), \
             toTypeName(toDateTimeUS('11/10/2026')), toDateTimeUS('no time')",
            json!([0, 0, "Nullable(DateTime64(6, 'Europe/Berlin'))", null]),
        ),
        ("greatCircleDistance(0, 0, 0, 0), tuplePlus((1, 2), (3, 4)).2, dotProduct([1, 2], [3, 4])", json!([0, 6, 11])),
    ] {
        assert_eq!(desk.rows(&format!("select {sql}")).await, json!([expected]), "{sql}");
    }
    for (sql, expected) in [
        ("string_agg(toString(number), '-'), array_agg(number), every(number < 3)", json!(["0-1-2", [0, 1, 2], 1])),
        (
            "string_agg(distinct toString(number % 1), '-'), string_agg(toString(number), '-') filter (where number > 0)",
            json!(["0", "1-2"]),
        ),
        (
            "array_agg(number) filter (where number > 0), every(number > 0) filter (where number > 0), every(number > 0)",
            json!([[1, 2], 1, 0]),
        ),
        ("count(distinct number % 2), countDistinct(number), countDistinctIf(number, number > 0)", json!([2, 3, 2])),
        (
            "count() filter (where number > 0), sum(number) filter (where number > 1), count(*) filter (where number = 0)",
            json!([2, 2, 1]),
        ),
        (
            "medianExact(number), uniqTheta(number), varSampIf(number, number < 2), groupArraySorted(2)(number)",
            json!([1, 3, 0.5, [0, 1]]),
        ),
        ("avgForEach([number, 1]), topKIf(1)(number, number = 2), deltaSum(number)", json!([[1, 1], [2], 2])),
    ] {
        assert_eq!(desk.rows(&format!("select {sql} from numbers(3)")).await, json!([expected]), "{sql}");
    }
    let around = "select number, lag(number) over (order by number), lead(number, 1, 9) over w, lag(number, 1) over w \
                  from numbers(3) window w as (order by number) order by number";
    assert_eq!(desk.rows(around).await, json!([[0, null, 1, null], [1, 0, 2, 0], [2, 1, 9, 1]]));
    let around = "select string_agg(toString(number), '-') over (order by number) from numbers(3) order by number";
    assert_eq!(desk.rows(around).await, json!([["0"], ["0-1"], ["0-1-2"]]));
    for sql in [
        "toDecimal('1', 19)",
        "toDecimal('1', -1)",
        "toDecimal('1', length('ab'))",
        "dateAdd('fortnight', 1, now())",
        "date_part('mood', now())",
        "toDateTime('2026-01-01', 'Mars')",
        "count() filter (x > 1)",
    ] {
        desk.refusal(&format!("select {sql}")).await;
    }
}

fn happened(event: &str, who: &str, at: &str, mut properties: Value, email: &str) -> Value {
    properties["$set"] = json!({ "email": email });
    json!({ "event": event, "distinct_id": who, "timestamp": at, "properties": properties })
}

#[tokio::test]
async fn cohorts_are_tables() {
    let desk = Desk::start().await;
    assert_eq!(desk.rows("select id, name, count from cohorts").await, json!([]));
    assert_eq!(desk.rows("select person_id from cohort_people").await, json!([]));
    desk.send(&json!([
        happened("buy", "ada", "2026-10-01T10:00:00Z", json!({}), "ada@x.example"),
        happened("buy", "bob", "2026-10-01T11:00:00Z", json!({}), "bob@y.example"),
    ]))
    .await;
    let by_email = |part: &str| json!([{ "key": "email", "type": "person", "operator": "icontains", "value": part }]);
    let ada = desk.cohort("Ada's", by_email("x.example")).await;
    let all = desk.cohort("all", by_email("example")).await;
    let sql = "select id, name, is_static, toDate(created_at) <= today() from cohorts order by id";
    assert_eq!(desk.rows(sql).await, json!([[ada, "Ada's", false, 1], [all, "all", false, 1]]));
    let sql = "select c.name, count(), uniq(p.person_id) from cohort_people as p join cohorts as c on c.id = p.cohort_id \
               group by c.name order by 1";
    assert_eq!(desk.rows(sql).await, json!([["Ada's", 1, 1], ["all", 2, 2]]));
    let sql = format!(
        "select distinct_id from events where person_id in (select person_id from cohort_people where cohort_id = {ada})"
    );
    assert_eq!(desk.rows(&sql).await, json!([["ada"]]));
    assert_eq!(desk.rows("select count() from system.cohorts where count >= 1").await, json!([[2]]));
    for n in 0..30 {
        desk.cohort(&format!("further {n}"), by_email("example")).await;
    }
    assert_eq!(desk.rows("select count() from cohorts").await, json!([[32]]));
    assert!(desk.refusal("select count() from cohort_people").await.contains("at most 30 cohorts"));
}

#[tokio::test]
async fn groups_go_by_the_names_of_their_types() {
    let desk = Desk::start().await;
    desk.send(&json!([
        { "event": "$groupidentify", "distinct_id": "ada", "timestamp": "2026-10-01T10:00:00Z",
          "properties": { "$group_type": "company", "$group_key": "acme", "$group_set": { "size": 12 } } },
        { "event": "buy", "distinct_id": "ada", "timestamp": "2026-10-01T11:00:00Z", "properties": { "$groups": { "company": "acme" } } },
    ]))
    .await;
    let sql =
        "select company.properties.size, e.company.key, group_0.properties.size from events as e where event = 'buy'";
    assert_eq!(desk.rows(sql).await, json!([["12", "acme", "12"]]));
    desk.refusal("select team.properties.size from events").await;
}

#[tokio::test]
async fn filters_stand_for_the_table_beside_them() {
    let desk = Desk::start().await;
    desk.send(&json!([
        happened(
            "buy",
            "ada",
            "2026-10-30T10:00:00Z",
            json!({ "plan": "pro", "$session_id": "0199c000-0000-7000-8000-000000000001" }),
            "ada@x.example"
        ),
        happened("buy", "ada", "2026-11-02T10:00:00Z", json!({ "plan": "pro" }), "ada@x.example"),
        happened(
            "buy",
            "bob",
            "2026-10-30T11:00:00Z",
            json!({ "plan": "free", "$session_id": "0199c000-0000-7000-8000-000000000002" }),
            "bob@y.example"
        ),
    ]))
    .await;
    let filters = json!({ "dateRange": { "date_from": "2026-10-30", "date_to": "2026-10-31" },
        "properties": [{ "key": "plan", "type": "event", "operator": "exact", "value": "pro" }] });
    let ask = async |sql: &str| {
        desk.answer(json!({ "kind": "HogQLQuery", "query": sql, "filters": filters })).await["results"].clone()
    };
    // Both tables have properties; a name of the question's own is not what the filter means.
    let joined = "select p.properties.email from events as e join persons as p on p.id = e.person_id where {filters}";
    assert_eq!(ask(joined).await, json!([["ada@x.example"]]));
    let renamed =
        "select toStartOfMonth(timestamp) as timestamp, count() from events where {filters} group by timestamp";
    assert_eq!(ask(renamed).await, json!([["2026-10-01", 1]]));
    let inside = "select n from (select count() as n from events where {filters}) as x";
    assert_eq!(ask(inside).await, json!([[1]]));
    // Sessions have no event's properties: of them only the dates may be asked.
    let dates = json!({ "dateRange": { "date_from": "2026-10-30", "date_to": "2026-10-31" } });
    let sql = "select count() from sessions where {filters} and session_id in (select $session_id from events where {filters})";
    let answer = desk.answer(json!({ "kind": "HogQLQuery", "query": sql, "filters": dates })).await;
    assert_eq!(answer["results"], json!([[2]]));
}

#[tokio::test]
async fn questions_put_together_have_the_rows_they_ask_for() {
    let desk = Desk::start().await;
    let ask = async |sql: &str| desk.answer(json!({ "kind": "HogQLQuery", "query": sql })).await;
    let answer =
        ask("select number from numbers(500) limit 150 union all select number from numbers(500) limit 20").await;
    assert_eq!((answer["results"].as_array().unwrap().len(), &answer["hasMore"]), (170, &json!(false)));
    let answer = ask("select number from numbers(500) limit 150 union all select number from numbers(500)").await;
    assert_eq!((answer["results"].as_array().unwrap().len(), &answer["hasMore"]), (100, &json!(true)));
    let answer = ask("select number % 3 from numbers(9) order by 1 limit 2 with ties").await;
    assert_eq!((&answer["results"], &answer["hasMore"]), (&json!([[0], [0], [0]]), &json!(false)));
}

#[tokio::test]
async fn some_of_all_columns_are_left_out() {
    let desk = Desk::start().await;
    let columns = async |sql: &str| desk.answer(json!({ "kind": "HogQLQuery", "query": sql })).await["columns"].clone();
    let inner = "(select 1 as a, 2 as b, 3 as c)";
    assert_eq!(columns(&format!("select * except a from {inner}")).await, json!(["b", "c"]));
    assert_eq!(columns(&format!("select * exclude (c, a) from {inner}")).await, json!(["b"]));
    let sql = format!("select t.* except (b, c), u.* from {inner} as t cross join (select 4 as b) as u");
    assert_eq!(desk.rows(&sql).await, json!([[1, 4]]));
    let sql = format!("select * except (b), 7 as d from {inner} as t cross join (select 4 as b, 5 as e) as u");
    assert_eq!(desk.rows(&sql).await, json!([[1, 3, 5, 7]]));
    let all = columns("select * from events").await;
    let left = columns("select * except (properties, elements_chain) from events").await;
    let expected = all.as_array().unwrap().iter().filter(|name| *name != "properties" && *name != "elements_chain");
    assert_eq!(left, expected.cloned().collect::<Value>());
    assert_eq!(desk.rows("select * except (a) from (select 1 as a, 2 as b) except select 3").await, json!([[2]]));
    for (sql, said) in [
        ("select * except (nope) from events", "query: there is no column nope to leave out here"),
        ("select * except (a) from (select 1 as a)", "query: no column is left"),
    ] {
        let refusal = desk.refusal(sql).await;
        assert!(refusal.starts_with(said), "{refusal}");
    }
    let reply = desk.reply(json!({ "kind": "EventsQuery", "select": ["* except (event)"] })).await;
    assert_eq!(reply.assert_status(400).json()["attr"], "select[0]");
}

#[tokio::test]
async fn filters_and_variables_are_values_too() {
    let desk = Desk::start().await;
    let ask = async |sql: &str, more: Value| {
        let mut query = json!({ "kind": "HogQLQuery", "query": sql });
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.answer(query).await["results"].clone()
    };
    let dates = json!({ "filters": { "dateRange": { "date_from": "2026-10-30" } } });
    let sql = "select toDate({filters.dateRange.from}), {filters.dateRange.to}";
    assert_eq!(ask(sql, dates).await, json!([["2026-10-30", null]]));
    let variables = json!({ "variables": { "1": { "code_name": "a", "value": 5, "isNull": true }, "2": { "code_name": "b", "value": [1, 2] } } });
    assert_eq!(ask("select {variables.a}, 2 in {variables.b}", variables).await, json!([[null, 1]]));
}
