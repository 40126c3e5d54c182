//! What SQL answers.

use serde_json::{Value, json};

use super::Desk;

async fn shop() -> Desk {
    let desk = Desk::start().await;
    desk.send(&json!([
        { "event": "$pageview", "distinct_id": "ada", "timestamp": "2026-10-30T23:30:00Z",
          "properties": { "$browser": "Chrome", "$screen_width": 1200, "plan": "pro", "price": 12.5, "is_new": true, "a.b": "dot",
              "tags": ["x", "y"], "cart": { "items": [{ "id": 7 }] }, "$session_id": "0199c000-0000-7000-8000-000000000001",
              "$current_url": "https://shop.example/a", "$set": { "email": "ada@example.com", "age": 36 } } },
        { "event": "buy", "distinct_id": "ada", "timestamp": "2026-10-31T00:10:00Z",
          "properties": { "price": 7, "$session_id": "0199c000-0000-7000-8000-000000000001", "$set": { "age": 37 } } },
        { "event": "$pageview", "distinct_id": "bob", "timestamp": "2026-10-31T12:00:00Z",
          "properties": { "$browser": "Firefox", "plan": null, "$process_person_profile": false } },
        { "event": "$identify", "distinct_id": "cleo", "timestamp": "2026-10-31T13:00:00Z",
          "properties": { "$anon_distinct_id": "anon-1", "$set": { "email": "cleo@example.com" } } },
    ]))
    .await;
    desk
}

#[tokio::test]
async fn properties_are_typed_and_gone_into() {
    let desk = shop().await;
    let sql = "select properties.$browser, properties.$screen_width + 1, properties.price * 2, properties.is_new, \
               properties['a.b'], properties.tags, properties.tags.2, properties.cart.items[1].id, properties.nothing \
               from events where event = '$pageview' and distinct_id = 'ada'";
    let expected = json!([["Chrome", 1201, 25, true, "dot", "[\"x\",\"y\"]", "y", "7", null]]);
    assert_eq!(desk.rows(sql).await, expected);
    let sums = desk.rows("select sum(properties.price), count(), countIf(properties.price > 10) from events").await;
    assert_eq!(sums, json!([[19.5, 4, 1]]));
    assert_eq!(
        desk.rows("select distinct_id from events where properties.plan is null and event = '$pageview'").await,
        json!([["bob"]])
    );
    assert_eq!(
        desk.rows("select JSONExtractFloat(properties, 'price') from events where event = 'buy'").await,
        json!([[7]])
    );
    assert!(desk.refusal("select properties.tags.0 from events").await.contains("start at 1"));
}

#[tokio::test]
async fn people_are_asked_as_they_were_and_as_they_are() {
    let desk = shop().await;
    let sql = "select event, person.properties.age, pdi.person.properties.age from events where distinct_id = 'ada' order by timestamp";
    assert_eq!(desk.rows(sql).await, json!([["$pageview", 36, 37], ["buy", 37, 37]]));
    assert_eq!(desk.rows("select count(distinct person_id), uniq(person.id) from events").await, json!([[3, 3]]));
    let sql = "select properties.email, is_identified from persons order by properties.email";
    assert_eq!(desk.rows(sql).await, json!([["ada@example.com", false], ["cleo@example.com", true]]));
    let sql = "select pdi.distinct_id, p.properties.email from person_distinct_ids pdi join persons p on p.id = pdi.person_id order by 1";
    let expected = json!([["ada", "ada@example.com"], ["anon-1", "cleo@example.com"], ["cleo", "cleo@example.com"]]);
    assert_eq!(desk.rows(sql).await, expected);
    // What became one person is one at once.
    desk.send(&json!([{ "event": "$identify", "distinct_id": "cleo", "timestamp": "2026-10-31T14:00:00Z",
        "properties": { "$anon_distinct_id": "bob" } }]))
        .await;
    assert_eq!(desk.rows("select uniq(person_id) from events").await, json!([[2]]));
    let sql =
        "select distinct_id from person_distinct_ids where person.properties.email = 'cleo@example.com' order by 1";
    assert_eq!(desk.rows(sql).await, json!([["anon-1"], ["bob"], ["cleo"]]));
}

#[tokio::test]
async fn sessions_are_a_table_and_stand_beside_events() {
    let desk = shop().await;
    let sql = "select session_id, $session_duration, $pageview_count, $entry_current_url, distinct_id from sessions";
    let expected = json!([["0199c000-0000-7000-8000-000000000001", 2400, 1, "https://shop.example/a", "ada"]]);
    assert_eq!(desk.rows(sql).await, expected);
    let sql = "select event, session.$session_duration from events where $session_id is not null order by timestamp";
    assert_eq!(desk.rows(sql).await, json!([["$pageview", 2400], ["buy", 2400]]));
}

