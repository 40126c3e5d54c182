//! A person's properties: what they are, where each came from, and changing them by hand.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::list::Moment;
use super::show::{EventsQuery, form_page};
use crate::http::{AppState, Cause, FieldErrors, Form, ProjectAccess, WebError, page as render};
use crate::identity::Identity;
use crate::insights::explore::{self, ExploreError, Origin, PersonFound};
use crate::model::person_property::{MAX_PERSON_PROPERTIES, PropertyKey, ValueKind};
use crate::model::{PersonId, ProjectId, Role};
use crate::storage::pg::{EditOutcome, PersonRow};
use crate::web::events::{PropertyLine, property_lines};

/// Most characters shown of a property that would be replaced.
const SHOWN_CHARS: usize = 300;

/// The section of the page; script asks for it again with the origins.
#[derive(Debug)]
pub struct Properties {
    /// The person's or the group's own page.
    pub base: String,
    /// Of a group no events tell where its properties came from.
    pub is_of_group: bool,
    /// Whether the page may ask where they came from.
    pub asks_origins: bool,
    pub rows: Vec<PropertyRow>,
    /// Whether the origins are in it.
    pub has_origins: bool,
    pub can_edit: bool,
    /// What is being added or edited.
    pub form: Option<EditForm>,
}

/// One property.
#[derive(Debug)]
pub struct PropertyRow {
    pub line: PropertyLine,
    pub edit_href: String,
    pub origin: Option<OriginLine>,
    pub is_edited: bool,
}

/// Where a property came from, in words.
#[derive(Debug)]
pub struct OriginLine {
    pub text: String,
    /// The event.
    pub href: Option<String>,
    pub at: Moment,
}

/// The form that adds or changes a property.
#[derive(Debug, Clone, Default)]
pub struct EditForm {
    /// Whether it adds one, and its name is typed too.
    pub is_new: bool,
    pub key: String,
    pub kind: ValueKind,
    pub value: String,
    /// What the property that was to be added is already.
    pub existing: Option<Existing>,
    pub errors: FieldErrors,
}

/// A property as it is, while somebody is asked whether to replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its beginning, if it is long.
    pub text: String,
    pub kind: ValueKind,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PropertyFields {
    pub key: String,
    kind: String,
    value: String,
    /// `1` when a property is added.
    new: String,
}

/// The path of a person by UUID.
#[derive(Debug, Deserialize)]
pub struct ByUuid {
    uuid: String,
}

#[derive(Debug, Template)]
#[template(path = "pages/persons/_properties_part.html")]
struct PropertiesPart {
    properties: Properties,
}

impl EditForm {
    /// The form for a property as it is; for a new one if the person has none of this key.
    #[must_use]
    pub fn of(properties: &Map<String, Value>, key: &str) -> Self {
        match properties.get(key) {
            Some(value) => Self {
                key: key.to_owned(),
                kind: ValueKind::of_value(value),
                value: match value {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    Value::Array(_) | Value::Object(_) => {
                        serde_json::to_string_pretty(value).expect("a JSON value can be printed")
                    }
                    value => value.to_string(),
                },
                ..Self::default()
            },
            None => Self { is_new: true, key: key.to_owned(), ..Self::default() },
        }
    }

    /// The form as it was sent.
    #[must_use]
    pub fn sent(fields: PropertyFields) -> Self {
        Self {
            is_new: fields.new == "1",
            key: fields.key.trim().to_owned(),
            kind: ValueKind::of_word(&fields.kind),
            value: fields.value,
            existing: None,
            errors: FieldErrors::default(),
        }
    }

    /// Whether what it adds is there already with another value. Then it asks whether to replace that.
    pub fn asks_to_replace(&mut self, properties: &Map<String, Value>, key: &str, value: &Value) -> bool {
        if !self.is_new || properties.get(key).is_none_or(|existing| existing == value) {
            return false;
        }
        let Self { kind, value: text, .. } = Self::of(properties, key);
        let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        self.is_new = false;
        self.existing = Some(Existing { text: shown, kind });
        true
    }

    /// The key and value it means; what is wrong is noted in it.
    pub fn read(&mut self) -> Option<(String, Value)> {
        let key: Option<PropertyKey> = self.errors.parse("key", &self.key);
        let value = self.kind.read(&self.value).map_err(|wrong| self.errors.add("value", wrong)).ok();
        Some((key?.into(), value?))
    }
}

impl Properties {
    /// The section for a person with a profile.
    #[must_use]
    pub fn new(
        project: ProjectId,
        zone: &TimeZone,
        base: &str,
        properties: &Map<String, Value>,
        origins: Option<&HashMap<String, Origin>>,
        can_edit: bool,
        form: Option<EditForm>,
    ) -> Self {
        let row = |line: PropertyLine| PropertyRow {
            edit_href: format!(
                "{base}?{}#properties",
                serde_urlencoded::to_string([("edit", &line.key)]).unwrap_or_default()
            ),
            origin: origins.and_then(|all| all.get(&line.key)).map(|origin| OriginLine::new(project, zone, origin)),
            is_edited: form.as_ref().is_some_and(|form| !form.is_new && form.key == line.key),
            line,
        };
        Self {
            base: base.to_owned(),
            is_of_group: false,
            asks_origins: true,
            rows: property_lines(properties).into_iter().map(row).collect(),
            has_origins: origins.is_some(),
            can_edit,
            form,
        }
    }

