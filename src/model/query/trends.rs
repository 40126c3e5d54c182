//! `TrendsQuery`: how often events happened, or how many people did them, over time.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{DateRange, Interval, InvalidQuery, PropertyGroup, PropertyScope, Reader, Traffic};

/// Most series and breakdown values of one question.
const MAX_SERIES: usize = 26;
const MAX_BREAKDOWN_LIMIT: u32 = 1_000;
const MAX_NAME_CHARS: usize = 400;

/// A trend, as asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendsQuery {
    /// At least one.
    pub series: Vec<Series>,
    pub interval: Interval,
    pub date_range: DateRange,
    /// Holds for every series.
    pub properties: PropertyGroup,
    /// Whose events count. Written as `traffic`, which is ours; without it, humans'.
    pub traffic: Traffic,
    /// Whether visitors without cookies count as unique users: each is another one every day. Written as
    /// `includeCookieless`, which is ours; without it, they do not.
    pub counts_cookieless: bool,
    pub breakdown: Option<Breakdown>,
    pub display: Display,
    /// Whether the period before is asked for too.
    pub is_compared: bool,
}

/// One line of a trend.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The event's name; none means every event.
    pub event: Option<String>,
    /// What a person called the series.
    pub custom_name: Option<String>,
    pub math: Math,
    pub properties: PropertyGroup,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Math {
    /// Events.
    #[default]
    Total,
    /// People, each once per bucket.
    UniqueUsers,
}

/// By which property a series is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakdown {
    pub scope: PropertyScope,
    pub key: String,
    /// How many values are shown apart; the others are one.
    pub limit: u32,
    /// Whether it was written as a list of one, which answers with lists too.
    pub is_list: bool,
}

/// How the answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Display {
    #[default]
    Line,
    /// Bars over time.
    Bar,
    /// One number for the whole range.
    Number,
    /// One number for each value, in a table.
    Table,
    /// One number for each value, as bars.
    BarValue,
}

impl Math {
    /// Every maths by its word in the query API.
    pub const WORDS: &[(&str, Self)] = &[("total", Self::Total), ("dau", Self::UniqueUsers)];

    /// The word in the query API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::UniqueUsers => "dau",
        }
    }

    /// As a page says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Total => "Total count",
            Self::UniqueUsers => "Unique users",
        }
    }
}

impl Display {
    /// Every display by its word in the query API.
    pub const WORDS: &[(&str, Self)] = &[
        ("ActionsLineGraph", Self::Line),
        ("ActionsBar", Self::Bar),
        ("BoldNumber", Self::Number),
        ("ActionsTable", Self::Table),
        ("ActionsBarValue", Self::BarValue),
    ];

    /// The word in the query API.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, d)| *d == self).expect("every display has its word").0
    }

    /// Whether it shows one number for the whole range instead of a point in time.
    #[must_use]
    pub fn is_aggregated(self) -> bool {
        !matches!(self, Self::Line | Self::Bar)
    }
}

impl Breakdown {
    /// How many values are shown apart if nobody says.
    pub const DEFAULT_LIMIT: u32 = 25;

    /// A breakdown with the default limit.
    #[must_use]
    pub fn by(scope: PropertyScope, key: impl Into<String>) -> Self {
        Self { scope, key: key.into(), limit: Self::DEFAULT_LIMIT, is_list: false }
    }
}

impl Series {
    /// A series of one event.
    #[must_use]
    pub fn of(event: &str, math: Math) -> Self {
        Self { event: Some(event.to_owned()), math, ..Self::default() }
    }

    /// What the series is called: by a person, or after its event.
    #[must_use]
    pub fn label(&self) -> &str {
        self.custom_name.as_deref().or(self.event.as_deref()).unwrap_or("All events")
    }

    fn read(reader: &Reader<'_>) -> Result<Self, InvalidQuery> {
        let kind = reader.get("kind")?;
        match kind.text()? {
            Some("EventsNode") | None => {}
            Some(other) => return Err(kind.wrong(format!("{other} cannot be answered yet; EventsNode can"))),
        }
        let math = reader.get("math")?.word(Math::WORDS)?.unwrap_or_default();
        Ok(Self {
            event: name(&reader.get("event")?)?,
            custom_name: name(&reader.get("custom_name")?)?,
            math,
            properties: PropertyGroup::read(&reader.get("properties")?)?,
        })
    }

    /// As the query API writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("kind".to_owned(), "EventsNode".into());
        fields.insert("event".to_owned(), self.event.as_deref().into());
        fields.insert("name".to_owned(), self.event.as_deref().unwrap_or("All events").into());
        fields.extend(self.custom_name.iter().map(|name| ("custom_name".to_owned(), name.as_str().into())));
        fields.insert("math".to_owned(), self.math.word().into());
        if !self.properties.is_empty() {
            fields.insert("properties".to_owned(), self.properties.to_json());
        }
        Value::Object(fields)
    }
}

/// A name that is neither empty nor endless.
fn name(reader: &Reader<'_>) -> Result<Option<String>, InvalidQuery> {
    match reader.text()? {
        Some(text) if text.chars().count() > MAX_NAME_CHARS => {
            Err(reader.wrong(format!("a name has at most {MAX_NAME_CHARS} characters")))
        }
        text => Ok(text.filter(|t| !t.is_empty()).map(str::to_owned)),
    }
}

