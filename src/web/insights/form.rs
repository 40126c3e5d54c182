//! The editor's form: a trend as readable parameters of the address, row by row, and back.
//!
//! Rows are parallel lists: the n-th `event`, `math` and `name` are one series, the n-th `filter_…` one filter. A row that
//! is not filled in yet is shown again and left out of the question.

use serde_json::{Map, Value, json};

use crate::model::query::{
    Breakdown, Display, InvalidQuery, Math, Operator, PropertyFilter, PropertyGroup, PropertyScope, Series, Traffic,
    TrendsQuery,
};

/// What the form holds, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditorForm {
    pub series: Vec<SeriesRow>,
    pub filters: Vec<FilterRow>,
    /// Whether one of the filters is enough.
    pub match_any: bool,
    /// Filters that rows cannot show, as JSON of the query API: groups inside groups.
    pub kept_filters: String,
    pub breakdown_type: String,
    pub breakdown: String,
    pub breakdown_limit: String,
    /// `-7d`, or two dates with `..` between.
    pub date: String,
    pub interval: String,
    pub display: String,
    /// Whose events.
    pub traffic: String,
    pub compare: bool,
    /// Whether visitors without cookies count as unique users.
    pub cookieless: bool,
}

/// A series as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesRow {
    pub event: String,
    pub math: String,
    pub name: String,
}

/// A filter as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterRow {
    /// The number of the series it belongs to; empty for all.
    pub on: String,
    pub scope: String,
    pub key: String,
    pub operator: String,
    pub value: String,
}

/// Displays by the words of the form.
pub const DISPLAYS: &[(&str, &str, Display)] = &[
    ("line", "Line", Display::Line),
    ("bar", "Bars", Display::Bar),
    ("values", "Ranking", Display::BarValue),
    ("number", "Number", Display::Number),
    ("table", "Table", Display::Table),
];

/// Date ranges by their words.
pub const DATES: &[(&str, &str)] = &[
    ("-24h", "Last 24 hours"),
    ("dStart", "Today"),
    ("-1dStart..-1dEnd", "Yesterday"),
    ("-7d", "Last 7 days"),
    ("-14d", "Last 14 days"),
    ("-30d", "Last 30 days"),
    ("-90d", "Last 90 days"),
    ("-180d", "Last 180 days"),
    ("mStart", "This month"),
    ("-1mStart..-1mEnd", "Previous month"),
    ("yStart", "This year"),
    ("all", "All time"),
];

const MAX_ROWS: usize = 60;

