//! Events as rows of an inner statement.

use jiff::Timestamp;

use super::Ground;
use crate::insights::sql::{date_filter, from_table, joined, made};
use crate::model::query::InvalidQuery;
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Select, SelectItem};
use crate::storage::ch::Sql;
use crate::storage::ch::hogql::ColumnName;

/// Which events, and which of their columns under which names.
///
/// Besides the columns that the query language has for everybody (`timestamp`, `event`, `properties.x`,
/// `person.properties.x`, `session.x`, `person_number` …), a column may be `stored_person_number`, the number on the event
/// before merges, for statements that look merges up themselves; or `stored_quarter_hour`, the first moment of the event's
/// quarter of an hour, by which the store has events counted.
#[derive(Debug, Clone)]
pub struct EventRows {
    columns: Vec<(ColumnName, Expr)>,
    conditions: Vec<Expr>,
}

impl EventRows {
    /// The events for which all that the question says holds.
    #[must_use]
    pub fn of(ground: &Ground<'_>) -> Self {
        Self { columns: Vec::new(), conditions: ground.conditions.clone() }
    }

    /// All events of the project, whatever the question says.
    #[must_use]
    pub fn all() -> Self {
        Self { columns: Vec::new(), conditions: Vec::new() }
    }

    /// With a column.
    #[must_use]
    pub fn column(mut self, name: impl Into<ColumnName>, value: Expr) -> Self {
        self.columns.push((name.into(), value));
        self
    }

    /// Only those for which this holds too.
    #[must_use]
    pub fn only(mut self, condition: impl IntoIterator<Item = Expr>) -> Self {
        self.conditions.extend(condition);
        self
    }

    /// Only those of `from <= timestamp < to`.
    #[must_use]
    pub fn within(self, from: Timestamp, to: Timestamp) -> Self {
        self.only(date_filter(&["timestamp"], Some(from), Some(to)))
    }

    /// Whether nothing is asked of an event but its name and whether a program sent it: the store counts those already, by
    /// `stored_quarter_hour`.
    #[must_use]
    pub fn are_of_names_alone(&self) -> bool {
        self.columns.iter().map(|(_, value)| value).chain(&self.conditions).all(is_of_name_alone)
    }

    /// The statement that gives them: `SELECT … AS name, … FROM …`.
    ///
    /// # Errors
    /// If a condition or a column names what there is not.
    pub fn sql(mut self, ground: &Ground<'_>) -> Result<Sql, InvalidQuery> {
        if self.columns.is_empty() {
            // Rows that are only counted.
            self = self.column("one", made(ExprKind::Literal(Literal::Whole(1))));
        }
        let (names, items): (Vec<_>, Vec<_>) =
            self.columns.into_iter().map(|(name, expr)| (name, SelectItem { expr, alias: None })).unzip();
        let select = Select { items, filter: joined(self.conditions, false), ..Select::default() };
        ground.compile(&from_table(select, "events"), &names)
    }
}

/// Whether a value follows from an event's name and whether a program sent it.
fn is_of_name_alone(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Field(steps) => matches!(steps.as_slice(), [name] if name == "event" || name == "is_bot"),
        ExprKind::Compare(CompareOp::InCohort | CompareOp::NotInCohort, ..) => false,
        ExprKind::Compare(_, left, right) => is_of_name_alone(left) && is_of_name_alone(right),
        ExprKind::Not(of) => is_of_name_alone(of),
        ExprKind::And(all) | ExprKind::Or(all) | ExprKind::Array(all) | ExprKind::Tuple(all) => {
            all.iter().all(is_of_name_alone)
        }
        _ => false,
    }
}
