//! `RetentionQuery` beside a naive reading of the same events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Desk;
use super::random::{Happened, World};

/// The third day to the twelfth.
const RANGE: std::ops::RangeInclusive<i64> = 2..=11;
const LOOKAHEAD: i64 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    Each,
    FirstFitting,
    FirstEver,
}

/// The columns somebody is in, with what they add there.
type Columns = BTreeMap<i64, f64>;

/// What is asked: visits that lead to purchases, or to visits.
#[derive(Debug, Clone, Copy)]
struct Case {
    begins: Begins,
    /// Only visits of the paid plan begin it.
    is_paid_only: bool,
    /// What begins it is also what returns.
    is_same: bool,
    is_from_moment: bool,
    is_cumulative: bool,
    minimum: usize,
    brackets: &'static [i64],
    is_by_plan: bool,
    is_summed: bool,
}

const PLAIN: Case = Case {
    begins: Begins::Each,
    is_paid_only: false,
    is_same: false,
    is_from_moment: false,
    is_cumulative: false,
    minimum: 1,
    brackets: &[],
    is_by_plan: false,
    is_summed: false,
};

impl Case {
    fn query(&self) -> Value {
        let kind = match self.begins {
            Begins::Each => "retention_recurring",
            Begins::FirstFitting => "retention_first_time",
            Begins::FirstEver => "retention_first_ever_occurrence",
        };
        let paid = json!([{ "key": "plan", "value": "paid", "type": "event", "operator": "exact" }]);
        let target =
            json!({ "id": "visit", "type": "events", "properties": if self.is_paid_only { paid } else { json!([]) } });
        let returning = if self.is_same { target.clone() } else { json!({ "id": "buy", "type": "events" }) };
        let mut query = json!({ "kind": "RetentionQuery",
            "dateRange": { "date_from": "2026-10-03", "date_to": "2026-10-12" },
            "retentionFilter": { "retentionType": kind, "totalIntervals": LOOKAHEAD, "targetEntity": target,
                "returningEntity": returning, "cumulative": self.is_cumulative, "minimumOccurrences": self.minimum } });
        let filter = &mut query["retentionFilter"];
        if self.is_from_moment {
            filter["timeWindowMode"] = "24_hour_windows".into();
        }
        if !self.brackets.is_empty() {
            filter["retentionCustomBrackets"] = json!(self.brackets);
        }
        if self.is_summed {
            filter["aggregationType"] = "sum".into();
            filter["aggregationProperty"] = "amount".into();
        }
        if self.is_by_plan {
            query["breakdownFilter"] = json!({ "breakdown": "plan", "breakdown_type": "event" });
        }
        query
    }

    fn is_target(&self, event: &Happened) -> bool {
        event.event == "visit" && (!self.is_paid_only || event.plan == "paid")
    }

    fn is_return(&self, event: &Happened) -> bool {
        if self.is_same { self.is_target(event) } else { event.event == "buy" }
    }

    fn column(&self, step: i64) -> Option<i64> {
        if step == 0 {
            return Some(0);
        }
        if self.brackets.is_empty() {
            return (step < LOOKAHEAD).then_some(step);
        }
        let mut last = 0;
        self.brackets.iter().zip(1_i64..).find_map(|(width, column)| {
            last += width;
            (step <= last).then_some(column)
        })
    }

    /// Where one person begins, and the columns they are in then with what they add.
    fn of_person(&self, events: &[&Happened]) -> Vec<(i64, BTreeMap<i64, f64>)> {
        let is_in_range = |event: &&&Happened| RANGE.contains(&World::day(event.at));
        let begins: Vec<_> = events.iter().filter(|e| self.is_target(e)).filter(is_in_range).collect();
        let firsts: Vec<&&Happened> = match self.begins {
            Begins::Each if self.is_from_moment => begins.first().copied().into_iter().collect(),
            Begins::Each => {
                let mut seen = BTreeSet::new();
                begins.into_iter().filter(|e| seen.insert(World::day(e.at))).collect()
            }
            Begins::FirstFitting => events.iter().find(|e| self.is_target(e)).into_iter().filter(is_in_range).collect(),
            Begins::FirstEver => {
                let first = events.iter().find(|e| e.event == "visit");
                first.into_iter().filter(|e| self.is_target(e)).filter(is_in_range).collect()
            }
        };
        let later = |first: &Happened| {
            let mut steps: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            for event in events.iter().filter(|e| self.is_return(e)).filter(is_in_range) {
                let start = World::day(first.at);
                let step = match self.is_from_moment {
                    true => (event.at.as_second() - first.at.as_second()).div_euclid(86_400),
                    false => World::day(event.at) - start,
                };
                let counts = match self.is_summed && self.is_same {
                    true => step >= 0,
                    false => event.at > first.at && (step > 0 || self.is_summed),
                };
                if counts {
                    steps.entry(step).or_default().push(event.amount);
                }
            }
            let mut columns = BTreeMap::from([(0, 0.0)]);
            for (step, amounts) in steps.iter().filter(|(step, a)| **step == 0 || a.len() >= self.minimum) {
                if let Some(column) = self.column(*step) {
                    *columns.entry(column).or_default() += amounts.iter().sum::<f64>();
                }
            }
            columns
        };
        firsts.into_iter().map(|first| (World::day(first.at) - RANGE.start(), later(first))).collect()
    }

