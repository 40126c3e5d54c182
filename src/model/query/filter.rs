//! Property filters, alone and in AND/OR groups.

use serde_json::{Value, json};

use super::{InvalidQuery, Reader};

/// Deepest nesting of groups, and most filters: far beyond what a page makes, little enough to plan.
const MAX_DEPTH: usize = 8;
const MAX_FILTERS: usize = 200;
const MAX_VALUES: usize = 10_000;

/// Whose property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PropertyScope {
    /// The event's own.
    Event,
    /// The person's, as it was at the time of the event.
    Person,
}

/// How a property is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Exact,
    IsNot,
    Contains,
    NotContains,
    Regex,
    NotRegex,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    IsSet,
    IsNotSet,
}

/// One condition on a property.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyFilter {
    pub scope: PropertyScope,
    pub key: String,
    pub operator: Operator,
    /// As texts: `true`, `3`. Several mean any of them; [`Operator::IsSet`] and its opposite take none.
    pub values: Vec<String>,
}

/// How conditions are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conjunction {
    #[default]
    And,
    Or,
}

/// Conditions, joined; an empty group holds for every event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PropertyGroup {
    pub conjunction: Conjunction,
    pub filters: Vec<PropertyFilter>,
    pub groups: Vec<PropertyGroup>,
}

impl PropertyScope {
    /// The word in the query API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Person => "person",
        }
    }

    /// Scopes by their words.
    pub const WORDS: &[(&str, Self)] = &[("event", Self::Event), ("person", Self::Person)];
}

impl Operator {
    /// Every operator by its word in the query API, in the order a page lists them.
    pub const WORDS: &[(&str, Self)] = &[
        ("exact", Self::Exact),
        ("is_not", Self::IsNot),
        ("icontains", Self::Contains),
        ("not_icontains", Self::NotContains),
        ("regex", Self::Regex),
        ("not_regex", Self::NotRegex),
        ("gt", Self::Greater),
        ("gte", Self::GreaterOrEqual),
        ("lt", Self::Less),
        ("lte", Self::LessOrEqual),
        ("is_set", Self::IsSet),
        ("is_not_set", Self::IsNotSet),
    ];

    /// The word in the query API.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, o)| *o == self).expect("every operator has its word").0
    }

    /// As a page says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Exact => "is",
            Self::IsNot => "is not",
            Self::Contains => "contains",
            Self::NotContains => "does not contain",
            Self::Regex => "matches regex",
            Self::NotRegex => "does not match regex",
            Self::Greater => ">",
            Self::GreaterOrEqual => "≥",
            Self::Less => "<",
            Self::LessOrEqual => "≤",
            Self::IsSet => "is set",
            Self::IsNotSet => "is not set",
        }
    }

    /// Whether it compares with a value.
    #[must_use]
    pub fn takes_value(self) -> bool {
        !matches!(self, Self::IsSet | Self::IsNotSet)
    }

    /// Whether it compares numbers.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }
}

impl PropertyFilter {
    /// Checks what the operator asks of its values.
    ///
    /// # Errors
    /// If the operator needs a value and there is none, or a number and it is none.
    pub fn check(self, field: &str) -> Result<Self, InvalidQuery> {
        let wrong = |reason: &str| Err(InvalidQuery::new(format!("{field}.value"), reason));
        if self.operator.takes_value() && self.values.is_empty() {
            return wrong("a value to compare with is needed");
        }
        let is_number = |v: &String| v.trim().parse::<f64>().is_ok_and(f64::is_finite);
        if self.operator.is_numeric() && (self.values.len() != 1 || !self.values.iter().all(is_number)) {
            return wrong("one number is needed to compare by size");
        }
        Ok(self)
    }

    fn read(reader: &Reader<'_>) -> Result<Self, InvalidQuery> {
        let key_place = reader.get("key")?;
        let key = key_place.text()?.ok_or_else(|| key_place.wrong("the property's key is needed"))?.to_owned();
        let scope = reader.get("type")?.word(PropertyScope::WORDS)?.unwrap_or(PropertyScope::Event);
        let operator = reader.get("operator")?.word(Operator::WORDS)?.unwrap_or(Operator::Exact);
        let value = reader.get("value")?;
        let values = match value.value() {
            _ if !operator.takes_value() => Vec::new(),
            None => Vec::new(),
            Some(Value::Array(_)) => value.items()?.iter().map(text_of).collect::<Result<_, _>>()?,
            Some(_) => vec![text_of(&value)?],
        };
        if values.len() > MAX_VALUES {
            return Err(value.wrong(format!("at most {MAX_VALUES} values can be compared with")));
        }
        let field = value.wrong("").field;
        Self { scope, key, operator, values }.check(field.trim_end_matches(".value"))
    }

