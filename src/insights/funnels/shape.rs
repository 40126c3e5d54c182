//! Answers as the query API writes them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::breakdown::FunnelBreakdown;
use super::read::Funnel;
use super::rules::StepOrder;
use super::tally::{Tally, average, seconds};
use crate::insights::ground::{Entity, action_json};

/// What all values beyond the limit are called together.
pub const OTHER: &str = "Other";

/// Most bars of a histogram that nobody chose the number of.
const MAX_OWN_BINS: usize = 60;
/// How wide a bar is if all took the same time.
const LEAST_BIN_SECONDS: f64 = 60.0;

/// The steps of everybody.
pub fn steps(funnel: &Funnel<'_>, tally: &Tally) -> Vec<Value> {
    (0..funnel.steps.len()).map(|at| step(funnel, tally, at)).collect()
}

fn step(funnel: &Funnel<'_>, tally: &Tally, at: usize) -> Value {
    let node = &funnel.steps[at].node;
    let took = if at == 0 { None } else { tally.took(at) };
    let mut said = json!({
        "order": at,
        "count": tally.counts[at],
        "average_conversion_time": took.map(|took| took.average),
        "median_conversion_time": took.map(|took| took.median),
    });
    let action = action_json(node, at);
    said["type"] = action["type"].clone();
    if funnel.rules.order == StepOrder::Unordered {
        said["action_id"] = Value::Null;
        said["name"] = format!("Completed {} step{}", at + 1, if at == 0 { "" } else { "s" }).into();
        said["custom_name"] = Value::Null;
    } else {
        let is_any = node.entity == Entity::Event(None);
        said["action_id"] = action["id"].clone();
        said["name"] = if is_any { Value::Null } else { node.label().into() };
        said["custom_name"] = json!(node.custom_name);
    }
    said
}

/// The steps of each value as they are ranked, and of all others together.
pub fn by_value(
    funnel: &Funnel<'_>,
    breakdown: &FunnelBreakdown,
    ranked: Vec<(String, Tally)>,
    other: Option<Tally>,
) -> Vec<Value> {
    let mut said = Vec::new();
    let mut rows: Vec<((Value, Value), Tally)> =
        ranked.into_iter().map(|(value, tally)| (breakdown.said(&value), tally)).collect();
    if let Some(other) = other {
        let place = rows.partition_point(|(_, tally)| tally.counts.iter().rev().ge(other.counts.iter().rev()));
        rows.insert(place, ((json!([OTHER]), json!([OTHER])), other));
    }
    for ((shown, value), tally) in rows {
        let mut steps = steps(funnel, &tally);
        for step in &mut steps {
            step["breakdown"] = shown.clone();
            step["breakdown_value"] = value.clone();
        }
        said.push(steps.into());
    }
    said
}

/// Values by how many came to the last step, then to the one before, and so on; then by name.
pub fn ranked(tallies: HashMap<String, Tally>) -> Vec<(String, Tally)> {
    let mut ranked: Vec<(String, Tally)> = tallies.into_iter().collect();
    ranked.sort_unstable_by(|(name, tally), (other_name, other)| {
        other.counts.iter().rev().cmp(tally.counts.iter().rev()).then_with(|| name.cmp(other_name))
    });
    ranked
}

/// A histogram of the microseconds that everybody took.
pub fn histogram(took: &[i64], bins: Option<u32>) -> Value {
    let wanted = bins.map_or_else(|| own_bins(took.len()), |bins| bins as usize);
    let least = took.iter().min().map_or(0.0, |least| seconds(*least).floor());
    let most = took.iter().max().map_or(0.0, |most| seconds(*most).ceil());
    let width = ((most - least) / wanted as f64).ceil();
    let width = if width > 0.0 { width } else { LEAST_BIN_SECONDS };
    let mut counts = vec![0_u64; wanted + 1];
    for time in took {
        let bin = ((seconds(*time) - least) / width) as usize;
        counts[bin.min(wanted)] += 1;
    }
    let start = |bin: usize| (least + bin as f64 * width) as i64;
    json!({
        "bins": counts.iter().enumerate().map(|(bin, count)| json!([start(bin), count])).collect::<Vec<_>>(),
        "average_conversion_time": (!took.is_empty()).then(|| average(took)),
    })
}

/// As many as the cube root of how many took any time.
fn own_bins(count: usize) -> usize {
    (1..MAX_OWN_BINS).find(|bins| bins.pow(3) >= count).unwrap_or(MAX_OWN_BINS)
}

/// How many entered in each bucket, and how many of them converted.
pub type Entered = Vec<(u64, u64)>;

/// Rates by bucket of time; of each value by itself if there is a breakdown.
pub fn trends(funnel: &Funnel<'_>, entered: HashMap<String, Entered>) -> Vec<Value> {
    let Some(breakdown) = &funnel.breakdown else {
        let everybody = entered.into_values().next().unwrap_or_else(|| vec![(0, 0); funnel.range.buckets.len()]);
        return vec![line(funnel, &everybody)];
    };
    let total = |entered: &Entered| entered.iter().map(|(from, _)| from).sum::<u64>();
    let mut values: Vec<(String, Entered)> = entered.into_iter().collect();
    values.sort_unstable_by(|(name, a), (other_name, b)| total(b).cmp(&total(a)).then_with(|| name.cmp(other_name)));
    values.truncate(breakdown.limit.unwrap_or(usize::MAX));
    let lines = values.into_iter().map(|(value, entered)| {
        let mut line = line(funnel, &entered);
        line["breakdown_value"] = breakdown.said(&value).0;
        line
    });
    lines.collect()
}

fn line(funnel: &Funnel<'_>, entered: &Entered) -> Value {
    let buckets = &funnel.range.buckets;
    json!({
        "count": buckets.len(),
        "data": entered.iter().map(|(from, to)| rate(*from, *to)).collect::<Vec<_>>(),
        "days": buckets.iter().map(|bucket| &bucket.day).collect::<Vec<_>>(),
        "labels": buckets.iter().map(|bucket| &bucket.label).collect::<Vec<_>>(),
    })
}

/// Percent, with two decimals.
fn rate(from: u64, to: u64) -> f64 {
    if from == 0 { 0.0 } else { (to as f64 / from as f64 * 10_000.0).round() / 100.0 }
}
