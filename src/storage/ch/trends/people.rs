//! Who is behind a number of a trend.

use super::rows::{firsts, name_of};
use super::{TrendCount, TrendQuestion};
use crate::model::ProjectId;
use crate::storage::ch::Sql;
use crate::storage::ch::merges::after_merges;

/// Which of the values that events are split by are meant. Values are as [`TrendPoint::names`](super::TrendPoint) has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuesAre {
    These(Vec<String>),
    /// None of these: what is shown as "other".
    NoneOf(Vec<Vec<String>>),
}

/// Those who are behind a number, as `whole`, and of how many events, as `said`. The events are those of the range, whatever
/// the series counts, with `actor`; only [`TrendCount::First`] needs what it always does.
#[must_use]
pub fn trend_people_sql(project: ProjectId, question: TrendQuestion<'_>, values: Option<&ValuesAre>) -> Sql {
    if question.count == TrendCount::First {
        let mut sql = Sql::new("SELECT whole, toUInt64(1) AS said FROM (\n");
        sql.append(&firsts(project, TrendQuestion { is_aggregated: true, ..question })).push("\n)");
        if let Some(values) = values {
            sql.push("\nWHERE ");
            push_values(&mut sql, values);
        }
        return sql;
    }
    let mut found = Sql::new("SELECT actor\nFROM (\nSELECT actor");
    if let Some(split) = question.split {
        found.push(", ").append(&name_of(split)).push(" AS name");
    }
    found.push(" FROM (").append(question.events).push(")\n)");
    if let (Some(_), Some(values)) = (question.split, values) {
        found.push("\nWHERE ");
        push_values(&mut found, values);
    }
    let mut sql = Sql::new("SELECT whole, count() AS said\nFROM (\n");
    sql.append(&after_merges(project, question.counted, "1 AS one", &found)).push("\n)\nGROUP BY whole");
    sql
}

/// The condition that a `name` is among them. Many do not fit where parameters travel.
pub(super) fn push_values(sql: &mut Sql, values: &ValuesAre) {
    let push_one = |sql: &mut Sql, names: &[String]| match names {
        [name] => {
            sql.push("name = ").text_literal(name);
        }
        names => {
            sql.push("name = [");
            for (at, name) in names.iter().enumerate() {
                sql.push(if at > 0 { ", " } else { "" }).text_literal(name);
            }
            sql.push("]");
        }
    };
    match values {
        ValuesAre::These(names) => push_one(sql, names),
        ValuesAre::NoneOf(all) if !all.is_empty() && all.iter().all(|names| names.len() == 1) => {
            sql.push("name NOT IN ").texts(all.iter().flatten().map(String::as_str));
        }
        ValuesAre::NoneOf(all) => {
            sql.push("NOT (false");
            for names in all {
                sql.push(" OR ");
                push_one(sql, names);
            }
            sql.push(")");
        }
    }
}