    /// As the query API writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let value: Value = match self.values.as_slice() {
            [] => Value::Null,
            [one] => one.as_str().into(),
            several => several.into(),
        };
        json!({ "key": self.key, "type": self.scope.word(), "operator": self.operator.word(), "value": value })
    }
}

/// A value as the text that is compared: `true`, `3`, `a`.
fn text_of(reader: &Reader<'_>) -> Result<String, InvalidQuery> {
    match reader.value() {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => {
            let text = number.to_string();
            // A property 2.0 reads back as 2.
            Ok(text.strip_suffix(".0").map_or(text.clone(), str::to_owned))
        }
        Some(Value::Bool(flag)) => Ok(flag.to_string()),
        _ => Err(reader.wrong("a text, a number, or true or false is needed here")),
    }
}

impl PropertyGroup {
    /// Conditions that all must hold.
    #[must_use]
    pub fn all(filters: Vec<PropertyFilter>) -> Self {
        Self { conjunction: Conjunction::And, filters, groups: Vec::new() }
    }

    /// Whether it holds for every event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.groups.iter().all(Self::is_empty)
    }

    /// How many conditions it holds, at any depth.
    #[must_use]
    pub fn count(&self) -> usize {
        self.filters.len() + self.groups.iter().map(Self::count).sum::<usize>()
    }

    /// Reads conditions as the query API writes them: a list, or a group.
    ///
    /// # Errors
    /// If they make no sense; the error names the field.
    pub fn from_json(value: &Value) -> Result<Self, InvalidQuery> {
        Self::read(&Reader::new(value))
    }

    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, InvalidQuery> {
        let group = Self::read_at(reader, 0)?;
        if group.count() > MAX_FILTERS {
            return Err(reader.wrong(format!("at most {MAX_FILTERS} filters can be used")));
        }
        Ok(group.simplified())
    }

    fn read_at(reader: &Reader<'_>, depth: usize) -> Result<Self, InvalidQuery> {
        if depth > MAX_DEPTH {
            return Err(reader.wrong("groups of filters are nested too deeply"));
        }
        if matches!(reader.value(), None | Some(Value::Array(_))) {
            return Self::read_items(reader, Conjunction::And, depth);
        }
        let joins = [("AND", Conjunction::And), ("OR", Conjunction::Or)];
        let conjunction = reader.get("type")?.word(&joins)?.unwrap_or_default();
        Self::read_items(&reader.get("values")?, conjunction, depth)
    }

    fn read_items(list: &Reader<'_>, conjunction: Conjunction, depth: usize) -> Result<Self, InvalidQuery> {
        let mut group = Self { conjunction, ..Self::default() };
        for item in list.items()? {
            if item.get("values")?.is_missing() {
                group.filters.push(PropertyFilter::read(&item)?);
            } else {
                group.groups.push(Self::read_at(&item, depth + 1)?);
            }
        }
        Ok(group)
    }

    /// Without groups that hold nothing, and without a group that only wraps another.
    #[must_use]
    pub fn simplified(self) -> Self {
        let groups = self.groups.into_iter().map(Self::simplified).filter(|g| !g.is_empty());
        let mut group = Self { groups: groups.collect(), ..self };
        if group.filters.is_empty() && group.groups.len() == 1 {
            return group.groups.remove(0);
        }
        if group.filters.len() + group.groups.len() < 2 {
            group.conjunction = Conjunction::And;
        }
        group
    }

    /// As the query API writes it: a plain list where all of plain filters must hold.
    pub(super) fn to_json(&self) -> Value {
        let filters = self.filters.iter().map(PropertyFilter::to_json);
        if self.groups.is_empty() && self.conjunction == Conjunction::And {
            return filters.collect();
        }
        let join = if self.conjunction == Conjunction::And { "AND" } else { "OR" };
        let values: Vec<_> = filters.chain(self.groups.iter().map(Self::to_json_group)).collect();
        json!({ "type": join, "values": values })
    }

    fn to_json_group(&self) -> Value {
        match self.to_json() {
            Value::Array(values) => json!({ "type": "AND", "values": values }),
            group => group,
        }
    }
}
