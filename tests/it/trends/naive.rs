//! Trends against a plain reading: the same random events, counted one by one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenrec::insights::{Period, TrendResult, ValueOf};
use tenrec::model::query::{
    Conjunction, Math, Operator, PropertyFilter, PropertyGroup, PropertyScope, ResolvedRange, Traffic, TrendsQuery,
};
use tenrec::model::{PersonId, ProjectId};
use tenrec::storage::ch::PersonOverride;

use super::{ask, project};
use crate::explorer_support::{Explorer, Seed};

/// Repeatable random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// Events of two projects over two clock changes.
fn events(explorer: &Explorer, dice: &mut Dice, count: usize) -> Vec<Seed> {
    let weekends = ["2026-10-23T00:00:00Z", "2026-03-27T00:00:00Z", "2026-04-03T00:00:00Z"];
    (0..count)
        .map(|_| {
            let person = dice.below(14) + 1;
            let mut properties =
                json!({ "n": dice.below(5), "plan": dice.one_of(&["pro", "free", "", "Pro %", "a,b"]) });
            match dice.below(4) {
                0 => properties["$browser"] = dice.one_of(&["Chrome", "Firefox", "Safari"]).into(),
                // Does not fit its column.
                1 => properties["$browser"] = json!(dice.below(2)),
                2 => properties["$browser"] = json!(""),
                _ => {}
            }
            match dice.below(4) {
                0 => properties["$screen_width"] = json!(dice.below(3) * 640),
                1 => properties["$screen_width"] = json!("wide"),
                2 => properties["a.b"] = json!(dice.below(2) == 0),
                _ => properties["odd `key'"] = json!(f64::from(u32::try_from(dice.below(8)).unwrap()) / 4.0),
            }
            match dice.below(6) {
                0 => properties["$bot_class"] = dice.one_of(&["script", "headless"]).into(),
                1 => properties["$bot_score"] = json!(dice.below(50)),
                _ => {}
            }
            let mut seed =
                explorer.seed(dice.one_of(&["$pageview", "sign up", "buy"]), &format!("d{person}"), properties);
            if dice.below(5) == 0 {
                seed.project = explorer.other_project;
            }
            let from: Timestamp = dice.one_of(&weekends).parse().unwrap();
            let offset = i64::try_from(dice.below(6 * 86_400_000_000)).unwrap();
            // Many right on an hour, where buckets meet.
            let offset = if dice.below(3) == 0 { offset / 3_600_000_000 * 3_600_000_000 } else { offset };
            seed.at = from.checked_add(SignedDuration::from_micros(offset)).unwrap();
            seed.person = PersonId::from_row(i64::try_from(person).unwrap());
            if person > 4 {
                seed.person_properties = json!({ "tier": dice.one_of(&["gold", "tin"]), "age": 20 + person });
            }
            seed
        })
        .collect()
}

/// Everything of these events that a query asks for, by counting.
struct Naive<'a> {
    events: &'a [Seed],
    project: ProjectId,
    merges: &'a BTreeMap<u64, u64>,
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string().trim_end_matches(".0").to_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn property(seed: &Seed, scope: PropertyScope, key: &str) -> Option<String> {
    match scope {
        // A property of numbers has no value where it holds a text.
        PropertyScope::Event if key == "$screen_width" => {
            text(seed.properties.get(key)).filter(|text| text.parse::<f64>().is_ok())
        }
        PropertyScope::Event => text(seed.properties.get(key)),
        PropertyScope::Person => text(seed.person_properties.get(key)),
    }
}

fn is_bot(seed: &Seed) -> bool {
    seed.properties.get("$bot_class").is_some()
}

fn holds(seed: &Seed, filter: &PropertyFilter) -> bool {
    let found = property(seed, filter.scope, &filter.key);
    let any = |test: &dyn Fn(&str, &str) -> bool| {
        found.as_deref().is_some_and(|text| filter.values.iter().any(|value| test(text, value)))
    };
    let contains = |text: &str, value: &str| text.to_lowercase().contains(&value.to_lowercase());
    let compare = |test: &dyn Fn(f64, f64) -> bool| {
        any(&|text, value| text.parse::<f64>().is_ok_and(|text| test(text, value.parse().unwrap())))
    };
    match filter.operator {
        Operator::Exact => any(&|text, value| text == value),
        Operator::IsNot => !any(&|text, value| text == value),
        Operator::Contains => any(&contains),
        Operator::NotContains => !any(&contains),
        // The patterns of these tests are plain texts.
        Operator::Regex => any(&|text, value| text.contains(value)),
        Operator::NotRegex => !any(&|text, value| text.contains(value)),
        Operator::Greater => compare(&|a, b| a > b),
        Operator::GreaterOrEqual => compare(&|a, b| a >= b),
        Operator::Less => compare(&|a, b| a < b),
        Operator::LessOrEqual => compare(&|a, b| a <= b),
        Operator::IsSet => found.is_some(),
        Operator::IsNotSet => found.is_none(),
    }
}

