//! What an answer says besides its results.

use serde_json::{Value, json};

use crate::insights::QueryAnswer;
use crate::insights::sql::statement;
use crate::model::query::ResolvedRange;
use crate::storage::ch::{Cost, Sql};

/// The statements that were asked, and what they cost together.
#[derive(Debug, Default)]
pub struct Answered {
    statements: Vec<String>,
    cost: Option<Cost>,
}

impl Answered {
    /// With one more.
    pub fn add(&mut self, sql: &Sql, cost: Cost) {
        self.statements.push(statement(sql));
        self.cost = Some(self.cost.map_or(cost, |before| before.and(cost)));
    }

    /// The statements, and what they cost together.
    #[must_use]
    pub fn into_parts(self) -> (Vec<String>, Cost) {
        (self.statements, self.cost.unwrap_or_default())
    }

    /// The whole answer.
    #[must_use]
    pub fn with(self, results: Vec<Value>, range: &ResolvedRange) -> QueryAnswer {
        let cost = self.cost.unwrap_or_default();
        let fields = [
            ("results", results.into()),
            ("timezone", range.zone.as_str().into()),
            ("resolved_date_range", json!({ "date_from": range.from, "date_to": range.to })),
            ("clickhouse", self.statements.join("\n\n").into()),
            ("rows_read", cost.rows_read.into()),
            ("bytes_read", cost.bytes_read.into()),
            ("timings", json!([{ "k": "./clickhouse_execute", "t": cost.elapsed.as_secs_f64() }])),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
