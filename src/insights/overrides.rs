//! What a dashboard lays over the questions on it: `filters_override` and `variables_override` of a request.
//!
//! As the peers lay it: dates stand in place of a question's own, both of them; filters are added to its own; a breakdown stands
//! in place of its own where the kind has one; a variable gets its value where the question has it. The question that is
//! answered is the one that comes out here.

use serde_json::{Map, Value, json};

use crate::model::query::{InvalidQuery, Reader};

/// Deepest wrapping of one query in another.
const MAX_WRAPPERS: usize = 4;
const FILTERS: [&str; 5] = ["date_from", "date_to", "explicitDate", "properties", "breakdown_filter"];
const WITH_BREAKDOWN: [&str; 3] = ["TrendsQuery", "FunnelsQuery", "RetentionQuery"];
const LISTS: [&str; 1] = ["EventsQuery"];

/// What is laid over a question.
#[derive(Debug, Default)]
struct Overrides {
    dates: Option<Map<String, Value>>,
    properties: Option<Value>,
    breakdown: Option<Value>,
    variables: Map<String, Value>,
}

/// A question with what is laid over it.
///
/// # Errors
/// If what is laid over makes no sense, or asks for more than can be laid over; the error names the field.
pub fn with_overrides(query: &Value, filters: &Value, variables: &Value) -> Result<Value, InvalidQuery> {
    let overrides = Overrides::read(filters, variables)?;
    let mut query = query.clone();
    overrides.lay_over(&mut query, MAX_WRAPPERS);
    Ok(query)
}