#[tokio::test]
async fn times_are_those_of_the_projects_zone() {
    let desk = shop().await;
    // 23:30 UTC is half past midnight of the next day in Berlin.
    let sql = "select toStartOfDay(timestamp) as day, count() from events group by day order by day";
    assert_eq!(desk.rows(sql).await, json!([["2026-10-31T00:00:00+01:00", 4]]));
    let count = async |condition: &str| {
        let rows = desk.rows(&format!("select count() from events where {condition}")).await;
        rows[0][0].as_u64().unwrap()
    };
    assert_eq!(count("timestamp >= '2026-10-31'").await, 4);
    assert_eq!(count("timestamp >= '2026-10-31 01:00:00'").await, 3);
    assert_eq!(count("timestamp > toDateTime('2026-10-31T00:10:00Z')").await, 2);
    assert_eq!(count("toDate(timestamp) = '2026-10-31' and toHour(timestamp) = 0").await, 1);
    assert_eq!(count("timestamp between '2026-10-31' and '2026-10-31 02:00:00'").await, 2);
    assert_eq!(count("dateDiff('hour', timestamp, toDateTime('2026-10-31 14:00:00')) > 5").await, 2);
    let typed =
        desk.answer(json!({ "kind": "HogQLQuery", "query": "select timestamp t, 1 + 1 from events limit 1" })).await;
    assert_eq!(typed["types"], json!([["t", "DateTime64(6, 'Europe/Berlin')"], ["1 + 1", "UInt16"]]));
    assert_eq!(typed["columns"], json!(["t", "1 + 1"]));
}

#[tokio::test]
async fn parts_of_a_question_name_each_other() {
    let desk = shop().await;
    let sql = "with views as (select person_id as who, count() as n from events group by who), 10 as ten \
               select sum(v.n) * ten, max(n) from views as v";
    assert_eq!(desk.rows(sql).await, json!([[40, 2]]));
    let sql = "select event, row_number() over (partition by distinct_id order by timestamp) as n from events \
               where distinct_id = 'ada' order by n desc";
    assert_eq!(desk.rows(sql).await, json!([["buy", 2], ["$pageview", 1]]));
    let sql = "select tag, count() from events array join JSONExtract(properties.tags, 'Array(String)') as tag group by tag order by 1";
    assert_eq!(desk.rows(sql).await, json!([["x", 1], ["y", 1]]));
    let sql =
        "select arrayMap(x -> x * 2, [1, 2]), arrayFilter((x, i) -> i > 1, ['a', 'b'], [1, 2]), (1, 'a').2, [5, 6][2]";
    assert_eq!(desk.rows(sql).await, json!([[[2, 4], ["b"], "a", 6]]));
    let sql = "select 1 as n union all select 2 union all select count() from persons";
    assert_eq!(desk.rows(&format!("select sum(n) from ({sql})")).await, json!([[5]]));
    let sql = "select distinct_id from events where event in ('buy', 'sell') and person_id in (select id from persons)";
    assert_eq!(desk.rows(sql).await, json!([["ada"]]));
    let sql = "select event, count() as n, quantile(0.5)(properties.price) from events group by event having n > 1 order by n desc limit 1 by event";
    assert_eq!(desk.rows(sql).await, json!([["$pageview", 2, 12.5]]));
}

#[tokio::test]
async fn a_question_inside_is_asked_whether_it_finds_anything() {
    let desk = shop().await;
    let sql =
        "select count() from events where exists (select 1 from persons where properties.email = 'ada@example.com')";
    assert_eq!(desk.rows(sql).await, json!([[4]]));
    let sql = "select count() from events where not exists (select 1 from persons where properties.email = 'nobody')";
    assert_eq!(desk.rows(sql).await, json!([[4]]));
    let sql = "select exists(select event from events where event = 'sell'), exists((select null)), \
               exists(select count() from events where 1 = 0), exists(select 1 union all select 2), \
               exists(with 'buy' as wanted select event from events where event = wanted)";
    assert_eq!(desk.rows(sql).await, json!([[0, 1, 1, 1, 1]]));
    let sql = "with b as (select event from events where event = 'buy') select if(exists(select event from b), 'some', 'none')";
    assert_eq!(desk.rows(sql).await, json!([["some"]]));
    let sql = "select e.event from events as e where exists (select 1 from persons as p where p.id = e.person_id)";
    let refusal = desk.refusal(sql).await;
    assert!(refusal.starts_with("query: e is a table of the question around this one"), "{refusal}");
    let refusal = desk.refusal("select exists(1)").await;
    assert!(refusal.starts_with("query: EXISTS takes a question in brackets, at line 1, column 8"), "{refusal}");
}