    /// For each value and start the people's columns, theirs first who can be listed.
    fn all(&self, world: &World) -> BTreeMap<(String, i64), Vec<(bool, Columns)>> {
        let people: BTreeSet<u64> = world.events.iter().map(|event| event.person).collect();
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for person in people {
            let theirs: Vec<_> = world.events.iter().filter(|event| event.person == person).collect();
            let has_profile = theirs[0].has_profile();
            let mut parts = vec![(String::new(), theirs.clone())];
            if self.is_by_plan && self.begins == Begins::FirstEver {
                parts[0].0 = theirs.iter().find(|e| e.event == "visit").map_or(String::new(), |e| e.plan.clone());
            } else if self.is_by_plan {
                let of = |plan: &str| theirs.iter().filter(|e| e.plan == plan).copied().collect();
                parts = ["free", "paid"].map(|plan| (plan.to_owned(), of(plan))).into();
            }
            for (value, events) in parts {
                for (start, columns) in self.of_person(&events) {
                    found.entry((value.clone(), start)).or_default().push((has_profile, columns));
                }
            }
        }
        found
    }
}

#[tokio::test]
async fn every_number_is_as_a_naive_reading_counts_it() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 5, 14).await;
    let mut cases = Vec::new();
    for begins in [Begins::Each, Begins::FirstFitting, Begins::FirstEver] {
        for is_paid_only in [false, true] {
            let of = Case { begins, is_paid_only, ..PLAIN };
            cases.extend([
                of,
                Case { is_same: true, ..of },
                Case { is_cumulative: true, ..of },
                Case { minimum: 2, is_cumulative: is_paid_only, ..of },
                Case { brackets: &[1, 2, 4], is_cumulative: is_paid_only, ..of },
                Case { brackets: &[2, 3], minimum: 2, ..of },
                Case { is_from_moment: true, is_same: is_paid_only, ..of },
                Case { is_from_moment: true, minimum: 2, brackets: &[3, 3], ..of },
                Case { is_summed: true, ..of },
                Case { is_summed: true, is_same: true, ..of },
                Case { is_summed: true, is_same: is_paid_only, is_from_moment: true, ..of },
                Case { is_by_plan: true, is_same: is_paid_only, ..of },
                Case { is_by_plan: true, minimum: 2, ..of },
            ]);
        }
    }
    let mut seen = 0;
    for case in cases {
        let expected = case.all(&world);
        let answer = desk.answer(case.query()).await;
        let mut met = 0;
        for row in answer["results"].as_array().unwrap() {
            let value = row["breakdown_value"].as_str().unwrap_or_default().to_owned();
            let start: i64 = row["label"].as_str().unwrap()["Day ".len()..].parse().unwrap();
            let people = expected.get(&(value, start)).map(Vec::as_slice).unwrap_or_default();
            met += people.len();
            for (cell, column) in row["values"].as_array().unwrap().iter().zip(0_i64..) {
                let there = |columns: &BTreeMap<i64, f64>| match case.is_cumulative {
                    true => columns.keys().next_back() >= Some(&column),
                    false => columns.contains_key(&column),
                };
                let count = people.iter().filter(|(_, columns)| there(columns)).count();
                assert_eq!(cell["count"], json!(count), "{case:?} {} column {column}", row["label"]);
                seen += if column > 0 { count } else { 0 };
                if case.is_summed {
                    let sum: f64 = people.iter().filter_map(|(_, columns)| columns.get(&column)).sum();
                    assert_eq!(cell["aggregation_value"].as_f64(), Some(sum), "{case:?} {}", row["label"]);
                }
            }
        }
        assert_eq!(met, expected.values().map(Vec::len).sum::<usize>(), "{case:?}: a row is missing");
        assert!(met > 0, "{case:?}: nobody begins, so it proves nothing");
    }
    assert!(seen > 500, "{seen}: hardly anybody returns, so it proves nothing");
}