fn group_holds(seed: &Seed, group: &PropertyGroup) -> bool {
    let filters = group.filters.iter().map(|filter| holds(seed, filter));
    let mut all = filters.chain(group.groups.iter().map(|group| group_holds(seed, group)));
    match group.conjunction {
        Conjunction::And => all.all(|holds| holds),
        Conjunction::Or => all.any(|holds| holds),
    }
}

impl Naive<'_> {
    fn count(&self, math: Math, of: &[&Seed]) -> u64 {
        let person = |seed: &&Seed| {
            let id = seed.person.get();
            *self.merges.get(&id).unwrap_or(&id)
        };
        match math {
            Math::Total => of.len() as u64,
            Math::UniqueUsers => of.iter().map(person).collect::<BTreeSet<_>>().len() as u64,
        }
    }

    fn answer(&self, query: &TrendsQuery, range: &ResolvedRange, period: Period) -> Vec<TrendResult> {
        let mut results = Vec::new();
        for (at, series) in query.series.iter().enumerate() {
            let matching: Vec<&Seed> = self
                .events
                .iter()
                .filter(|seed| {
                    seed.project == self.project
                        && series.event.as_ref().is_none_or(|event| *event == seed.event)
                        && range.from <= seed.at
                        && seed.at < range.to
                        && (query.traffic == Traffic::All || is_bot(seed) == (query.traffic == Traffic::Bots))
                        && group_holds(seed, &query.properties)
                        && group_holds(seed, &series.properties)
                })
                .collect();
            let data = |of: &[&Seed]| -> Vec<u64> {
                let buckets = range.buckets.iter().filter(|_| !query.display.is_aggregated());
                let of_bucket =
                    |start, end| of.iter().copied().filter(move |s| start <= s.at && s.at < end).collect::<Vec<_>>();
                buckets.map(|b| self.count(series.math, &of_bucket(b.start, b.end))).collect()
            };
            let line = |value, of: &[&Seed]| TrendResult {
                series: at,
                value,
                period,
                data: data(of),
                whole: self.count(series.math, of),
            };
            let Some(breakdown) = &query.breakdown else {
                results.push(line(None, &matching));
                continue;
            };
            let mut by_value: BTreeMap<Option<String>, Vec<&Seed>> = BTreeMap::new();
            for seed in matching {
                let value = property(seed, breakdown.scope, &breakdown.key).filter(|v| !v.is_empty());
                by_value.entry(value).or_default().push(seed);
            }
            let total = |of: &[&Seed]| {
                if query.display.is_aggregated() { self.count(series.math, of) } else { data(of).iter().sum() }
            };
            let mut ranked: Vec<_> = by_value.into_iter().collect();
            ranked.sort_by_key(|(value, of)| (value.is_none(), std::cmp::Reverse(total(of)), value.clone()));
            let rest: Vec<&Seed> = ranked
                .split_off(ranked.len().min(breakdown.limit as usize))
                .into_iter()
                .flat_map(|(_, of)| of)
                .collect();
            for (value, of) in &ranked {
                results.push(line(Some(value.clone().map_or(ValueOf::None, ValueOf::Text)), of));
            }
            if !rest.is_empty() {
                results.push(line(Some(ValueOf::Other), &rest));
            }
        }
        results
    }
}

fn random_filter(dice: &mut Dice) -> Value {
    let (key, scope) = dice.one_of(&[
        &("$browser", "event"),
        &("plan", "event"),
        &("n", "event"),
        &("$screen_width", "event"),
        &("a.b", "event"),
        &("odd `key'", "event"),
        &("tier", "person"),
        &("age", "person"),
        &("never", "person"),
    ]);
    let (operator, _) = Operator::WORDS[usize::try_from(dice.below(Operator::WORDS.len() as u64)).unwrap()];
    let value = match operator {
        "gt" | "gte" | "lt" | "lte" => json!(dice.below(30)),
        "regex" | "not_regex" => json!(dice.one_of(&["ro", "0", "o"])),
        _ if dice.below(3) == 0 => json!([dice.one_of(&["pro", "Chrome", "1"]), dice.one_of(&["free", "0", "gold"])]),
        _ => json!(dice.one_of(&["pro", "Chrome", "2", "true", "", "0.25", "PRO", "wide", "640"])),
    };
    json!({ "key": key, "type": scope, "operator": operator, "value": value })
}

