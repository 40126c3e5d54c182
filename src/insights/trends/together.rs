//! Which values and bins a formula is worked out for, where each series alone would show others.
//!
//! A series shows the values that it has the most of, and puts the rest together. Of two series these may be others: what one
//! shows is among the rest of the other, and a formula over both would take it for 0 there. So the values of all series are
//! ranked together, and each is asked for the same ones. Bins are laid between the least and the most that any series has.

use std::collections::{HashMap, HashSet};

use super::ask::Part;
use super::read::Trend;
use crate::insights::Period;
use crate::insights::ground::Extremes;
use crate::storage::ch::{MISSING, TrendPoint};

/// The values that are shown apart, by the period they are of.
pub type Shown = HashMap<Period, Vec<Vec<String>>>;

impl Trend<'_> {
    /// The values that all series must show for formulas over them; of a period whose series show the same already, none.
    #[must_use]
    pub fn shown_together<'p>(&self, answers: impl Iterator<Item = (Part<'p>, &'p [TrendPoint])>) -> Shown {
        let Some(by) = self.by_values() else { return Shown::new() };
        let limit = by.limit as usize;
        let mut periods: HashMap<Period, Vec<Vec<&[String]>>> = HashMap::new();
        for (part, points) in answers {
            periods.entry(part.period).or_default().push(ranked(points));
        }
        periods.retain(|_, series| !are_alike(series, limit));
        periods.into_iter().map(|(period, series)| (period, best(&series, limit))).collect()
    }
}

/// The values of a series, those first that it has the most of; not those that are put together.
fn ranked(points: &[TrendPoint]) -> Vec<&[String]> {
    let mut totals: HashMap<&[String], f64> = HashMap::new();
    for point in points.iter().filter(|point| !point.is_other && !point.is_whole) {
        *totals.entry(&point.names).or_default() += point.value;
    }
    let mut ranked: Vec<_> = totals.into_iter().collect();
    ranked.sort_by(|(a, a_total), (b, b_total)| {
        is_missing(a).cmp(&is_missing(b)).then_with(|| b_total.total_cmp(a_total)).then_with(|| a.cmp(b))
    });
    ranked.into_iter().map(|(names, _)| names).collect()
}

fn is_missing(names: &[String]) -> bool {
    names.iter().any(|name| name == MISSING)
}

/// Whether no series may have put together what another shows.
fn are_alike(series: &[Vec<&[String]>], limit: usize) -> bool {
    series.iter().filter(|values| values.len() >= limit).all(|full| {
        let full: HashSet<_> = full.iter().collect();
        series.iter().flatten().all(|value| full.contains(value))
    })
}

/// The values that stand highest in any series.
fn best(series: &[Vec<&[String]>], limit: usize) -> Vec<Vec<String>> {
    let places = series.iter().flat_map(|values| values.iter().enumerate());
    let mut places: Vec<(bool, usize, &[String])> =
        places.map(|(place, names)| (is_missing(names), place, *names)).collect();
    // Stable: of equal places that of the first series.
    places.sort_by_key(|(is_missing, place, _)| (*is_missing, *place));
    let mut known = HashSet::new();
    let best = places.into_iter().map(|(_, _, names)| names).filter(|names| known.insert(*names));
    best.take(limit).map(<[String]>::to_vec).collect()
}

/// Extremes of all series of a period as one.
pub fn widest(series: &[&[Extremes]]) -> Vec<Extremes> {
    let columns = series.first().map_or(0, |first| first.len());
    let column = |at: usize| {
        let known = series.iter().filter_map(|extremes| extremes.get(at).copied().flatten());
        known.reduce(|(least, most), (low, high)| (f64::min(least, low), f64::max(most, high)))
    };
    (0..columns).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, value: f64) -> TrendPoint {
        TrendPoint { is_whole: false, bucket: 0, is_other: false, names: vec![name.to_owned()], value }
    }

    #[test]
    fn values_that_stand_highest_in_any_series_are_shown_for_all() {
        let one = [point("a", 1.0), point("b", 9.0), point(MISSING, 99.0), point("a", 3.0)];
        let other = [point("c", 5.0), point("a", 2.0)];
        let series = [ranked(&one), ranked(&other)];
        assert!(are_alike(&series, 4), "none is full");
        assert!(!are_alike(&series, 3), "c may be among the rest of the first");
        assert_eq!(best(&series, 3), [["b"], ["c"], ["a"]]);
        assert_eq!(best(&series, 9), [vec!["b"], vec!["c"], vec!["a"], vec![MISSING]]);
    }

    #[test]
    fn bins_lie_between_the_least_and_the_most_of_any_series() {
        let series: [&[Extremes]; 3] = [&[Some((1.0, 4.0)), None], &[None, None], &[Some((-2.0, 3.0)), None]];
        assert_eq!(widest(&series), [Some((-2.0, 4.0)), None]);
    }
}