impl EditorForm {
    /// Reads the parameters of an address, if they hold a question at all.
    pub fn read(query_string: &str) -> Option<Self> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query_string).unwrap_or_default();
        let has_question = pairs.iter().any(|(name, _)| matches!(name.as_str(), "event" | "add" | "remove"));
        if !has_question {
            return None;
        }
        let all = |wanted: &str| -> Vec<String> {
            let values = pairs.iter().filter(|(name, _)| name == wanted).take(MAX_ROWS);
            values.map(|(_, value)| value.trim().to_owned()).collect()
        };
        let one = |wanted: &str| all(wanted).pop().unwrap_or_default();
        let (maths, names) = (all("math"), all("name"));
        let at = |list: &[String], at: usize| list.get(at).cloned().unwrap_or_default();
        let series = all("event").into_iter().enumerate();
        let series = series.map(|(n, event)| SeriesRow { event, math: at(&maths, n), name: at(&names, n) });
        let (ons, scopes) = (all("filter_on"), all("filter_type"));
        let (operators, values) = (all("filter_op"), all("filter_value"));
        let filters = all("filter_key").into_iter().enumerate().map(|(n, key)| FilterRow {
            on: at(&ons, n),
            scope: at(&scopes, n),
            key,
            operator: at(&operators, n),
            value: at(&values, n),
        });
        let (from, to) = (one("from"), one("to"));
        let date = match one("date").as_str() {
            "custom" if !from.is_empty() && !to.is_empty() => format!("{from}..{to}"),
            "custom" => from,
            date => date.to_owned(),
        };
        let mut form = Self {
            series: series.collect(),
            filters: filters.collect(),
            match_any: one("match") == "any",
            kept_filters: one("properties"),
            breakdown_type: one("breakdown_type"),
            breakdown: one("breakdown"),
            breakdown_limit: one("breakdown_limit"),
            date,
            interval: one("interval"),
            display: one("display"),
            traffic: one("traffic"),
            compare: !one("compare").is_empty(),
            cookieless: !one("cookieless").is_empty(),
        };
        form.change(&one("add"), &one("remove"));
        form.tidy();
        Some(form)
    }

    /// Adds or takes away a row, as a button asked.
    fn change(&mut self, add: &str, remove: &str) {
        match add.split_once('-') {
            _ if add == "series" => self.series.push(SeriesRow::default()),
            _ if add == "filter" => self.filters.push(FilterRow::default()),
            Some(("filter", on)) => self.filters.push(FilterRow { on: on.to_owned(), ..FilterRow::default() }),
            _ => {}
        }
        match remove.split_once('-').map(|(what, at)| (what, at.parse::<usize>())) {
            Some(("series", Ok(at))) if at < self.series.len() => {
                self.series.remove(at);
                self.filters.retain(|filter| filter.on != at.to_string());
                for filter in &mut self.filters {
                    if let Some(on) = filter.on.parse::<usize>().ok().filter(|on| *on > at) {
                        filter.on = (on - 1).to_string();
                    }
                }
            }
            Some(("filter", Ok(at))) if at < self.filters.len() => drop(self.filters.remove(at)),
            _ if remove == "breakdown" => self.breakdown.clear(),
            _ if remove == "kept" => self.kept_filters.clear(),
            _ => {}
        }
    }

    fn tidy(&mut self) {
        if self.series.is_empty() {
            self.series.push(SeriesRow::default());
        }
        let series = self.series.len();
        for filter in &mut self.filters {
            if filter.on.parse::<usize>().is_ok_and(|on| on >= series) {
                filter.on.clear();
            }
        }
        for (field, default) in [(&mut self.date, "-7d"), (&mut self.interval, "day"), (&mut self.display, "line")] {
            if field.is_empty() {
                default.clone_into(field);
            }
        }
        if self.traffic.is_empty() {
            Traffic::OF_INSIGHTS.word().clone_into(&mut self.traffic);
        }
        for row in &mut self.series {
            if row.math.is_empty() {
                Math::Total.word().clone_into(&mut row.math);
            }
        }
        for row in &mut self.filters {
            if row.operator.is_empty() {
                Operator::Exact.word().clone_into(&mut row.operator);
            }
        }
    }

    /// The form that asks this.
    pub fn of(query: &TrendsQuery) -> Self {
        let mut form = Self {
            match_any: query.properties.conjunction == crate::model::query::Conjunction::Or,
            interval: query.interval.word().to_owned(),
            display: display_word(query.display).to_owned(),
            traffic: query.traffic.word().to_owned(),
            compare: query.is_compared,
            cookieless: query.counts_cookieless,
            ..Self::default()
        };
        if query.properties.groups.is_empty() {
            form.filters.extend(query.properties.filters.iter().map(|filter| FilterRow::of(String::new(), filter)));
        } else {
            form.match_any = false;
            form.kept_filters = query.to_json()["properties"].to_string();
        }
        for (at, series) in query.series.iter().enumerate() {
            form.series.push(SeriesRow {
                event: series.event.clone().unwrap_or_default(),
                math: series.math.word().to_owned(),
                name: series.custom_name.clone().unwrap_or_default(),
            });
            form.filters.extend(flat(&series.properties).map(|filter| FilterRow::of(at.to_string(), filter)));
        }
        if let Some(breakdown) = &query.breakdown {
            breakdown.scope.word().clone_into(&mut form.breakdown_type);
            breakdown.key.clone_into(&mut form.breakdown);
            if breakdown.limit != Breakdown::DEFAULT_LIMIT {
                form.breakdown_limit = breakdown.limit.to_string();
            }
        }
        let range = &query.date_range;
        form.date = match (&range.from, &range.to) {
            (from, Some(to)) => format!("{}..{to}", from.as_ref().map_or("-7d".to_owned(), ToString::to_string)),
            (Some(from), None) => from.to_string(),
            (None, None) => String::new(),
        };
        form.tidy();
        form
    }

    /// The question the form asks.
    ///
    /// # Errors
    /// If a field makes no sense.
    pub fn to_query(&self) -> Result<TrendsQuery, InvalidQuery> {
        let series: Vec<Value> = self
            .series
            .iter()
            .enumerate()
            .map(|(at, row)| {
                json!({
                    "event": none_if_empty(&row.event),
                    "custom_name": none_if_empty(&row.name),
                    "math": row.math,
                    "properties": self.filters_json(&at.to_string()),
                })
            })
            .collect();
        let (from, to) = self.bounds();
        let display = DISPLAYS.iter().find(|(word, ..)| *word == self.display);
        let (_, _, display) = display.ok_or_else(|| InvalidQuery::new("display", "there is no such display"))?;
        let rows = self.filters_json("");
        let mut properties = match self.match_any {
            true => json!({ "type": "OR", "values": rows }),
            false => json!({ "type": "AND", "values": rows }),
        };
        if !self.kept_filters.is_empty() {
            let kept: Value = serde_json::from_str(&self.kept_filters)
                .map_err(|_| InvalidQuery::new("properties", "these filters are no JSON"))?;
            properties = json!({ "type": "AND", "values": [properties, kept] });
        }
        let mut breakdown = Map::new();
        if !self.breakdown.is_empty() {
            breakdown.insert("breakdown".to_owned(), self.breakdown.as_str().into());
            breakdown.insert("breakdown_type".to_owned(), none_if_empty(&self.breakdown_type));
            if let Ok(limit) = self.breakdown_limit.parse::<u32>() {
                breakdown.insert("breakdown_limit".to_owned(), limit.into());
            }
        }
        TrendsQuery::parse(&json!({
            "kind": "TrendsQuery",
            "series": series,
            "interval": self.interval,
            "dateRange": { "date_from": from, "date_to": to },
            "properties": properties,
            "traffic": self.traffic,
            "breakdownFilter": breakdown,
            "trendsFilter": { "display": display.word() },
            "compareFilter": { "compare": self.compare },
            "includeCookieless": self.cookieless,
        }))
    }

    /// The start and the end of the date range as written.
    pub fn bounds(&self) -> (&str, Option<&str>) {
        match self.date.split_once("..") {
            Some((from, to)) => (from, Some(to)),
            None => (&self.date, None),
        }
    }

    /// Whether the date range is none of the usual ones.
    pub fn is_custom_date(&self) -> bool {
        DATES.iter().all(|(word, _)| *word != self.date)
    }

    fn filters_json(&self, on: &str) -> Vec<Value> {
        self.filters.iter().filter(|row| row.on == on && row.is_complete()).map(FilterRow::to_json).collect()
    }

    /// The parameters of an address that asks the same, without what goes without saying.
    pub fn query_string(&self) -> String {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        let has_names = self.series.iter().any(|row| !row.name.is_empty());
        for row in &self.series {
            pairs.extend([("event", row.event.as_str()), ("math", row.math.as_str())]);
            if has_names {
                pairs.push(("name", &row.name));
            }
        }
        let has_ons = self.filters.iter().any(|row| !row.on.is_empty());
        for row in &self.filters {
            if has_ons {
                pairs.push(("filter_on", &row.on));
            }
            pairs.extend([
                ("filter_type", row.scope.as_str()),
                ("filter_key", row.key.as_str()),
                ("filter_op", row.operator.as_str()),
                ("filter_value", row.value.as_str()),
            ]);
        }
        if self.match_any {
            pairs.push(("match", "any"));
        }
        if !self.breakdown.is_empty() {
            pairs.extend([("breakdown_type", self.breakdown_type.as_str()), ("breakdown", self.breakdown.as_str())]);
            pairs.push(("breakdown_limit", &self.breakdown_limit));
        }
        pairs.extend([("date", self.date.as_str()), ("interval", &self.interval), ("display", &self.display)]);
        if self.traffic != Traffic::OF_INSIGHTS.word() {
            pairs.push(("traffic", &self.traffic));
        }
        if self.compare {
            pairs.push(("compare", "1"));
        }
        if self.cookieless {
            pairs.push(("cookieless", "1"));
        }
        pairs.push(("properties", &self.kept_filters));
        pairs.retain(|(name, value)| !value.is_empty() || !matches!(*name, "breakdown_limit" | "properties"));
        serde_urlencoded::to_string(pairs).unwrap_or_default()
    }
}