fn random_query(dice: &mut Dice) -> Value {
    let series = |dice: &mut Dice| {
        let properties: Vec<_> = (0..dice.below(5) / 4).map(|_| random_filter(dice)).collect();
        json!({ "event": dice.one_of(&[&json!("$pageview"), &json!("sign up"), &json!(null)]),
            "math": dice.one_of(&["total", "dau"]), "properties": properties })
    };
    let join = dice.one_of(&["AND", "OR"]);
    let filters: Vec<_> = (0..dice.below(3)).map(|_| random_filter(dice)).collect();
    let count = 1 + dice.below(2);
    let mut query = json!({
        "kind": "TrendsQuery",
        "series": (0..count).map(|_| series(dice)).collect::<Vec<_>>(),
        "interval": dice.one_of(&["hour", "day", "day", "week", "month"]),
        "properties": { "type": join, "values": filters },
        "dateRange": dice.one_of(&[
            &json!({ "date_from": "2026-10-22", "date_to": "2026-10-30" }),
            &json!({ "date_from": "2026-10-24T22:30:00Z", "date_to": "2026-10-26T01:15:00Z", "explicitDate": true }),
            &json!({ "date_from": "2026-03-26", "date_to": "2026-04-10" }),
            &json!({ "date_from": "-10d" }),
        ]),
        "trendsFilter": { "display": dice.one_of(&["ActionsLineGraph", "ActionsLineGraph", "ActionsBarValue", "BoldNumber"]) },
    });
    if dice.below(2) == 0 {
        query["traffic"] = json!(dice.one_of(&["humans", "bots", "all"]));
    }
    if dice.below(2) == 0 {
        let (key, scope) =
            dice.one_of(&[&("$browser", "event"), &("n", "event"), &("odd `key'", "event"), &("tier", "person")]);
        query["breakdownFilter"] =
            json!({ "breakdown": key, "breakdown_type": scope, "breakdown_limit": 1 + dice.below(4) });
    }
    query
}

#[tokio::test]
async fn a_trend_is_what_counting_one_by_one_gives() {
    let explorer = Explorer::start().await;
    let mut dice = Dice(42);
    let events = events(&explorer, &mut dice, 1_500);
    explorer.store(&events).await;
    // Persons 1 and 2 became 9; 3 became 10 and then 11: the newest version counts. The other project merged others.
    let merge = |project, from: u64, into: u64, version| PersonOverride {
        project_id: project,
        from: PersonId::from_event(from),
        into: PersonId::from_event(into),
        version,
    };
    let mine = explorer.project;
    let rows = [merge(mine, 1, 9, 1), merge(mine, 2, 9, 2), merge(mine, 3, 10, 3), merge(mine, 3, 11, 4)];
    explorer.app.state().ch.insert_person_overrides(&rows).await.unwrap();
    explorer.app.state().ch.insert_person_overrides(&[merge(explorer.other_project, 5, 6, 5)]).await.unwrap();
    let merges = BTreeMap::from([(1, 9), (2, 9), (3, 11)]);
    let naive = Naive { events: &events, project: mine, merges: &merges };

    let zones = ["Europe/Berlin", "UTC", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"];
    let mut counted = 0;
    for round in 0..150 {
        let zone = dice.one_of(&zones);
        let query = random_query(&mut dice);
        let (parsed, answer) = ask(&explorer, &project(mine, zone), &query).await;
        let expected = naive.answer(&parsed, &answer.range, Period::Current);
        assert_eq!(answer.results, expected, "round {round}, {zone}: {query:#}\n{}", answer.statements.join("\n"));
        counted += expected.iter().map(|line| line.whole).sum::<u64>();
    }
    assert!(counted > 1_000, "the questions find events: {counted}");
}

#[tokio::test]
async fn the_period_before_is_counted_by_the_same_rules() {
    let explorer = Explorer::start().await;
    let mut dice = Dice(7);
    let events = events(&explorer, &mut dice, 400);
    explorer.store(&events).await;
    let merges = BTreeMap::new();
    let naive = Naive { events: &events, project: explorer.project, merges: &merges };
    let query = json!({
        "kind": "TrendsQuery",
        "series": [{ "event": "$pageview", "math": "dau" }],
        "dateRange": { "date_from": "2026-10-26", "date_to": "2026-10-28" },
        "compareFilter": { "compare": true },
    });
    let (parsed, answer) = ask(&explorer, &project(explorer.project, "Europe/Berlin"), &query).await;
    let previous = answer.previous.clone().expect("asked for");
    let mut expected = naive.answer(&parsed, &answer.range, Period::Current);
    expected.extend(naive.answer(&parsed, &previous, Period::Previous));
    assert_eq!(answer.results, expected);
    assert_eq!(previous.buckets[0].day, "2026-10-23");
    assert!(expected[1].whole > 0);
}