#[tokio::test]
async fn people_are_listed_with_the_columns_they_were_there_in() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 6, 14).await;
    for case in [
        PLAIN,
        Case { minimum: 2, ..PLAIN },
        Case { begins: Begins::FirstFitting, ..PLAIN },
        Case { brackets: &[1, 2], ..PLAIN },
    ] {
        let expected = case.all(&world);
        for start in 0..=3_i64 {
            let source = json!({ "kind": "InsightActorsQuery", "interval": start, "source": case.query() });
            let list = json!({ "kind": "ActorsQuery", "select": ["person", "appearances"], "source": source,
                "orderBy": ["length(appearances) DESC", "actor_id"] });
            let rows = desk.answer(list).await["results"].clone();
            let mut found: Vec<Vec<i64>> =
                rows.as_array().unwrap().iter().map(|row| serde_json::from_value(row[1].clone()).unwrap()).collect();
            assert!(found.windows(2).all(|pair| pair[0].len() >= pair[1].len()), "{found:?}");
            let people = expected.get(&(String::new(), start)).cloned().unwrap_or_default();
            let listed = people.iter().filter(|(has_profile, _)| *has_profile);
            let mut wanted: Vec<Vec<i64>> = listed.map(|(_, columns)| columns.keys().copied().collect()).collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{case:?} day {start}");
            for row in rows.as_array().unwrap() {
                assert!(row[0]["distinct_ids"].as_array().is_some_and(|ids| !ids.is_empty()), "{row}");
            }
        }
    }
    let by_plan = Case { is_by_plan: true, ..PLAIN };
    let people = by_plan.all(&world)[&("paid".to_owned(), 1)].iter().filter(|(has_profile, _)| *has_profile).count();
    let source =
        json!({ "kind": "InsightActorsQuery", "interval": 1, "source": by_plan.query(), "breakdown": ["paid"] });
    let list = json!({ "kind": "ActorsQuery", "select": ["id"], "source": source });
    assert_eq!(desk.answer(list).await["results"].as_array().map(Vec::len), Some(people));
}

#[tokio::test]
async fn a_person_has_one_value_the_latest() {
    let desk = Desk::start().await;
    let visit = |who: &str, day: u32, country: Value| json!({ "event": "$pageview", "distinct_id": who, "timestamp": format!("2026-10-{day:02}T10:00:00Z"), "properties": { "$set": country } });
    desk.send(&json!([
        visit("ada", 5, json!({})),
        visit("bob", 5, json!({ "country": "US" })),
        visit("eve", 5, json!({})),
        visit("ada", 6, json!({ "country": "CA" })),
        visit("ada", 7, json!({ "country": "US" })),
    ]))
    .await;
    for (filter, first) in [
        (json!({}), [2, 1, 1]),
        (json!({ "retentionType": "retention_first_time" }), [2, 1, 1]),
        (json!({ "retentionType": "retention_first_ever_occurrence" }), [2, 1, 1]),
        (json!({ "timeWindowMode": "24_hour_windows" }), [2, 1, 1]),
    ] {
        let query = json!({ "kind": "RetentionQuery", "dateRange": { "date_from": "2026-10-05", "date_to": "2026-10-07" },
            "retentionFilter": filter, "breakdownFilter": { "breakdown": "country", "breakdown_type": "person" } });
        let answer = desk.answer(query.clone()).await;
        let rows = answer["results"].as_array().unwrap();
        let counts = |row: &Value| [0, 1, 2].map(|at: usize| row["values"][at]["count"].as_u64().unwrap());
        let of_first: Vec<_> = rows.iter().filter(|row| row["label"] == "Day 0").collect();
        assert_eq!([&of_first[0]["breakdown_value"], &of_first[1]["breakdown_value"]], ["US", ""], "{query}");
        assert_eq!((of_first.len(), counts(of_first[0]), counts(of_first[1])), (2, first, [1, 0, 0]), "{query}");
    }
}

