//! Formulas over the series of a trend: `A / B`, `(A + B) * 100`.
//!
//! A letter is a series, from `A` on, in either case. There are numbers, parentheses and `+ - * / % **`, and they bind as in
//! Python, which is what the query API takes a formula for: `-A ** 2` is `-(A ** 2)`, `A ** B ** C` is `A ** (B ** C)`, and a
//! remainder has the sign of what was divided by. Dividing by zero gives 0, as does whatever is no finite number: a day
//! without events tears no hole into a chart.
//!
//! Formulas come last, over lines that are smoothed and accumulated already: `A / B` of a cumulative chart is the share up to
//! a day, not a sum of shares.

use std::cmp::Ordering;

use super::formula_parser::parse;
use super::line::Line;
use crate::insights::Period;
use crate::model::query::{InvalidQuery, Reader};

const MAX_FORMULAS: usize = 50;
const MAX_NAME_CHARS: usize = 400;

/// A formula that was read, and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    text: String,
    custom_name: Option<String>,
    steps: Vec<Step>,
}

/// One step of a formula, in the order in which a stack of numbers is worked on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Number(f64),
    /// By its place in the query, from 0.
    Series(usize),
    Negate,
    Combine(Operator),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Formula {
    /// Reads the formulas of a `trendsFilter`: those of `formulaNodes`, else of `formulas`, else `formula`. Blank ones are
    /// passed over.
    ///
    /// # Errors
    /// If one cannot be read, or names a series that the query does not have: field and character are named.
    pub fn read_all(trends_filter: &Reader<'_>, series_count: usize) -> Result<Vec<Self>, InvalidQuery> {
        let nodes = trends_filter.get("formulaNodes")?;
        let texts = trends_filter.get("formulas")?;
        let mut formulas = Vec::new();
        for node in nodes.items()? {
            formulas.extend(Self::read(&node.get("formula")?, Some(&node.get("custom_name")?), series_count)?);
        }
        if formulas.is_empty() {
            for text in texts.items()? {
                formulas.extend(Self::read(&text, None, series_count)?);
            }
        }
        if formulas.is_empty() {
            formulas.extend(Self::read(&trends_filter.get("formula")?, None, series_count)?);
        }
        if formulas.len() > MAX_FORMULAS {
            let place = if nodes.is_missing() { texts } else { nodes };
            return Err(place.wrong(format!("there are at most {MAX_FORMULAS} formulas")));
        }
        Ok(formulas)
    }

    fn read(place: &Reader<'_>, name: Option<&Reader<'_>>, series_count: usize) -> Result<Option<Self>, InvalidQuery> {
        let Some(text) = place.text()?.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let steps = parse(text, series_count).map_err(|reason| place.wrong(reason))?;
        let custom_name = name.map(Reader::text).transpose()?.flatten().filter(|name| !name.is_empty());
        if let (Some(place), Some(_)) = (name, custom_name.filter(|name| name.chars().count() > MAX_NAME_CHARS)) {
            return Err(place.wrong(format!("a name has at most {MAX_NAME_CHARS} characters")));
        }
        Ok(Some(Self { text: text.to_owned(), custom_name: custom_name.map(str::to_owned), steps }))
    }

    /// What its line is called.
    #[must_use]
    pub fn label(&self) -> String {
        self.custom_name.clone().unwrap_or_else(|| format!("Formula ({})", self.text))
    }

    /// Its value where the series have these. A series that is not among them is 0.
    #[must_use]
    pub fn value(&self, series: &[f64]) -> f64 {
        let mut stack: Vec<f64> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let value = match *step {
                Step::Number(number) => number,
                Step::Series(at) => series.get(at).copied().unwrap_or_default(),
                Step::Negate => -stack.pop().unwrap_or_default(),
                Step::Combine(operator) => {
                    let right = stack.pop().unwrap_or_default();
                    operator.apply(stack.pop().unwrap_or_default(), right)
                }
            };
            // Also what is not finite before the end: 1 / (A ** 999) is 0 and not 1 / infinity by chance.
            stack.push(if value.is_finite() { value } else { 0.0 });
        }
        // No negative zero, which would be written as -0.0.
        stack.pop().unwrap_or_default() + 0.0
    }
}

impl Operator {
    fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left - right * (left / right).floor(),
            Self::Power => left.powf(right),
        }
    }
}

/// The lines of the formulas over the lines of all series: for each formula the current period, then the previous one.
///
/// Values of a breakdown are joined: each that any series has gives a line, and a series without it counts 0 there. They stand
/// by rank, then largest first; equal ones as they came.
#[must_use]
pub fn apply_formulas(formulas: &[Formula], lines: &[Line]) -> Vec<Line> {
    let series_count = lines.iter().map(|line| line.series + 1).max().unwrap_or_default();
    let mut all = Vec::new();
    for (at, formula) in formulas.iter().enumerate() {
        for period in [Period::Current, Period::Previous] {
            let of_period: Vec<_> = lines.iter().filter(|line| line.period == period).collect();
            let mut made: Vec<_> = by_value(&of_period, series_count).iter().map(|row| formula.line(at, row)).collect();
            made.sort_by(below);
            all.extend(made);
        }
    }
    all
}

/// For each value of the breakdown, in the order of their first lines, the line of each series that has one.
fn by_value<'a>(lines: &[&'a Line], series_count: usize) -> Vec<Vec<Option<&'a Line>>> {
    let mut places = std::collections::HashMap::new();
    let mut rows: Vec<Vec<Option<&Line>>> = Vec::new();
    for line in lines {
        let key = serde_json::to_string(&line.breakdown).unwrap_or_default();
        let at = *places.entry(key).or_insert_with(|| {
            rows.push(vec![None; series_count]);
            rows.len() - 1
        });
        rows[at][line.series] = Some(line);
    }
    rows
}

impl Formula {
    fn line(&self, at: usize, row: &[Option<&Line>]) -> Line {
        let any = row.iter().flatten().next().expect("a row was made for a line");
        let width = row.iter().flatten().map(|line| line.data.len()).max().unwrap_or_default();
        let number = |of: &dyn Fn(&Line) -> f64| -> Vec<f64> {
            row.iter().map(|line| line.map(of).unwrap_or_default()).collect()
        };
        let data =
            (0..width).map(|bucket| self.value(&number(&|line| line.data.get(bucket).copied().unwrap_or_default())));
        Line {
            series: at,
            label: self.label(),
            breakdown: any.breakdown.clone(),
            rank: any.rank,
            period: any.period,
            data: data.collect(),
            whole: self.value(&number(&|line| line.whole)),
        }
    }
}

/// By rank, then the larger total, then the larger number in an earlier bucket.
fn below(one: &Line, other: &Line) -> Ordering {
    let numbers = |line: &Line| std::iter::once(line.total()).chain(line.data.iter().copied()).collect::<Vec<_>>();
    let larger = numbers(other).partial_cmp(&numbers(one)).unwrap_or(Ordering::Equal);
    one.rank.cmp(&other.rank).then(larger)
}

#[cfg(test)]
#[path = "formula_tests.rs"]
mod tests;
