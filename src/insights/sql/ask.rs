//! A tree to rows.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use crate::insights::definitions::{Definition, Definitions, named, names_in_sql};
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::TimeZoneName;
use crate::model::property_columns::{ColumnKind, find};
use crate::model::query::{InvalidQuery, WeekStart};
use crate::model::value_kinds::{MAX_PROPERTIES, ValueKinds, is_kept_name};
use crate::sql::{Expr, Query, SqlError};
use crate::storage::ch::hogql::{
    ActorsBehind, CompiledQuery, LimitRule, Named, PropertyFacts, PropertyType, QueryScope, SqlRows, compile,
};
use crate::storage::ch::{ChError, Sql, error_code};
use crate::storage::pg::{PgError, PropertyKind, SeenProperty};

/// How many rows an answer holds, unless the question says; and at most.
pub const ROWS: LimitRule = LimitRule { default: 100, most: 50_000 };

/// What a project's words mean: the types of its properties by key, its actions and cohorts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PropertyTypes {
    event: Arc<HashMap<String, PropertyFacts>>,
    person: Arc<HashMap<String, PropertyFacts>>,
    /// Whether events never had a property that is not among them.
    knows_all: bool,
    definitions: Arc<Definitions>,
    /// What a question in the language may name.
    named: Arc<Named>,
    /// Inside which definitions a filter stands.
    within: Vec<Definition>,
}

impl PropertyTypes {
    /// Reads what a question may need of them.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn of(context: QueryContext<'_>, question: &Value) -> Result<Self, PgError> {
        let definitions = Arc::new(Definitions::of(context, question).await?);
        let read = async |kind| {
            let seen = context.pg.list_property_definitions(context.project.id, kind).await?;
            Ok::<_, PgError>(Arc::new(seen.into_iter().map(facts).collect::<HashMap<_, _>>()))
        };
        let (event, person, knows_tails) = tokio::try_join!(
            read(PropertyKind::Event),
            read(PropertyKind::Person),
            context.pg.knows_tails(context.project.id)
        )?;
        let knows_all = knows_tails && event.len() + person.len() < MAX_PROPERTIES;
        let mut types = Self { event, person, knows_all, definitions, named: Arc::default(), within: Vec::new() };
        let mut names = if names_in_sql(question) { named(&types) } else { Named::default() };
        if may_name_groups(question) {
            let types = context.pg.list_group_types(context.project.id).await?;
            let types = types.into_iter().filter_map(|ty| Some((ty.name, usize::try_from(ty.index).ok()?)));
            names.group_types = types.collect();
        }
        types.named = Arc::new(names);
        Ok(types)
    }

    /// When the question is asked, in the project's zone.
    #[must_use]
    pub fn now(&self) -> &Zoned {
        &self.definitions.now
    }

    /// The day that the project's weeks begin with.
    #[must_use]
    pub fn week_start(&self) -> WeekStart {
        self.definitions.week_start
    }

    /// What a question in the language may name.
    #[must_use]
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// The actions and cohorts that a question may name.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The same for what stands in a definition; none if it would stand in itself, or below `most` others.
    #[must_use]
    pub fn inside(&self, definition: Definition, most: usize) -> Option<Self> {
        if self.within.len() >= most || self.within.contains(&definition) {
            return None;
        }
        let mut inside = self.clone();
        inside.within.push(definition);
        Some(inside)
    }

    /// The type of a property of events.
    #[must_use]
    pub fn event(&self, key: &str) -> Option<PropertyType> {
        let is_number = |kind| matches!(kind, ColumnKind::Integer | ColumnKind::Number);
        let of_column = || find(key).filter(|column| is_number(column.kind)).map(|_| PropertyType::Numeric);
        self.event.get(key).and_then(|facts| facts.ty).or_else(of_column)
    }

    /// The same, with what events ever had under it. An event that arrives later, with a value of a new kind, may count as
    /// without it in this answer.
    pub(in crate::insights) fn event_facts(&self, key: &str) -> PropertyFacts {
        let kinds = match self.event.get(key) {
            Some(facts) => facts.kinds,
            None => (self.knows_all && is_kept_name(key)).then_some(ValueKinds::NONE),
        };
        PropertyFacts { ty: self.event(key), kinds }
    }

    /// The type of a property of persons. It is set by events, so what an event says of a key may stand for it.
    #[must_use]
    pub fn person(&self, key: &str) -> Option<PropertyType> {
        self.person.get(key).and_then(|facts| facts.ty)
    }
}