#[tokio::test]
async fn the_first_of_each_is_taken_by_the_order() {
    let desk = shop().await;
    let sql = "select distinct on (distinct_id) distinct_id, event from events order by distinct_id, timestamp desc";
    assert_eq!(desk.rows(sql).await, json!([["ada", "buy"], ["bob", "$pageview"], ["cleo", "$identify"]]));
    let sql = "select distinct on (1) event as what, distinct_id from events order by what, timestamp limit 2 offset 1";
    assert_eq!(desk.rows(sql).await, json!([["$pageview", "ada"], ["buy", "ada"]]));
    let refusal = desk.refusal("select distinct on (event) event from events limit 1 by event").await;
    assert!(refusal.starts_with("query: one LIMIT … BY or DISTINCT ON is taken"), "{refusal}");
}

#[tokio::test]
async fn all_columns_that_put_no_rows_together_group_them() {
    let desk = shop().await;
    let sql = "select event, count() from events group by all order by event";
    assert_eq!(desk.rows(sql).await, json!([["$identify", 1], ["$pageview", 2], ["buy", 1]]));
    // Part of a value, a constant, names for values over rows, windows over them, and questions inside.
    let sql = "with count() as events_of select substring(event, 1, 2) as start, 'x', events_of as n, n + 1, \
               sum(n) over (), (select count() from persons) from events group by all having n > 0 order by start";
    let expected = json!([["$i", "x", 1, 2, 4, 2], ["$p", "x", 2, 3, 4, 2], ["bu", "x", 1, 2, 4, 2]]);
    assert_eq!(desk.rows(sql).await, expected);
    assert_eq!(desk.rows("select count() from events group by all").await, json!([[4]]));
    assert_eq!(desk.rows("select distinct_id from events group by all order by 1 limit 1").await, json!([["ada"]]));
    let sql = "select * from (select event, max(n) as most from (select event, distinct_id, count() as n from events group by all) group by all) \
               order by event limit 1";
    assert_eq!(desk.rows(sql).await, json!([["$identify", 1]]));
    let refusal = desk.refusal("select event || toString(count()) from events group by all").await;
    assert!(refusal.starts_with("query: ClickHouse does not take this"), "{refusal}");
}

#[tokio::test]
async fn values_and_filters_stand_in_for_placeholders() {
    let desk = shop().await;
    let ask = async |sql: &str, more: serde_json::Value| {
        let mut query = json!({ "kind": "HogQLQuery", "query": sql });
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.answer(query).await["results"].clone()
    };
    let hostile = "x' OR 1=1 --";
    let sql = "select {name}, {variables.limit}, {list}";
    let more = json!({ "values": { "name": hostile, "list": [1, -2, null] },
        "variables": { "0": { "code_name": "limit", "value": 5 } } });
    assert_eq!(ask(sql, more).await, json!([[hostile, 5, [1, -2, null]]]));
    let filters = json!({ "filters": { "dateRange": { "date_from": "2026-10-31", "date_to": "2026-10-31" },
        "properties": [{ "key": "price", "operator": "gt", "value": 10, "type": "event" }] } });
    assert_eq!(ask("select event from events where {filters}", filters).await, json!([["$pageview"]]));
    let refusal = desk.refusal("select {nothing}").await;
    assert!(refusal.starts_with("query: {nothing} stands for nothing"), "{refusal}");
}

#[tokio::test]
async fn filters_leave_some_days_of_the_week() {
    let desk = Desk::start().await;
    // In the project's zone, Berlin: Sunday, Monday (at its first half hour), Tuesday.
    let times = ["2026-10-04T10:00:00Z", "2026-10-04T22:30:00Z", "2026-10-06T10:00:00Z"];
    let event = |(at, time): (usize, &&str)| {
        let session = format!("0199c000-0000-7000-8000-00000000000{at}");
        json!({ "event": format!("e{at}"), "distinct_id": "a", "timestamp": time, "properties": { "$session_id": session } })
    };
    desk.send(&times.iter().enumerate().map(event).collect()).await;
    let ask = async |sql: &str, days: Value| {
        let dates = json!({ "date_from": "2026-10-01", "date_to": "2026-10-10", "daysOfWeek": days });
        desk.reply(json!({ "kind": "HogQLQuery", "query": sql, "filters": { "dateRange": dates } })).await
    };
    let events = "select event from events where {filters} order by event";
    let sessions = "select right(session_id, 1) from sessions where {filters} order by 1";
    for (days, found, last) in [
        (json!([]), json!([["e0"], ["e1"], ["e2"]]), json!([["0"], ["1"], ["2"]])),
        (json!([7]), json!([["e0"]]), json!([["0"]])),
        (json!([1, 2]), json!([["e1"], ["e2"]]), json!([["1"], ["2"]])),
        (json!([3]), json!([]), json!([])),
    ] {
        assert_eq!(ask(events, days.clone()).await.assert_ok().json()["results"], found, "{days}");
        assert_eq!(ask(sessions, days.clone()).await.assert_ok().json()["results"], last, "{days}");
    }
    for sql in [events, sessions] {
        let reply = ask(sql, json!([8])).await;
        assert_eq!(reply.assert_status(400).json()["attr"], "filters.dateRange.daysOfWeek[0]");
    }
}

