//! One thing that is counted.

use serde_json::{Value, json};

use super::Ground;
use crate::insights::definitions::action_at;
use crate::insights::sql::{compare, field, joined, text};
use crate::model::ActionId;
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr};

const MAX_NAME_CHARS: usize = 400;

/// What a series is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Entity {
    /// An event by its name; none means every event.
    Event(Option<String>),
    Action {
        id: ActionId,
        name: String,
    },
}

/// An `EventsNode` or `ActionsNode` of a question: a series, a step, a target.
#[derive(Debug, Clone)]
pub struct SeriesNode<'a> {
    /// Where it stands, for reading what only some kinds have (`math` …).
    pub place: Reader<'a>,
    pub entity: Entity,
    /// What the sender calls it.
    pub name: Option<String>,
    /// What a person called it.
    pub custom_name: Option<String>,
    /// What an event of it must be; none if every event is.
    pub condition: Option<Expr>,
    /// The same without its filters: whether it is this event or action at all.
    pub is_it: Option<Expr>,
}

impl<'a> SeriesNode<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// If it is no such node or a field makes no sense.
    pub fn read(place: Reader<'a>, ground: &Ground<'_>) -> Result<Self, InvalidQuery> {
        let kind = place.get("kind")?;
        let mut conditions = Vec::new();
        let entity = match kind.text()? {
            Some("EventsNode") | None => {
                let event = name(&place.get("event")?)?;
                let is_event = |event: &str| compare(CompareOp::Equal, field(&["event"]), text(event));
                conditions.extend(event.as_deref().map(is_event));
                Entity::Event(event)
            }
            Some("ActionsNode") => {
                let (action, condition) = action_at(&place.get("id")?, &ground.types)?;
                conditions.push(condition);
                Entity::Action { id: action.id, name: action.name.clone() }
            }
            Some(other) => {
                return Err(kind.wrong(format!("{other} cannot be answered; EventsNode and ActionsNode can")));
            }
        };
        let is_it = joined(conditions.clone(), false);
        for filters in ["properties", "fixedProperties"] {
            conditions.extend(ground.filters(&place.get(filters)?)?);
        }
        Ok(Self {
            name: name(&place.get("name")?)?,
            custom_name: name(&place.get("custom_name")?)?,
            condition: joined(conditions, false),
            is_it,
            entity,
            place,
        })
    }

    /// Reads a list of them: from one to `most`.
    ///
    /// # Errors
    /// If there are none or too many, or one makes no sense.
    pub fn read_all(place: &Reader<'a>, ground: &Ground<'_>, most: usize) -> Result<Vec<Self>, InvalidQuery> {
        let items = place.items()?;
        if items.is_empty() || items.len() > most {
            return Err(place.wrong(format!("1 to {most} series are needed")));
        }
        items.into_iter().map(|item| Self::read(item, ground)).collect()
    }

    /// What the query API calls it: the event's name, or the action's.
    #[must_use]
    pub fn label(&self) -> &str {
        match &self.entity {
            Entity::Event(Some(event)) => event,
            Entity::Event(None) => "All events",
            Entity::Action { name, .. } => name,
        }
    }
}

/// What an answer says of a series: which event or action it is, and its place.
#[must_use]
pub fn action_json(series: &SeriesNode<'_>, order: usize) -> Value {
    let said = |key: &str| series.place.value().and_then(|node| node.get(key)).cloned().unwrap_or_default();
    let (id, kind) = match &series.entity {
        Entity::Event(event) => (event.as_deref().into(), "events"),
        Entity::Action { id, .. } => (Value::from(id.get()), "actions"),
    };
    json!({
        "id": id,
        "type": kind,
        "order": order,
        "name": series.name.as_deref().unwrap_or(series.label()),
        "custom_name": series.custom_name,
        "math": said("math"),
    })
}

/// A name that is neither empty nor endless.
fn name(place: &Reader<'_>) -> Result<Option<String>, InvalidQuery> {
    match place.text()? {
        Some(text) if text.chars().count() > MAX_NAME_CHARS => {
            Err(place.wrong(format!("a name has at most {MAX_NAME_CHARS} characters")))
        }
        text => Ok(text.filter(|t| !t.is_empty()).map(str::to_owned)),
    }
}
