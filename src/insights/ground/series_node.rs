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
    /// Several events or actions that count as one, by what they are called together.
    Several(String),
}

/// An `EventsNode`, an `ActionsNode` or a `GroupNode` of them: a series, a step, a target of a question.
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
            Some("GroupNode") => {
                let several = Several::read(&place, ground)?;
                let entity = Entity::Several(several.label);
                return Self::with_filters(place, entity, several.condition, several.is_it, ground);
            }
            Some(other) => {
                let known = "EventsNode, ActionsNode and GroupNode can";
                return Err(kind.wrong(format!("{other} cannot be answered; {known}")));
            }
        };
        let is_it = joined(conditions, false);
        Self::with_filters(place, entity, is_it.clone(), is_it, ground)
    }

    /// With the filters of its own.
    fn with_filters(
        place: Reader<'a>,
        entity: Entity,
        condition: Option<Expr>,
        is_it: Option<Expr>,
        ground: &Ground<'_>,
    ) -> Result<Self, InvalidQuery> {
        let mut conditions: Vec<Expr> = condition.into_iter().collect();
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
            Entity::Event(Some(event)) | Entity::Several(event) => event,
            Entity::Event(None) => "All events",
            Entity::Action { name, .. } => name,
        }
    }
}

/// Most events and actions of one series.
const MAX_SEVERAL: usize = 50;

/// What a `GroupNode` holds.
struct Several {
    label: String,
    condition: Option<Expr>,
    is_it: Option<Expr>,
}

impl Several {
    /// Reads its nodes, each with filters of its own; what is counted of them is said of the group.
    fn read(place: &Reader<'_>, ground: &Ground<'_>) -> Result<Self, InvalidQuery> {
        let is_or = place.get("operator")?.word(&[("OR", true), ("AND", false)])?.unwrap_or(true);
        let list = place.get("nodes")?;
        let items = list.items()?;
        if items.is_empty() || items.len() > MAX_SEVERAL {
            return Err(list.wrong(format!("1 to {MAX_SEVERAL} events or actions are needed here")));
        }
        let math = |of: &Reader<'_>| Ok::<_, InvalidQuery>(of.get("math")?.text()?.unwrap_or("total").to_owned());
        let of_all = math(place)?;
        let mut nodes = Vec::new();
        for item in items {
            let kind = item.get("kind")?;
            if kind.text()? == Some("GroupNode") {
                return Err(kind.wrong("a group holds events and actions, not groups"));
            }
            let own = math(&item)?;
            if own != "total" && own != of_all {
                return Err(item
                    .get("math")?
                    .wrong("what is counted of a group is said of the group, not of one of its events"));
            }
            nodes.push(SeriesNode::read(item, ground)?);
        }
        let labels: Vec<&str> = nodes.iter().map(SeriesNode::label).collect();
        let joined_by = |of: &dyn Fn(&SeriesNode<'_>) -> Option<Expr>| {
            let conditions: Vec<Option<Expr>> = nodes.iter().map(of).collect();
            if is_or {
                // One that every event is makes all of them.
                conditions.into_iter().collect::<Option<Vec<_>>>().and_then(|all| joined(all, true))
            } else {
                joined(conditions.into_iter().flatten().collect(), false)
            }
        };
        Ok(Self {
            label: labels.join(", "),
            condition: joined_by(&|node| node.condition.clone()),
            is_it: joined_by(&|node| node.is_it.clone()),
        })
    }
}

/// What an answer says of a series: which event or action it is, and its place.
#[must_use]
pub fn action_json(series: &SeriesNode<'_>, order: usize) -> Value {
    let said = |key: &str| series.place.value().and_then(|node| node.get(key)).cloned().unwrap_or_default();
    let (id, kind) = match &series.entity {
        Entity::Event(event) => (event.as_deref().into(), "events"),
        Entity::Action { id, .. } => (Value::from(id.get()), "actions"),
        Entity::Several(_) => (Value::Null, "groups"),
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