impl Overrides {
    fn read(filters: &Value, variables: &Value) -> Result<Self, InvalidQuery> {
        let body = json!({ "filters_override": filters, "variables_override": variables });
        let body = Reader::new(&body);
        let place = body.get("filters_override")?;
        let mut read = Self::default();
        if let Some(fields) = place.value() {
            // Refuses what is no object.
            let _ = place.get("date_from")?;
            for (name, _) in fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                if !FILTERS.contains(&name.as_str()) {
                    return Err(place.get(name)?.wrong("this cannot be laid over a query; change the query itself"));
                }
            }
        }
        let said = |name: &str| Ok::<_, InvalidQuery>(place.get(name)?.text()?.filter(|text| !text.is_empty()));
        let (from, to) = (said("date_from")?, said("date_to")?);
        if from.is_some() || to.is_some() {
            let mut dates = Map::new();
            dates.insert("date_from".to_owned(), from.into());
            dates.insert("date_to".to_owned(), to.into());
            dates.insert("explicitDate".to_owned(), place.get("explicitDate")?.flag()?.into());
            read.dates = Some(dates);
        }
        let properties = place.get("properties")?;
        let is_empty = match properties.value() {
            None => true,
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(group)) => group.get("values").is_none_or(|values| values == &json!([])),
            Some(_) => return Err(properties.wrong("a list of filters is needed here")),
        };
        read.properties = properties.value().filter(|_| !is_empty).cloned();
        let breakdown = place.get("breakdown_filter")?;
        let _ = breakdown.get("breakdown")?;
        read.breakdown =
            breakdown.value().filter(|value| value.as_object().is_some_and(|all| !all.is_empty())).cloned();
        let place = body.get("variables_override")?;
        match place.value() {
            None => {}
            Some(Value::Object(variables)) => read.variables = variables.clone(),
            Some(_) => return Err(place.wrong("an object is needed here")),
        }
        Ok(read)
    }

    fn lay_over(&self, query: &mut Value, depth: usize) {
        let Some(fields) = query.as_object_mut() else { return };
        let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        // What wraps a query, and what asks for the people behind one, has none of this itself.
        let is_around = fields.get("source").is_some_and(Value::is_object) && !LISTS.contains(&kind.as_str());
        if is_around {
            if let (Some(source), Some(depth)) = (fields.get_mut("source"), depth.checked_sub(1)) {
                self.lay_over(source, depth);
            }
            return;
        }
        match kind.as_str() {
            "HogQLQuery" => {
                self.set_variables(fields);
                let filters = fields.entry("filters").or_insert(Value::Null);
                if filters.is_null() {
                    *filters = json!({});
                }
                if let Some(filters) = filters.as_object_mut() {
                    self.set_dates(filters);
                    self.add_properties(filters);
                }
            }
            "EventsQuery" | "SessionsQuery" => {
                if let Some(dates) = &self.dates {
                    fields.insert("after".to_owned(), dates["date_from"].clone());
                    fields.insert("before".to_owned(), dates["date_to"].clone());
                }
                self.add_properties(fields);
            }
            // People have no dates.
            "ActorsQuery" => {}
            _ => {
                self.set_dates(fields);
                self.add_properties(fields);
                if let (Some(breakdown), true) = (&self.breakdown, WITH_BREAKDOWN.contains(&kind.as_str())) {
                    fields.insert("breakdownFilter".to_owned(), breakdown.clone());
                }
                // Nothing comes before all.
                let is_all = self.dates.as_ref().is_some_and(|dates| dates["date_from"] == "all");
                if let Some(compare) = fields.get_mut("compareFilter").filter(|compare| is_all && compare.is_object()) {
                    compare["compare"] = false.into();
                }
            }
        }
    }

    /// Dates are one: of a question's own neither stays. What else its range says does.
    fn set_dates(&self, fields: &mut Map<String, Value>) {
        let Some(dates) = &self.dates else { return };
        let range = fields.entry("dateRange").or_insert(Value::Null);
        if range.is_null() {
            *range = json!({});
        }
        if let Some(range) = range.as_object_mut() {
            range.extend(dates.clone());
        }
    }

    fn add_properties(&self, fields: &mut Map<String, Value>) {
        let Some(added) = &self.properties else { return };
        let own = fields.get("properties").cloned().unwrap_or_default();
        let both = match (own, added) {
            (Value::Array(mut own), Value::Array(added)) => {
                own.extend(added.clone());
                own.into()
            }
            (Value::Null, added) => added.clone(),
            (own, added) => {
                let group = |value: Value| match value {
                    Value::Array(values) => json!({ "type": "AND", "values": values }),
                    group => group,
                };
                json!({ "type": "AND", "values": [group(own), group(added.clone())] })
            }
        };
        fields.insert("properties".to_owned(), both);
    }

    /// Only those that the question has: a dashboard has those of all its questions.
    fn set_variables(&self, fields: &mut Map<String, Value>) {
        let Some(own) = fields.get_mut("variables").and_then(Value::as_object_mut) else { return };
        for (id, variable) in own.iter_mut() {
            if let (Some(over), Some(variable)) = (self.variables.get(id), variable.as_object_mut()) {
                variable.insert("value".to_owned(), over.get("value").cloned().unwrap_or_default());
                variable.insert("isNull".to_owned(), over.get("isNull").cloned().unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(query: Value, filters: Value) -> Value {
        with_overrides(&query, &filters, &Value::Null).expect("it makes sense")
    }

    #[test]
    fn dates_stand_in_place_of_both_and_filters_are_added() {
        let filters =
            json!({ "date_from": "-7d", "properties": [{ "key": "b" }], "breakdown_filter": { "breakdown": "x" } });
        let query = json!({ "kind": "InsightVizNode", "source": { "kind": "TrendsQuery", "properties": [{ "key": "a" }],
            "dateRange": { "date_from": "2026-01-01", "date_to": "2026-02-01", "daysOfWeek": [1] },
            "breakdownFilter": { "breakdown": "y", "breakdown_limit": 3 } } });
        let expected = json!({ "kind": "InsightVizNode", "source": { "kind": "TrendsQuery",
            "properties": [{ "key": "a" }, { "key": "b" }],
            "dateRange": { "date_from": "-7d", "date_to": null, "explicitDate": false, "daysOfWeek": [1] },
            "breakdownFilter": { "breakdown": "x" } } });
        assert_eq!(laid(query, filters.clone()), expected);
        let group = json!({ "type": "OR", "values": [{ "key": "a" }] });
        let query = json!({ "kind": "LifecycleQuery", "properties": group, "compareFilter": { "compare": true } });
        let found = laid(query, json!({ "date_from": "all", "properties": filters["properties"] }));
        assert_eq!(
            found["properties"],
            json!({ "type": "AND", "values": [group, { "type": "AND", "values": [{ "key": "b" }] }] })
        );
        assert_eq!((&found["compareFilter"]["compare"], &found["breakdownFilter"]), (&json!(false), &Value::Null));
        let found = laid(json!({ "kind": "HogQLQuery" }), filters.clone());
        assert_eq!(
            (&found["filters"]["dateRange"]["date_from"], &found["filters"]["properties"]),
            (&json!("-7d"), &json!([{ "key": "b" }]))
        );
        let found = laid(json!({ "kind": "EventsQuery", "before": "2026-01-01", "source": {} }), filters.clone());
        assert_eq!((&found["after"], &found["before"]), (&json!("-7d"), &Value::Null));
        let people = json!({ "kind": "ActorsQuery", "source": { "kind": "InsightActorsQuery", "source": { "kind": "TrendsQuery" } } });
        let found = laid(people, filters);
        assert_eq!(
            (&found["properties"], &found["source"]["source"]["properties"]),
            (&Value::Null, &json!([{ "key": "b" }]))
        );
        let plain = json!({ "kind": "TrendsQuery", "dateRange": { "date_from": "-1d" } });
        for nothing in
            [json!(null), json!({}), json!({ "date_from": null, "properties": [], "breakdown_filter": {}, "x": null })]
        {
            assert_eq!(laid(plain.clone(), nothing), plain);
        }
    }

    #[test]
    fn a_variable_gets_its_value_where_the_question_has_it() {
        let query = json!({ "kind": "HogQLQuery", "variables": { "1": { "code_name": "a", "value": 1 }, "2": { "code_name": "b", "value": 2 } } });
        let over = json!({ "1": { "code_name": "other", "value": 7 }, "3": { "code_name": "c", "value": 9 } });
        let found = with_overrides(&query, &Value::Null, &over).expect("it makes sense");
        let expected =
            json!({ "1": { "code_name": "a", "value": 7, "isNull": null }, "2": { "code_name": "b", "value": 2 } });
        assert_eq!(found["variables"], expected);
    }

    #[test]
    fn what_cannot_be_laid_over_is_refused_by_name() {
        let field = |filters: Value, variables: Value| {
            with_overrides(&json!({}), &filters, &variables).map(|_| ()).map_err(|error| error.field)
        };
        for (filters, named) in [
            (json!(7), "filters_override"),
            (json!({ "interval": "day" }), "filters_override.interval"),
            (json!({ "date_from": 7 }), "filters_override.date_from"),
            (json!({ "properties": 7 }), "filters_override.properties"),
            (json!({ "breakdown_filter": [] }), "filters_override.breakdown_filter"),
        ] {
            assert_eq!(field(filters, Value::Null), Err(named.to_owned()));
        }
        assert_eq!(field(Value::Null, json!([])), Err("variables_override".to_owned()));
    }
}