#[tokio::test]
async fn rows_are_limited_and_more_is_said() {
    let desk = Desk::start().await;
    let ask = async |sql: &str| desk.answer(json!({ "kind": "HogQLQuery", "query": sql })).await;
    for (sql, rows, has_more, limit) in [
        ("select number from numbers(150)", 100, true, 100),
        ("select number from numbers(100)", 100, false, 100),
        ("select number from numbers(150) limit 120", 120, true, 120),
        ("select number from numbers(150) limit 200", 150, false, 200),
        ("select number from numbers(100000) limit 90000", 50_000, true, 50_000),
        ("select number from numbers(80) union all select number from numbers(80)", 100, true, 100),
        ("select number from numbers(150) limit 10 offset 145", 5, false, 10),
    ] {
        let answer = ask(sql).await;
        assert_eq!(answer["results"].as_array().unwrap().len(), rows, "{sql}");
        assert_eq!((&answer["hasMore"], &answer["limit"]), (&json!(has_more), &json!(limit)), "{sql}");
    }
}

#[tokio::test]
async fn an_export_has_every_row() {
    let desk = Desk::start().await;
    let path = format!("/api/projects/{}/query/export.csv", desk.owner.project);
    let export = async |sql: &str| {
        let body = json!({ "query": { "kind": "HogQLQuery", "query": sql } });
        desk.app.post_json_with_key(&path, &desk.owner.personal_key, &body).await
    };
    let reply = export("select number as n, concat('a\"', toString(number)) as `t,x` from numbers(60000)").await;
    reply.assert_ok();
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = reply.text().split("\r\n").collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (60_002, "\"n\",\"t,x\"", "0,\"a\"\"0\""));
    export("select nothing").await.assert_status(400);
    export("select toDecimal64('x', 2)").await.assert_status(400);
}

#[tokio::test]
async fn what_is_wrong_is_shown_where_it_stands() {
    let desk = Desk::start().await;
    for (sql, said) in [
        (
            "select nope from events",
            "query: there is no column nope here; a property is properties.nope, at line 1, column 8\n\n\
          select nope from events\n       ^^^^.",
        ),
        ("select 1\nfrom nowhere", "query: there is no table nowhere"),
        ("select cuont() from events", "query: there is no function cuont here"),
        ("select coun() from events", "query: there is no function coun here; did you mean count?"),
        ("select substring('a')", "query: substring takes 2 to 3 arguments, not 1"),
        ("select 1 +", "query: a value is needed here, not the end of the text"),
        ("select count() over () from events where", "query: a value is needed here"),
        ("select event from events, events", "query: events stands for two tables"),
        (
            "select distinct_id from events e join person_distinct_ids p on e.distinct_id = p.distinct_id",
            "query: distinct_id is a column of several",
        ),
        ("select 'a' + 1", "query: ClickHouse does not take this"),
        ("select count() from events where event", "query: ClickHouse does not take this: Invalid type for filter"),
        ("select count() from events group by event having 'a'", "query: ClickHouse does not take this"),
        ("select untuple(event) from events", "query: ClickHouse does not take this"),
        ("select JSONExtractKeysAndValues(event, 'x') from events", "query: ClickHouse does not take this"),
        ("select toDecimal64('secret', 2)", "query: a value cannot be read"),
        ("select leftPad('secret', -1)", "query: a value cannot be read"),
        ("select [1] = 'secret'", "query: a value cannot be read"),
        ("select bitTest(1, -1)", "query: a value cannot be read"),
        ("select fromModifiedJulianDay(9999999999)", "query: a value cannot be read"),
        ("select match('a', '(')", "query: a pattern is no regular expression"),
        ("select event from events group by 2", "query: there is no column of this number"),
        ("select event, count() from events", "query: ClickHouse does not take this"),
    ] {
        let refusal = desk.refusal(sql).await;
        assert!(refusal.starts_with(said), "{sql}\n{refusal}");
        assert!(!refusal.contains("secret'") && !refusal.contains("DB::Exception"), "{refusal}");
    }
}
