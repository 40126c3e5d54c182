//! Questions that want what they may not have. Each is refused before ClickHouse hears of it, or answers nothing of worth.

use serde_json::json;

use super::Desk;

/// What tries to leave the language.
const REFUSED: &[&str] = &[
    // Files, the network, other tables, the engine.
    "select file('/etc/passwd')",
    "select * from file('/etc/passwd', 'LineAsString')",
    "select * from url('http://127.0.0.1/', 'LineAsString')",
    "select * from remote('127.0.0.1', 'tenrec', 'events')",
    "select * from cluster('default', 'tenrec', 'events')",
    "select * from postgresql('127.0.0.1:5432', 'tenrec', 'users', 'postgres', '')",
    "select * from s3('http://127.0.0.1/x')",
    "select * from merge('tenrec', '.*')",
    "select * from executable('sh', 'TSV', 'x String')",
    "select * from system.tables",
    "select * from system.processes",
    "select * from `system.tables`",
    "select * from `system`.`tables`",
    "select * from information_schema.tables",
    "select * from tenrec.events",
    "select * from default.events",
    "select * from person_overrides",
    "select * from schema_migrations",
    "select * from `events) AS x, system.tables AS (y`",
    "select dictGet('x', 'y', 1)",
    "select joinGet('x', 'y', 1)",
    "select getSetting('readonly')",
    "select getServerSetting('max_connections')",
    "select currentUser(), hostName(), version(), uptime()",
    "select sleep(3)",
    "select sleepEachRow(1) from numbers(100)",
    "select throwIf(1)",
    "select arrayReduce('groupArray', [1])",
    "select initializeAggregation('uniq', 1)",
    "select evalMLMethod(1)",
    "select randomString(1000000000)",
    "select * from view(select 1)",
    "select * from input('x String')",
    "select * from generateRandom('x String')",
    "select * from zeros(10)",
    "select * from loop(events)",
    // Other statements and what follows one.
    "drop table events",
    "insert into events select * from events",
    "set readonly = 0",
    "kill query where 1",
    "show tables",
    "explain select 1",
    "describe table events",
    "create table x (y Int8)",
    "select 1; drop table events",
    "select 1 into outfile '/tmp/x'",
    "select 1 format Native",
    "select 1 settings readonly = 0",
    "select event from events settings max_execution_time = 0",
    "select * from (select 1 settings readonly = 0)",
    "select 1 -- \n settings readonly = 0",
    "select 1 /* x */ into /* y */ outfile 'z'",
    "with x as (select 1 settings a = 1) select * from x",
    // Leaving the project.
    "select event from events where project_id = 2",
    "select project_id from events",
    "select t1.project_id from events as t1",
    "select events.project_id from events",
    "select inserted_by from events",
    "select number, project_id from persons",
    "select * from events union all select * from sessions_raw",
    "select c0 from events",
    "select t1.c0 from events",
    "select a1 from events",
    "select person_now.now_uuid from events",
    "select merge.into_id from events",
    "select session.node from events",
    "select * from sessions where project_id > 0",
    // Leaving a name or a text.
    "select 1 as `x from system.tables --` from `events) from system.tables --`",
    "select {p0:String}",
    "select {p0:Identifier} from events",
    "select {filters} from {table}",
    "select '' || {x}} from events",
    "select event::`String) from system.tables --`",
    "select cast(event, 'String) from system.tables --')",
    "select cast(event as AggregateFunction(uniq, String))",
    "select `sum(1) from system.tables --`(1)",
    "select count()(1)",
    "select quantile((select 1))(1)",
    "select toTimeZone(now(), 'UTC'') from system.tables --')",
    "select numbers.number from numbers(10) as numbers where number in system.one",
    "select event from events where event in persons",
    "select * from numbers((select count() from system.tables))",
    "select exists(select 1 from system.tables)",
    "select exists(select 1 from events where project_id = 2)",
    "select distinct on (project_id) event from events",
    "select distinct on ((select count() from system.tables)) event from events",
    "select project_id, count() from events group by all",
    "select event, count() from events group by all with totals",
    "select exists(1)",
    "select exists(select 1, select 2)",
    "select event from events limit (select 1)",
    "select event from events order by event with fill",
    "select event from events group by event with totals",
    "select event from events sample 1",
    "select * from events final",
    "select * replace (1 as event) from events",
    "select columns('.*') from events",
    "select @@version",
    "select $1",
    "\u{0}select 1",
];