fn read_breakdown(reader: &Reader<'_>) -> Result<Option<Breakdown>, InvalidQuery> {
    let limit = reader.get("breakdown_limit")?.count(1, MAX_BREAKDOWN_LIMIT)?.unwrap_or(Breakdown::DEFAULT_LIMIT);
    for unknown in ["breakdown_histogram_bin_count", "breakdown_normalize_url", "breakdown_group_type_index"] {
        let place = reader.get(unknown)?;
        if !matches!(place.value(), None | Some(Value::Bool(false))) {
            return Err(place.wrong("this cannot be answered yet"));
        }
    }
    let list_place = reader.get("breakdowns")?;
    let list = list_place.items()?;
    if list.len() > 1 {
        return Err(list_place.wrong("one breakdown can be answered so far, not several"));
    }
    let (key_place, scope_place, is_list) = match list.first() {
        Some(item) => (item.get("property")?, item.get("type")?, true),
        None => (reader.get("breakdown")?, reader.get("breakdown_type")?, false),
    };
    let Some(key) = key_place.text()?.filter(|key| !key.is_empty()) else { return Ok(None) };
    let scope = scope_place.word(PropertyScope::WORDS)?.unwrap_or(PropertyScope::Event);
    Ok(Some(Breakdown { scope, key: key.to_owned(), limit, is_list }))
}

impl TrendsQuery {
    /// A trend of the last seven days by day.
    #[must_use]
    pub fn of(series: Vec<Series>) -> Self {
        Self {
            series,
            interval: Interval::Day,
            date_range: DateRange::last_days(7),
            properties: PropertyGroup::default(),
            traffic: Traffic::OF_INSIGHTS,
            counts_cookieless: false,
            breakdown: None,
            display: Display::Line,
            is_compared: false,
        }
    }

    /// Reads the JSON of the query API, also wrapped in an `InsightVizNode`.
    ///
    /// # Errors
    /// If a field makes no sense or asks for what cannot be answered; the error names it.
    pub fn parse(json: &Value) -> Result<Self, InvalidQuery> {
        let reader = Reader::new(json);
        let kind = reader.get("kind")?;
        match kind.text()? {
            Some("TrendsQuery") => {}
            Some("InsightVizNode") => return Self::parse(json.get("source").unwrap_or(&Value::Null)),
            Some(other) => return Err(kind.wrong(format!("{other} cannot be answered yet; TrendsQuery can"))),
            None => return Err(kind.wrong("the kind of the query is needed")),
        }
        let series_place = reader.get("series")?;
        let series = series_place.items()?;
        if series.is_empty() || series.len() > MAX_SERIES {
            return Err(series_place.wrong(format!("1 to {MAX_SERIES} series are needed")));
        }
        let filter = reader.get("trendsFilter")?;
        for unknown in ["formula", "formulas", "formulaNodes"] {
            let place = filter.get(unknown)?;
            if !place.is_missing() && place.value() != Some(&json!([])) && place.value() != Some(&json!("")) {
                return Err(place.wrong("formulas cannot be answered yet"));
            }
        }
        let compare = reader.get("compareFilter")?;
        if !compare.get("compare_to")?.is_missing() {
            return Err(compare.get("compare_to")?.wrong("only the previous period can be compared with so far"));
        }
        Ok(Self {
            series: series.iter().map(Series::read).collect::<Result<_, _>>()?,
            interval: reader.get("interval")?.word(Interval::WORDS)?.unwrap_or_default(),
            date_range: DateRange::read(&reader.get("dateRange")?)?,
            properties: PropertyGroup::read(&reader.get("properties")?)?,
            traffic: Traffic::read(&reader.get("traffic")?)?,
            counts_cookieless: reader.get("includeCookieless")?.flag()?,
            breakdown: read_breakdown(&reader.get("breakdownFilter")?)?,
            display: filter.get("display")?.word(Display::WORDS)?.unwrap_or_default(),
            is_compared: compare.get("compare")?.flag()?,
        })
    }

    /// As the query API writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut query = json!({
            "kind": "TrendsQuery",
            "series": self.series.iter().map(Series::to_json).collect::<Vec<_>>(),
            "interval": self.interval.word(),
            "dateRange": self.date_range.to_json(),
            "properties": self.properties.to_json(),
            "trendsFilter": { "display": self.display.word() },
        });
        if let Some(breakdown) = &self.breakdown {
            let (key, scope) = (&breakdown.key, breakdown.scope.word());
            let mut filter = if breakdown.is_list {
                json!({ "breakdowns": [{ "property": key, "type": scope }] })
            } else {
                json!({ "breakdown": key, "breakdown_type": scope })
            };
            if breakdown.limit != Breakdown::DEFAULT_LIMIT {
                filter["breakdown_limit"] = breakdown.limit.into();
            }
            query["breakdownFilter"] = filter;
        }
        if self.traffic != Traffic::OF_INSIGHTS {
            query["traffic"] = self.traffic.word().into();
        }
        if self.counts_cookieless {
            query["includeCookieless"] = true.into();
        }
        if self.is_compared {
            query["compareFilter"] = json!({ "compare": true });
        }
        query
    }
}

impl Serialize for TrendsQuery {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(to)
    }
}

impl<'de> Deserialize<'de> for TrendsQuery {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&Value::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