/// Hours over more than two days, so that one number of bits does not hold them.
#[tokio::test]
async fn many_intervals_are_counted_as_few_are() {
    let desk = Desk::start().await;
    let at = |day: u32, hour: u32| json!({ "event": "visit", "distinct_id": "ada", "timestamp": format!("2026-10-{day:02}T{hour:02}:30:00Z") });
    desk.send(&json!([at(1, 3), at(1, 4), at(3, 22), at(4, 1), at(4, 2), at(7, 5)])).await;
    let visit = json!({ "id": "visit", "type": "events" });
    let query = json!({ "kind": "RetentionQuery",
        "dateRange": { "date_from": "2026-10-01T00:00:00Z", "date_to": "2026-10-07T12:00:00Z" },
        "retentionFilter": { "period": "Hour", "totalIntervals": 100, "targetEntity": visit, "returningEntity": visit } });
    let answer = desk.answer(query).await;
    let rows = answer["results"].as_array().unwrap();
    let mut found = Vec::new();
    for (start, row) in rows.iter().enumerate() {
        for (column, cell) in row["values"].as_array().unwrap().iter().enumerate() {
            let count = usize::try_from(cell["count"].as_u64().unwrap()).unwrap();
            found.extend(std::iter::repeat_n((start, start + column), count));
        }
    }
    let hours: Vec<usize> = vec![3, 4, 70, 73, 74, 149];
    let pairs = |start: &usize| {
        let start = *start;
        hours
            .iter()
            .filter(move |at| (start..start + 100).contains(*at))
            .map(move |at| (start, *at))
            .collect::<Vec<_>>()
    };
    assert_eq!(found, hours.iter().flat_map(pairs).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_start_the_intervals_end_where_the_range_does() {
    let desk = Desk::start().await;
    for (period, date_to, dates) in [
        ("Day", "2026-10-12T06:00:00", ["2026-10-10T00:00:00+02:00", "2026-10-12T00:00:00+02:00"]),
        ("Week", "2026-10-14", ["2026-09-27T00:00:00+02:00", "2026-10-11T00:00:00+02:00"]),
        ("Month", "2026-11-30", ["2026-09-01T00:00:00+02:00", "2026-11-01T00:00:00+01:00"]),
        ("Hour", "2026-10-25T02:13:00", ["2026-10-25T00:00:00+02:00", "2026-10-25T02:00:00+02:00"]),
    ] {
        let query = json!({ "kind": "RetentionQuery", "dateRange": { "date_to": date_to },
            "retentionFilter": { "period": period, "totalIntervals": 3 } });
        let answer = desk.answer(query).await;
        let rows = answer["results"].as_array().unwrap();
        assert_eq!(rows.len(), 3, "{period}");
        assert_eq!([&rows[0]["date"], &rows[2]["date"]], [&json!(dates[0]), &json!(dates[1])], "{period}");
        assert_eq!(rows[2]["label"], json!(format!("{period} 2")));
        assert!(rows.iter().all(|row| row["values"].as_array().map(Vec::len) == Some(3)), "{period}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    for (filter, attr) in [
        (json!({ "retentionType": "sometimes" }), "retentionFilter.retentionType"),
        (json!({ "period": "Fortnight" }), "retentionFilter.period"),
        (json!({ "totalIntervals": 0 }), "retentionFilter.totalIntervals"),
        (json!({ "cumulative": true, "timeWindowMode": "24_hour_windows" }), "retentionFilter.cumulative"),
        (json!({ "aggregationType": "sum" }), "retentionFilter.aggregationProperty"),
        (json!({ "retentionCustomBrackets": [1, 0] }), "retentionFilter.retentionCustomBrackets[1]"),
        (json!({ "minimumOccurrences": -1 }), "retentionFilter.minimumOccurrences"),
        (json!({ "targetEntity": { "type": "planet" } }), "retentionFilter.targetEntity.type"),
        (json!({ "targetEntity": { "id": 5 } }), "retentionFilter.targetEntity.id"),
        (
            json!({ "returningEntity": { "id": "x", "properties": [{ "key": "a", "operator": "?", "value": 1 }] } }),
            "retentionFilter.returningEntity.properties[0].operator",
        ),
    ] {
        let reply = desk.reply(json!({ "kind": "RetentionQuery", "retentionFilter": filter })).await;
        assert_eq!(reply.status.as_u16(), 400, "{filter}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
    for (more, attr) in [
        (json!({ "interval": 8 }), "source.interval"),
        (json!({}), "source.interval"),
        (json!({ "interval": 0, "breakdown": [[]] }), "source.breakdown[0]"),
    ] {
        let mut source = json!({ "kind": "InsightActorsQuery", "source": { "kind": "RetentionQuery" } });
        more.as_object().unwrap().iter().for_each(|(key, value)| source[key] = value.clone());
        let reply = desk.reply(json!({ "kind": "ActorsQuery", "source": source })).await;
        assert_eq!(reply.status.as_u16(), 400, "{more}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
}

#[tokio::test]
async fn statements_are_as_they_were() {
    let desk = Desk::start().await;
    for (name, case) in [
        ("retention", PLAIN),
        ("retention_ever", Case { begins: Begins::FirstEver, is_by_plan: true, is_cumulative: true, ..PLAIN }),
        ("retention_moments", Case { is_from_moment: true, minimum: 2, brackets: &[1, 3], ..PLAIN }),
        ("retention_sum", Case { is_summed: true, is_by_plan: true, ..PLAIN }),
    ] {
        let answer = desk.answer(case.query()).await;
        insta::assert_snapshot!(name, answer["clickhouse"].as_str().unwrap());
    }
}
