//! What begins a retention, and what is a return.

use serde_json::{Value, json};

use crate::insights::ground::{Ground, SeriesNode};
use crate::insights::sql::made;
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{Expr, ExprKind, Literal};

/// An event or action of the question.
#[derive(Debug)]
pub(super) struct Entity {
    /// What an event of it is, with its filters.
    pub with_filters: Expr,
    /// The same whatever its properties.
    pub alone: Expr,
    /// Its JSON without names, for telling whether two are the same.
    what: Value,
}

impl Entity {
    /// Reads one; page views unless said.
    pub fn read(filter: &Reader<'_>, name: &str, ground: &Ground<'_>) -> Result<Self, InvalidQuery> {
        let place = filter.get(name)?;
        let said = place.value().cloned().unwrap_or_else(|| json!({ "id": "$pageview" }));
        let is_action = place.get("type")?.word(&[("events", false), ("actions", true)])?.unwrap_or(false);
        let mut node = match is_action {
            true => json!({ "kind": "ActionsNode", "id": said["id"] }),
            false => json!({ "kind": "EventsNode", "event": said["id"] }),
        };
        let alone = condition(&node, name, ground)?;
        if !matches!(&said["properties"], Value::Array(filters) if filters.is_empty()) {
            node["properties"] = said["properties"].clone();
        }
        Ok(Self { with_filters: condition(&node, name, ground)?, alone, what: node })
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

/// What an event of a node is; an error names the place that was sent.
fn condition(node: &Value, name: &str, ground: &Ground<'_>) -> Result<Expr, InvalidQuery> {
    let whole = json!({ "retentionFilter": { name: node } });
    let place = Reader::new(&whole).get("retentionFilter")?.get(name)?;
    let read = SeriesNode::read(place, ground);
    let node = read.map_err(|error| InvalidQuery { field: error.field.replace(".event", ".id"), ..error })?;
    Ok(node.condition.unwrap_or_else(|| made(ExprKind::Literal(Literal::Flag(true)))))
}