fn none_if_empty(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// The filters of a series; groups inside are rare enough to be joined flatly.
fn flat(group: &PropertyGroup) -> impl Iterator<Item = &PropertyFilter> {
    group.filters.iter().chain(group.groups.iter().flat_map(|g| g.filters.iter()))
}

fn display_word(display: Display) -> &'static str {
    DISPLAYS.iter().find(|(_, _, d)| *d == display).expect("every display has its word").0
}

impl FilterRow {
    fn of(on: String, filter: &PropertyFilter) -> Self {
        let value = match filter.values.as_slice() {
            [] => String::new(),
            // A text that looks like a list is written as a list of one, so that it reads back as itself.
            [one] if list_of(one).is_none() => one.clone(),
            several => json!(several).to_string(),
        };
        let scope = if filter.scope == PropertyScope::Event { "" } else { filter.scope.word() };
        Self {
            on,
            scope: scope.to_owned(),
            key: filter.key.clone(),
            operator: filter.operator.word().to_owned(),
            value,
        }
    }

    /// Whether it says enough to be part of the question.
    fn is_complete(&self) -> bool {
        let takes_value = !matches!(self.operator.as_str(), "is_set" | "is_not_set");
        !(self.key.is_empty() || takes_value && self.value.is_empty())
    }

    fn to_json(&self) -> Value {
        let value = list_of(&self.value).map_or_else(|| self.value.as_str().into(), Value::from);
        json!({ "key": self.key, "type": none_if_empty(&self.scope), "operator": self.operator, "value": value })
    }
}

