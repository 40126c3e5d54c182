//! What a project has given names to: actions, which are kinds of events.

mod action;
mod selector;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::insights::{InsightError, QueryContext};
use crate::model::ActionId;
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::Expr;
use crate::storage::pg::PgError;

use super::sql::PropertyTypes;
pub use action::{MAX_STEPS, steps_condition};
pub use selector::{selector_pattern, tag_pattern};

/// Most actions of a project: all are read when a question names one.
pub const MAX_DEFINITIONS: i64 = 2_000;
/// Deepest nesting of one in another.
const MAX_WITHIN: usize = 8;

/// The definitions of a project, as far as a question may need them.
#[derive(Debug, Default)]
pub struct Definitions {
    actions: BTreeMap<ActionId, Action>,
}

/// An action by its name and steps, in the JSON of the API.
#[derive(Debug, Clone)]
pub struct Action {
    pub id: ActionId,
    pub name: String,
    steps: Value,
}

/// One of them, for telling which one is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    Action(ActionId),
}

impl Definitions {
    /// Reads them, if a question or the project's filters of internal users name any.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn of(context: QueryContext<'_>, question: &Value) -> Result<Self, PgError> {
        if !names_any(question) && !names_any(&context.settings.test_account_filters) {
            return Ok(Self::default());
        }
        let (_, actions) = context.pg.list_actions(context.project.id, "", MAX_DEFINITIONS, 0).await?;
        let actions = actions.into_iter().map(|row| (row.id, Action { id: row.id, name: row.name, steps: row.steps }));
        Ok(Self { actions: actions.collect() })
    }

    /// An action.
    #[must_use]
    pub fn action(&self, id: ActionId) -> Option<&Action> {
        self.actions.get(&id)
    }
}

impl Action {
    /// What an event of it must be.
    ///
    /// # Errors
    /// If it makes no sense any more, because what it names is gone or it stands in itself; the error is about `place`.
    pub fn condition(&self, place: &Reader<'_>, types: &PropertyTypes) -> Result<Expr, InvalidQuery> {
        let types = types.inside(Definition::Action(self.id), MAX_WITHIN);
        let types = types.ok_or_else(|| place.wrong(format!("the action {:?} stands in itself", self.name)))?;
        steps_condition(&Reader::new(&self.steps), &types)
            .map_err(|error| place.wrong(format!("the action {:?} cannot be read: {error}", self.name)))
    }
}

/// The action whose id stands here, and what an event of it must be.
///
/// # Errors
/// If there is no such action, or it makes no sense any more.
pub fn action_at<'t>(place: &Reader<'_>, types: &'t PropertyTypes) -> Result<(&'t Action, Expr), InvalidQuery> {
    let id = ActionId::new(id_at(place)?);
    let action = types.definitions().action(id);
    let action = action.ok_or_else(|| place.wrong(format!("there is no action {id} in this project")))?;
    Ok((action, action.condition(place, types)?))
}

/// Whether steps make an action, for one that is made or changed.
///
/// # Errors
/// If they do not, the error names the field; or if Postgres does not answer.
pub async fn check_action(context: QueryContext<'_>, id: Option<ActionId>, steps: &Value) -> Result<(), InsightError> {
    let types = PropertyTypes::of(context, steps).await?;
    let types = id.and_then(|id| types.inside(Definition::Action(id), MAX_WITHIN)).unwrap_or(types);
    let body = json!({ "steps": steps });
    steps_condition(&Reader::new(&body).get("steps")?, &types)?;
    Ok(())
}

/// The id that stands here, as a number or as digits.
///
/// # Errors
/// If nothing or something else does.
pub fn id_at(place: &Reader<'_>) -> Result<i64, InvalidQuery> {
    let found = match place.value() {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| place.wrong("an id is needed here"))
}

/// Whether any text or key in it may be the name of a kind of definition. Rather once too often: it only costs a look.
fn names_any(question: &Value) -> bool {
    let is_one = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("action") || text.contains("cohort")
    };
    match question {
        Value::String(text) => is_one(text),
        Value::Array(items) => items.iter().any(names_any),
        Value::Object(fields) => fields.iter().any(|(key, value)| is_one(key) || names_any(value)),
        _ => false,
    }
}