fn facts(seen: SeenProperty) -> (String, PropertyFacts) {
    let ty = match seen.property_type.as_str() {
        "Numeric" => PropertyType::Numeric,
        "Boolean" => PropertyType::Boolean,
        "DateTime" => PropertyType::DateTime,
        "Object" => PropertyType::Object,
        _ => PropertyType::Text,
    };
    (seen.name, PropertyFacts { ty: Some(ty), kinds: seen.tail_kinds })
}

/// Whether a question in the language may name a type of groups, as in `company.properties.size`.
fn may_name_groups(question: &Value) -> bool {
    match question {
        Value::String(text) => {
            let known = ["person.properties", "events.properties"];
            known.iter().fold(text.clone(), |text, known| text.replace(known, "")).contains(".properties")
        }
        Value::Array(items) => items.iter().any(may_name_groups),
        Value::Object(fields) => fields.values().any(may_name_groups),
        _ => false,
    }
}

/// A question in the language, and what its words stand for.
#[derive(Debug)]
pub struct Question<'a> {
    pub query: &'a Query,
    /// What was written, for showing where it is wrong; empty if it was put together here.
    pub text: &'a str,
    /// Where it stands in the request.
    pub field: &'static str,
    /// What `{name}` stands for.
    pub placeholders: HashMap<String, Expr>,
    /// Of people or groups, only these.
    pub behind: Option<ActorsBehind>,
}

impl<'a> Question<'a> {
    /// One that was put together here for a field of the request, about everybody.
    #[must_use]
    pub fn made(query: &'a Query, field: &'static str) -> Self {
        Self { query, text: "", field, placeholders: HashMap::new(), behind: None }
    }
}

/// A question that was answered.
#[derive(Debug)]
pub struct Asked {
    pub compiled: CompiledQuery,
    pub rows: SqlRows,
    /// The question as it was understood.
    pub hogql: String,
    pub has_more: bool,
}

/// A statement for a project, not asked yet.
pub(in crate::insights) fn prepare(
    context: QueryContext<'_>,
    types: &PropertyTypes,
    question: &Question<'_>,
    rule: Option<LimitRule>,
) -> Result<CompiledQuery, InvalidQuery> {
    let event_property = |key: &str| types.event_facts(key);
    let person_type = |key: &str| types.person(key);
    let scope = QueryScope {
        project: context.project.id,
        zone: context.project.time_zone.as_str(),
        week_start: context.settings.week_start,
        event_property: &event_property,
        person_type: &person_type,
        placeholders: &question.placeholders,
        named: types.named(),
        behind: question.behind.as_ref(),
    };
    let said = |error: SqlError| {
        // What was put together here has no text to point into.
        let reason = if question.text.is_empty() { error.message } else { error.describe(question.text) };
        InvalidQuery::new(question.field, reason)
    };
    compile(question.query, &scope, rule).map_err(said)
}

impl Asked {
    /// Compiles a question and asks it.
    ///
    /// # Errors
    /// If the question makes no sense, is refused or takes too much, or ClickHouse does not answer.
    pub async fn ask(
        context: QueryContext<'_>,
        types: &PropertyTypes,
        question: &Question<'_>,
    ) -> Result<Self, InsightError> {
        let compiled = prepare(context, types, question, Some(ROWS))?;
        let rows = context.ch.sql_rows(&compiled.sql).await;
        let mut rows = rows.map_err(|error| match (question.field, error_code(&error)) {
            ("select", Some(NO_PATTERN)) => insight_error(error),
            (field, _) => sql_error(error, field),
        })?;
        let limit = if compiled.has_ties { Some(ROWS.most) } else { compiled.limit };
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let has_more = rows.rows.len() > limit;
        rows.rows.truncate(limit);
        show_times(&mut rows);
        Ok(Self { compiled, rows, hogql: question.query.to_string(), has_more })
    }