    /// Whether a search helps.
    pub(in crate::web) fn is_long(&self) -> bool {
        self.rows.len() > 6
    }

    /// Whether there are any that SDKs send of themselves.
    pub(in crate::web) fn has_well_known(&self) -> bool {
        self.rows.iter().any(|row| row.line.is_well_known)
    }
}

impl OriginLine {
    fn new(project: ProjectId, zone: &TimeZone, origin: &Origin) -> Self {
        match origin {
            Origin::Event(source) => Self {
                text: source.event.clone(),
                href: Some(format!("/project/{project}/events/{}?at={}", source.uuid, source.at.as_microsecond())),
                at: Moment::new(zone, source.at),
            },
            Origin::User { name, at } => Self {
                text: format!("edited by {}", name.as_deref().unwrap_or("somebody without an account now")),
                href: None,
                at: Moment::new(zone, *at),
            },
        }
    }
}

/// `GET /project/{project}/persons/{uuid}/properties`: the section with the origins, for script.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByUuid { uuid }): Path<ByUuid>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let by = PersonFound::ByUuid(uuid.parse().map_err(|_| Cause::NotFound)?);
    let read = async {
        let Some(person) = explore::find_person(&state.pg, project.id, &by).await? else {
            return Ok::<_, ExploreError>(None);
        };
        let origins = explore::find_property_origins(&state.pg, &state.ch, project.id, &person).await?;
        Ok(Some((person, origins)))
    };
    let (person, origins) = state.ch.or_away(read).await?.ok_or(Cause::NotFound)?;
    let profile = person.profile.as_ref().ok_or(Cause::NotFound)?;
    let base = format!("/project/{}/persons/{}", project.id, profile.uuid);
    let zone = project.time_zone.rules();
    let can_edit = access.is_at_least(Role::Member);
    let properties = Properties::new(project.id, &zone, &base, &profile.properties, Some(&origins), can_edit, None);
    render(&PropertiesPart { properties })
}

/// `POST /project/{project}/persons/{uuid}/properties`: adds or changes a property.
pub async fn post(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByUuid { uuid }): Path<ByUuid>,
    Form(fields): Form<PropertyFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let uuid: Uuid = uuid.parse().map_err(|_| Cause::NotFound)?;
    let mut form = EditForm::sent(fields);
    let person = find(&state, access.project.id, uuid).await?;
    if let Some((key, value)) = form.read()
        && !form.asks_to_replace(&person.properties, &key, &value)
    {
        match edit(&state, &access, person.id, key, Some(value)).await? {
            EditOutcome::Done => return Ok(to_person(access.project.id, uuid)),
            EditOutcome::NotFound => return Err(Cause::NotFound.into()),
            EditOutcome::TooMany => {
                form.errors.add("key", format!("a person keeps at most {MAX_PERSON_PROPERTIES} properties"));
            }
        }
    }
    form_page(&access, &state, &PersonFound::ByUuid(uuid), &EventsQuery::default(), form).await
}

/// `POST /project/{project}/persons/{uuid}/properties/delete`: deletes a property.
pub async fn delete(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByUuid { uuid }): Path<ByUuid>,
    Form(fields): Form<PropertyFields>,
) -> Result<Response, WebError> {
    access.require(Role::Member)?;
    let uuid: Uuid = uuid.parse().map_err(|_| Cause::NotFound)?;
    let person = find(&state, access.project.id, uuid).await?;
    match edit(&state, &access, person.id, fields.key, None).await? {
        EditOutcome::NotFound => Err(Cause::NotFound.into()),
        EditOutcome::Done | EditOutcome::TooMany => Ok(to_person(access.project.id, uuid)),
    }
}

async fn edit(
    state: &AppState,
    access: &ProjectAccess,
    person: PersonId,
    key: String,
    value: Option<Value>,
) -> Result<EditOutcome, WebError> {
    let (by, now) = (access.user.id, state.clock.now());
    let identity = Identity::new(state.pg.clone());
    Ok(identity.edit_person(&state.ch, access.project.id, person, &[(key, value)], by, now).await?)
}

async fn find(state: &AppState, project: ProjectId, uuid: Uuid) -> Result<PersonRow, WebError> {
    Ok(state.pg.find_person_by_uuid(project, uuid).await?.ok_or(Cause::NotFound)?)
}

fn to_person(project: ProjectId, uuid: Uuid) -> Response {
    Redirect::to(&format!("/project/{project}/persons/{uuid}#properties")).into_response()
}
