//! Lines as the query API answers.

use serde_json::{Value, json};

use super::derived::Derived;
use super::line::Line;
use super::read::Trend;
use crate::insights::Period;
use crate::insights::ground::{Weekdays, action_json};

impl Trend<'_> {
    /// A line as JSON: of a series, or of a formula, which is no event's or action's.
    #[must_use]
    pub fn json(&self, line: &Line, derived: &Derived, weekdays: Option<Weekdays>, is_formula: bool) -> Value {
        let range = match (line.period, &self.previous) {
            (Period::Previous, Some(previous)) => previous,
            _ => &self.range,
        };
        let drawn = derived.draw(&line.data, range, weekdays);
        let numbers = |data: &[f64]| data.iter().map(|value| number(*value)).collect::<Vec<_>>();
        let mut json = json!({
            "action": if is_formula { Value::Null } else { action_json(&self.series[line.series].0, line.series) },
            "label": line.label,
            "data": numbers(&drawn.data),
        });
        if self.is_aggregated {
            json["count"] = 0.into();
            json["aggregated_value"] = number(line.whole);
            json["days"] = json!([]);
            json["labels"] = json!([]);
        } else {
            // Where each bucket has all before it, the last one has all.
            let last = drawn.data.last().copied().unwrap_or_default();
            let shown = || drawn.places.iter().map(|at| &range.buckets[*at]);
            json["count"] = number(if self.is_cumulative { last } else { drawn.data.iter().sum() });
            json["days"] = shown().map(|bucket| bucket.day.as_str()).collect();
            json["labels"] = shown().map(|bucket| bucket.label.as_str()).collect();
            for (name, beside) in [("moving_average", &drawn.moving_average), ("trend_line", &drawn.trend_line)] {
                if let Some(beside) = beside {
                    json[name] = numbers(beside).into();
                }
            }
        }
        if self.breakdown.is_some() && !line.breakdown.is_empty() {
            let is_list = self.by_values().is_some_and(|by| by.is_list);
            json["breakdown_value"] = match line.breakdown.as_slice() {
                [value] if !is_list => value.clone(),
                values => values.into(),
            };
        }
        if self.previous.is_some() {
            json["compare"] = true.into();
            json["compare_label"] = if line.period == Period::Current { "current" } else { "previous" }.into();
        }
        json
    }
}

/// A number without a fraction is written without one.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { (value as i64).into() } else { value.into() }
}
