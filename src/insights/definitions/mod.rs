//! What a project has given names to: actions, which are kinds of events, and cohorts, which are sets of people.
//!
//! Both are kept as who made them wrote them, and become conditions when a question names them: they hold for all of history
//! and are exact at once. Filters name them ([`in_cohort`]), series name actions ([`action_at`]), and so does SQL
//! ([`named`]).

mod action;
mod behaviour;
mod change;
mod cohort;
mod selector;
mod tables;

use std::collections::{BTreeMap, HashMap};

use jiff::{Timestamp, Zoned};
use serde_json::Value;

use crate::insights::QueryContext;
use crate::model::query::{InvalidQuery, Reader, WeekStart};
use crate::model::{ActionId, CohortId};
use crate::sql::{Expr, ExprKind};
use crate::storage::ch::hogql::Named;
use crate::storage::pg::PgError;

use super::sql::{FilterTarget, PropertyTypes, made};
pub use action::{MAX_STEPS, steps_condition};
pub use behaviour::behaviour;
pub use change::{check_action, check_cohort, count_people, people_of};
pub use cohort::{cohort_at, filters_condition, ids_of_people, in_cohort};
pub use selector::{selector_pattern, tag_pattern};

/// Most actions, and most cohorts, of a project: all are read when a question names one.
pub const MAX_DEFINITIONS: i64 = 2_000;
/// Deepest nesting of one in another.
const MAX_WITHIN: usize = 8;

/// The definitions of a project, as far as a question may need them, and when it is asked.
#[derive(Debug, Default)]
pub struct Definitions {
    actions: BTreeMap<ActionId, Action>,
    cohorts: BTreeMap<CohortId, Cohort>,
    pub(super) now: Zoned,
    pub(super) week_start: WeekStart,
}

/// An action by its name and steps, in the JSON of the API.
#[derive(Debug, Clone)]
pub struct Action {
    pub id: ActionId,
    pub name: String,
    steps: Value,
}

/// A cohort by its name and filters, in the JSON of the API.
#[derive(Debug, Clone)]
pub struct Cohort {
    pub id: CohortId,
    pub name: String,
    description: String,
    is_static: bool,
    filters: Value,
    last_count: Option<i64>,
    created_at: Timestamp,
}

/// One of them, for telling which one is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    Action(ActionId),
    Cohort(CohortId),
}

impl Definitions {
    /// Reads them, if a question or the project's filters of internal users name any.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn of(context: QueryContext<'_>, question: &Value) -> Result<Self, PgError> {
        let QueryContext { pg, project, settings, clock, .. } = context;
        let (now, week_start) = (clock.now().to_zoned(project.time_zone.rules()), settings.week_start);
        let mut known = Self { now, week_start, ..Self::default() };
        if names_any(question) || names_any(&settings.test_account_filters) {
            let (_, actions) = pg.list_actions(project.id, "", MAX_DEFINITIONS, 0).await?;
            let actions = actions.into_iter().map(|row| Action { id: row.id, name: row.name, steps: row.steps });
            known.actions = actions.map(|action| (action.id, action)).collect();
            let (_, cohorts) = pg.list_cohorts(project.id, "", MAX_DEFINITIONS, 0).await?;
            let cohorts = cohorts.into_iter().map(|row| Cohort {
                id: row.id,
                name: row.name,
                description: row.description,
                is_static: row.is_static,
                filters: row.filters,
                last_count: row.last_count,
                created_at: row.created_at,
            });
            known.cohorts = cohorts.map(|cohort| (cohort.id, cohort)).collect();
        }
        Ok(known)
    }

    /// An action.
    #[must_use]
    pub fn action(&self, id: ActionId) -> Option<&Action> {
        self.actions.get(&id)
    }

    /// A cohort.
    #[must_use]
    pub fn cohort(&self, id: CohortId) -> Option<&Cohort> {
        self.cohorts.get(&id)
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

/// Whether a question in the language may name any.
#[must_use]
pub fn names_in_sql(question: &Value) -> bool {
    match question {
        Value::String(text) => {
            let lower = text.to_ascii_lowercase();
            lower.contains("matchesaction") || (lower.contains("cohort") && text.contains(char::is_whitespace))
        }
        Value::Array(items) => items.iter().any(names_in_sql),
        Value::Object(fields) => fields.values().any(names_in_sql),
        _ => false,
    }
}

/// What a question in the language may name: all of them.
#[must_use]
pub fn named(types: &PropertyTypes) -> Named {
    let nowhere = Value::Null;
    let place = Reader::new(&nowhere);
    let mut named = Named::default();
    for action in types.definitions().actions.values() {
        let condition = action.condition(&place, types).map_err(|error| error.reason);
        add(&mut named.actions, action.id.get(), &action.name, condition);
    }
    let mut people = Vec::new();
    for cohort in types.definitions().cohorts.values() {
        let condition = cohort.of(FilterTarget::Persons, &place, types).map_err(|error| error.reason);
        let ids = condition.clone().map(|condition| made(ExprKind::Query(Box::new(ids_of_people(condition)))));
        add(&mut named.cohorts, cohort.id.get(), &cohort.name, ids);
        people.extend(condition.ok().map(|condition| tables::people_in(cohort.id, condition)));
    }
    named.cohort_people = Some(tables::people(people));
    named.cohort_list = Some(tables::cohorts(types.definitions().cohorts.values()));
    named
}

fn add(known: &mut HashMap<String, Result<Expr, String>>, id: i64, name: &str, found: Result<Expr, String>) {
    known.insert(id.to_string(), found.clone());
    // An id goes before a name that looks like one; of two with one name, the older is meant.
    known.entry(name.to_owned()).or_insert(found);
}