/// Several values, written as a JSON list of texts.
fn list_of(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok().filter(|list: &Vec<String>| !list.is_empty())
}

/// The letter of a series: A, B, C.
pub fn letter(at: usize) -> char {
    char::from(b'A' + u8::try_from(at % 26).unwrap_or(0))
}

/// A trend of pageviews, which a new insight starts with.
pub fn first_question() -> TrendsQuery {
    TrendsQuery::of(vec![Series::of("$pageview", Math::Total)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(query: &str) -> EditorForm {
        EditorForm::read(query).expect("a question")
    }

    #[test]
    fn an_address_reads_as_a_question_and_comes_back() {
        let address = "event=%24pageview&math=dau&name=Visitors&event=&math=total&name=&filter_on=&filter_type=person\
                       &filter_key=plan&filter_op=exact&filter_value=%5B%22a%22%2C%22b%22%5D&filter_on=1&filter_type=\
                       &filter_key=price&filter_op=gt&filter_value=10&match=any&breakdown_type=event\
                       &breakdown=%24browser&date=-30d&interval=week&display=bar&traffic=all&compare=1";
        let form = form(address);
        assert_eq!(form.query_string(), address);
        let query = form.to_query().expect("it makes sense");
        assert_eq!(query.series[0].math, Math::UniqueUsers);
        assert_eq!(query.series[1].event, None);
        assert_eq!(query.traffic, Traffic::All);
        assert_eq!(query.series[1].properties.filters[0].key, "price");
        assert_eq!(query.properties.filters[0].values, ["a", "b"]);
        let again = EditorForm::of(&query);
        assert_eq!(again.to_query(), Ok(query));
    }

    #[test]
    fn rows_that_are_not_filled_in_stay_and_do_not_count() {
        let form = form("event=a&math=total&filter_key=&filter_op=exact&filter_value=&add=filter-0&remove=series-9");
        assert_eq!(form.filters.len(), 2);
        assert_eq!(form.filters[1].on, "0");
        assert!(form.to_query().expect("it makes sense").properties.is_empty());
        let fewer = EditorForm::read("event=a&event=b&filter_on=1&filter_key=k&filter_value=v&remove=series-0");
        assert_eq!(fewer.map(|f| (f.series.len(), f.filters[0].on.clone())), Some((1, "0".to_owned())));
        assert_eq!(EditorForm::read("page=2"), None);
    }

    #[test]
    fn nested_groups_and_lookalikes_are_kept() {
        let query = TrendsQuery::parse(&json!({
            "kind": "TrendsQuery",
            "series": [{ "event": "a" }],
            "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-31" },
            "properties": { "type": "AND", "values": [
                { "key": "x", "value": "[\"y\"]" },
                { "type": "OR", "values": [{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }] },
            ] },
        }))
        .expect("a query");
        let form = EditorForm::of(&query);
        assert_eq!(form.date, "2026-10-01..2026-10-31");
        assert_eq!(EditorForm::read(&form.query_string()).expect("a question").to_query(), Ok(query));
        let lookalike = PropertyFilter {
            scope: PropertyScope::Event,
            key: "k".to_owned(),
            operator: Operator::Exact,
            values: vec![r#"["y"]"#.to_owned()],
        };
        assert_eq!(list_of(&FilterRow::of(String::new(), &lookalike).value), Some(lookalike.values));
    }
}
