//! What holds of every statement, whatever is asked.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::{LimitRule, QueryScope, compile, functions};
use crate::model::ProjectId;
use crate::model::query::WeekStart;
use crate::sql::parse_query;

/// Stands in every name and text of the questions below.
const CANARY: &str = "zq";

#[test]
fn the_list_of_functions_says_each_once_and_none_that_reaches_out() {
    let all: Vec<_> = functions::all().collect();
    let mut names: Vec<_> = all.iter().map(|function| function.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    // What reads files, the network, other tables or the engine itself.
    for name in [
        "file",
        "url",
        "remote",
        "merge",
        "dictGet",
        "joinGet",
        "getSetting",
        "sleep",
        "currentUser",
        "hostName",
        "throwIf",
        "getMacro",
        "executable",
        "s3",
        "input",
        "view",
        "cluster",
        "arrayReduce",
        "initializeAggregation",
        "evalMLMethod",
        "randomString",
        "repeat",
        "queryID",
        "version",
        "uptime",
        "hasColumnInTable",
        "showCertificate",
        "catboostEvaluate",
        "currentDatabase",
        "filesystemAvailable",
        "fileCluster",
        "urlCluster",
        "s3Cluster",
        "azureBlobStorage",
        "gcs",
        "hdfs",
        "iceberg",
        "deltaLake",
        "hudi",
        "mysql",
        "postgresql",
        "mongodb",
        "sqlite",
        "redis",
        "odbc",
        "jdbc",
        "remoteSecure",
        "clusterAllReplicas",
        "mergeTreeIndex",
        "dictionary",
        "dictGetOrDefault",
        "dictHas",
        "joinGetOrNull",
        "generateRandom",
        "loop",
        "python",
        "sleepEachRow",
        "logQuery",
        "serverUUID",
        "tcpPort",
        "buildId",
        "getServerPort",
        "getServerSetting",
        "getMergeTreeSetting",
        "zookeeperSessionUptime",
        "addressToLine",
        "demangle",
        "filesystemCapacity",
        "currentProfiles",
        "currentRoles",
        "user",
        "fqdn",
        "shardNum",
        "globalVariable",
        "isMergeTreePartCoveredBy",
        "naiveBayesClassifier",
        "modelEvaluate",
        "runningAccumulate",
        "getSubcolumn",
        "CAST",
        "arrayReduceInRanges",
    ] {
        assert!(functions::find(name).is_none(), "{name}");
        assert!(all.iter().all(|function| !function.prints.eq_ignore_ascii_case(name)), "{name}");
    }
}

/// Prints a question, if it is one that is taken.
fn printed(text: &str) -> Option<String> {
    let query = parse_query(text).ok()?;
    let placeholders = HashMap::new();
    let scope = QueryScope {
        project: ProjectId::new(7),
        zone: "Europe/Berlin",
        week_start: WeekStart::Sunday,
        event_property: &|_| super::PropertyFacts::default(),
        person_type: &|_| None,
        placeholders: &placeholders,
        named: &super::Named::default(),
        behind: None,
    };
    let compiled = compile(&query, &scope, Some(LimitRule { default: 100, most: 50_000 })).ok()?;
    Some(compiled.sql.text().to_owned())
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("event".to_owned()),
        Just("timestamp".to_owned()),
        Just("person_id".to_owned()),
        Just("session.$session_duration".to_owned()),
        Just("'zq''; drop --'".to_owned()),
        Just("1".to_owned()),
        Just("null".to_owned()),
        "[a-z '\\\\$.(){};-]{0,6}".prop_map(|key| format!("properties.`zq{}`", key.replace('\\', "\\\\"))),
        "[a-z '\\\\$.(){};-]{0,6}"
            .prop_map(|key| format!("person.properties['zq{}']", key.replace('\\', "\\\\").replace('\'', "\\'"))),
        "[ -~é]{0,8}".prop_map(|text| format!("'zq{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} = {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("concat({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} in ({b}, 'zq'))")),
            inner.clone().prop_map(|a| format!("arrayMap(zqx -> concat(zqx, {a}), ['zq'])")),
            inner.clone().prop_map(|a| format!("JSONExtract({a}, 'zq', 'Array(zq)')")),
            inner.clone().prop_map(|a| format!("exists (select {a} from events as zqe where {a} limit 1)")),
            inner.prop_map(|a| format!("(select {a} as zqs from events)")),
        ]
    })
}

fn question() -> impl Strategy<Value = String> {
    let table = prop::sample::select(vec![
        "events as zqe",
        "(select * from events) as zqq",
        "events as zqe left join persons as `zq'p` on zqe.person_id = `zq'p`.id",
        "events as zqe cross join events as zqf",
        "events as zqe join sessions as zqs using (session_id)",
        "zqcte",
    ]);
    (value(), value(), table, value()).prop_map(|(first, second, table, condition)| {
        format!(
            "with zqcte as (select * from events), 'zq' as zqval select {first} as `zq) --`, {second} as zqb from {table} \
             where {condition} and zqval = 'zq' order by zqb limit 5 by zqb union all select 'zq', event from events union all \
             select distinct on ({first}) {second} as zqd, {condition} as zqf from events group by all"
        )
    })
}

proptest! {
    #[test]
    fn no_word_of_a_question_stands_in_its_statement(text in question()) {
        if let Some(sql) = printed(&text) {
            prop_assert!(!sql.contains(CANARY), "{}\n{}", text, sql);
            let tables = ["FROM events", "FROM persons FINAL", "FROM person_distinct_ids FINAL", "FROM sessions ", "FROM person_overrides"];
            let tables: usize = tables.iter().map(|table| sql.matches(table).count()).sum();
            prop_assert!(tables > 0);
            prop_assert_eq!(sql.matches("project_id = {").count(), tables, "{}", sql);
        }
    }
}

#[test]
fn the_questions_above_are_taken_for_the_most_part() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let questions = question();
    let taken = (0..100).filter(|_| {
        let text = questions.new_tree(&mut runner).map(|tree| tree.current()).expect("a question is made");
        printed(&text).is_some()
    });
    let taken = taken.count();
    assert!(taken > 30, "only {taken} of 100 are");
}