#[tokio::test]
async fn what_is_not_the_language_is_refused() {
    let desk = Desk::start().await;
    for sql in REFUSED {
        let refusal = desk.refusal(sql).await;
        assert!(!refusal.contains("ClickHouse"), "ClickHouse was asked: {sql}\n{refusal}");
    }
    for name in ["values", "variables"] {
        let query = json!({ "kind": "HogQLQuery", "query": "select {a}", name: { "a": { "$raw": "system.tables" } } });
        let query = if name == "variables" {
            json!({ "kind": "HogQLQuery", "query": "select {variables.b}", name: { "a": 1 } })
        } else {
            query
        };
        assert_eq!(desk.reply(query).await.status.as_u16(), 400);
    }
}

#[tokio::test]
async fn what_is_too_much_ends() {
    let desk = Desk::start().await;
    let long = "x".repeat(900_000);
    let many_names = (0..20).fold("select 1 as n".to_owned(), |sql, at| {
        format!("with c{at} as ({sql}) select sum(a.n + b.n) as n from c{at} as a cross join c{at} as b")
    });
    let doubling =
        (1..40).map(|at| format!("(select x, x from (select 1 as x)) as q{at}")).collect::<Vec<_>>().join(", ");
    for sql in [
        format!("select '{long}'"),
        format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("select 1{}", "+1".repeat(50_000)),
        format!("select properties.{} from events", vec!["a"; 60].join(".")),
        format!("select {} from events", (0..300).map(|at| format!("properties.k{at}")).collect::<Vec<_>>().join(",")),
        format!("{} select 1", "select 1 union all".repeat(3_000)),
        many_names,
        format!("select 1 from {doubling}, {}", doubling.replace("as q", "as r")),
    ] {
        let refusal = desk.refusal(&sql).await;
        assert!(refusal.len() < 2_000, "{refusal}");
    }
    // Memory and time are the store's to guard.
    let reply = desk
        .reply(json!({ "kind": "HogQLQuery", "query": "select length(groupArray(number)) from numbers(1000000000)" }))
        .await;
    assert_eq!(reply.status.as_u16(), 400, "{}", reply.text());
    assert_eq!(reply.json()["code"], "too_heavy");
    assert_eq!(desk.rows("select 1").await, json!([[1]]), "it still answers");
}

#[tokio::test]
async fn values_with_every_sign_come_back_as_they_went() {
    let desk = Desk::start().await;
    let odd = "'; DROP TABLE events; -- \\ ` \" {p0:String} } { \n\t % _ é 💥 $$ /* */ \u{1}";
    let quoted = odd.replace('\\', "\\\\").replace('\'', "\\'");
    let sql = format!("select '{quoted}' as `a' \\` b\", c`, '{quoted}' = '{quoted}'");
    let answer = desk.answer(json!({ "kind": "HogQLQuery", "query": sql })).await;
    assert_eq!(answer["results"], json!([[odd, 1]]));
    assert_eq!(answer["columns"][0], "a' ` b\", c");
    desk.send(&json!([{ "event": odd, "distinct_id": "a", "timestamp": "2026-10-31T12:00:00Z", "properties": { odd: odd, "a`b": 1, "": 2 } }]))
        .await;
    let name = odd.replace('\\', "\\\\").replace('`', "\\`");
    let sql =
        format!("select properties.`{name}`, properties['a`b'], properties[''] from events where event = '{quoted}'");
    assert_eq!(desk.rows(&sql).await, json!([[odd, 1, 2]]));
    // Many and long values do not fit where parameters travel.
    let list: Vec<String> = (0..2_000).map(|at| format!("'v{at}'")).collect();
    let sql = format!("select 'v1999' in ({}), length('{}')", list.join(","), "é".repeat(30_000));
    assert_eq!(desk.rows(&sql).await, json!([[1, 60_000]]));
}
