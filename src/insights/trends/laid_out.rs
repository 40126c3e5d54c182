//! The store's numbers as lines over the buckets of a range.

use std::collections::HashMap;

use serde_json::Value;

use super::ask::Part;
use super::breakdown::OTHER;
use super::line::Line;
use super::read::Trend;
use crate::storage::ch::{MISSING, TrendCount, TrendPoint};

impl Trend<'_> {
    /// Numbers over the buckets: a bucket without a row is a zero.
    pub(super) fn laid_out(&self, part: Part<'_>, points: &[TrendPoint], with_whole: bool) -> Vec<Line> {
        let (node, measure) = &self.series[part.series];
        let width = if self.is_aggregated { 0 } else { part.range.buckets.len() };
        let counts_whole = with_whole && !self.is_aggregated && measure.count == TrendCount::Actors;
        let series = node.label().to_owned();
        let empty = |names: Option<&[String]>, is_other: bool| {
            let by = self.by_values();
            let breakdown: Vec<Value> = match (part.cohort, names) {
                (Some((_, cohort)), _) => vec![cohort.id.clone()],
                (None, None) => Vec::new(),
                (None, Some(_)) if is_other => vec![OTHER.into(); by.map_or(1, |by| by.columns.len())],
                (None, Some(names)) => {
                    names.iter().enumerate().filter_map(|(at, name)| Some(by?.shown(at, name))).collect()
                }
            };
            let said = match (part.cohort, names) {
                (Some((_, cohort)), _) => Some(cohort.label.clone()),
                (None, None) => None,
                (None, Some(_)) if is_other => Some(OTHER.to_owned()),
                (None, Some(names)) => by.map(|by| by.label(names)),
            };
            let label = match said {
                Some(said) if self.series.len() > 1 => format!("{series} - {said}"),
                Some(said) => said,
                None => series.clone(),
            };
            let is_missing = names.is_some_and(|names| names.iter().any(|name| name == MISSING));
            let rank = if is_other { 2 } else { u8::from(is_missing) };
            Line {
                series: part.series,
                label,
                breakdown,
                rank,
                period: part.period,
                data: vec![0.0; width],
                whole: 0.0,
            }
        };
        let mut lines: Vec<Line> = Vec::new();
        let mut known: HashMap<(bool, &[String]), usize> = HashMap::new();
        if self.by_values().is_none() {
            lines.push(empty(None, false));
            known.insert((false, &[]), 0);
        }
        for point in points {
            let at = *known.entry((point.is_other, &point.names)).or_insert_with(|| {
                lines.push(empty(Some(&point.names), point.is_other));
                lines.len() - 1
            });
            let line = &mut lines[at];
            let value = point.value * measure.multiplier;
            if point.is_whole {
                line.whole = value;
            } else {
                let place = usize::try_from(point.bucket).ok().filter(|_| !self.is_aggregated);
                if let Some(place) = place.and_then(|place| line.data.get_mut(place)) {
                    *place = value;
                }
                line.whole += if counts_whole { 0.0 } else { value };
            }
        }
        sort(&mut lines);
        lines
    }
}

/// The largest first; what has no value after those that have one, the others last.
fn sort(lines: &mut [Line]) {
    lines.sort_by(|a, b| {
        a.rank.cmp(&b.rank).then_with(|| b.total().total_cmp(&a.total())).then_with(|| a.label.cmp(&b.label))
    });
}