    /// What an answer made of rows holds.
    #[must_use]
    pub fn into_answer(self) -> QueryAnswer {
        let types: Vec<_> =
            self.compiled.columns.iter().zip(&self.rows.types).map(|(name, ty)| json!([name, ty])).collect();
        let cost = self.rows.cost;
        let fields = [
            ("results", Value::from(self.rows.rows.into_iter().map(Value::from).collect::<Vec<_>>())),
            ("columns", self.compiled.columns.into()),
            ("types", types.into()),
            ("hogql", self.hogql.into()),
            ("clickhouse", statement(&self.compiled.sql).into()),
            ("hasMore", self.has_more.into()),
            ("limit", self.compiled.limit.into()),
            ("offset", self.compiled.offset.into()),
            ("rows_read", cost.rows_read.into()),
            ("bytes_read", cost.bytes_read.into()),
            ("timings", json!([{ "k": "./clickhouse_execute", "t": cost.elapsed.as_secs_f64() }])),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A statement as people read it: its text, and below it what the parameters were.
pub(in crate::insights) fn statement(sql: &Sql) -> String {
    let params = sql.params().iter().enumerate().map(|(at, value)| {
        let value = serde_json::to_string(value).unwrap_or_default();
        format!("\n-- p{at} = {value}")
    });
    format!("{}\n{}", sql.text(), params.collect::<String>())
}

/// Times come in UTC; they are shown in the zone of their column.
fn show_times(rows: &mut SqlRows) {
    let zones: Vec<Option<TimeZoneName>> = rows.types.iter().map(|ty| zone_of(ty)).collect();
    for (at, zone) in zones.iter().enumerate() {
        let Some(zone) = zone.as_ref().filter(|zone| zone.as_str() != "UTC") else { continue };
        let rules = zone.rules();
        for row in &mut rows.rows {
            if let Some(Value::String(text)) = row.get_mut(at)
                && let Ok(moment) = text.parse::<Timestamp>()
            {
                let there = moment.to_zoned(rules.clone());
                *text = there.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string();
            }
        }
    }
}

/// `DateTime64(6, 'Asia/Tokyo')`, nullable or not.
fn zone_of(ty: &str) -> Option<TimeZoneName> {
    let plain = ty.strip_prefix("Nullable(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(ty);
    if !plain.starts_with("DateTime") {
        return None;
    }
    plain.split('\'').nth(1)?.parse().ok()
}

/// A pattern is no regular expression.
const NO_PATTERN: u32 = 427;

/// Errors that are found before any row is read: they speak of types and names alone.
const ABOUT_THE_QUESTION: &[u32] = &[
    1, 10, 15, 20, 35, 36, 42, 43, 44, 46, 47, 48, 49, 50, 53, 59, 62, 63, 71, 80, 104, 125, 170, 179, 184, 190, 206,
    207, 215, 258, 352, 386, 403, 407, 456, 457,
];

/// Errors that a value caused. What the value was is not told: it may be anybody's.
const ABOUT_A_VALUE: &[u32] =
    &[6, 12, 26, 27, 38, 41, 69, 70, 72, 128, 130, 131, 135, 153, 321, 349, 353, 376, 395, 440, 441, 467, 490];

/// What ClickHouse says of an insight that it does not take: of a pattern that is none, or of anything else.
#[must_use]
pub fn insight_error(error: ChError) -> InsightError {
    let field = if error_code(&error) == Some(NO_PATTERN) { "properties" } else { "query" };
    sql_error(error, field)
}

/// What ClickHouse says of a question that it does not take, for who asked.
#[must_use]
pub fn sql_error(error: ChError, field: &'static str) -> InsightError {
    let code = error_code(&error);
    match code {
        Some(NO_PATTERN) => InvalidQuery::new(field, "a pattern is no regular expression that RE2 knows").into(),
        Some(code) if ABOUT_THE_QUESTION.contains(&code) => {
            let ChError::BadResponse(text) = &error else { return error.into() };
            let said = text.split_once("DB::Exception: ").map_or(text.as_str(), |(_, said)| said);
            let end = [": While ", " In scope ", ": In scope", " In query ", " (version ", ": while "]
                .iter()
                .filter_map(|end| said.find(end));
            let said: String = said[..end.min().unwrap_or(said.len())].chars().take(500).collect();
            let said = said.trim_end_matches('.');
            InvalidQuery::new(field, format!("ClickHouse does not take this: {said}")).into()
        }
        Some(code) if ABOUT_A_VALUE.contains(&code) => {
            let reason = "a value cannot be read or worked with as the question asks; the forms of a function that end in \
                          OrNull pass over such values";
            InvalidQuery::new(field, reason).into()
        }
        _ => error.into(),
    }
}
