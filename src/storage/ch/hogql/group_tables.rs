//! Groups as a table, and the group of each type that an event belongs to.

use super::super::Sql;
use super::compile::QueryScope;
use super::json::{JsonColumn, PropertyFacts, property, whole};
use super::tables::{moment, value};
use super::value::{Ty, Value};

/// What the group of a type is called beside an event.
struct GroupNames {
    key: &'static str,
    created_at: &'static str,
    join: &'static str,
}

macro_rules! group_names {
    ($($index:literal),*) => {
        [$(GroupNames {
            key: concat!("ifNull(events.`$group_", $index, "`, '')"),
            created_at: concat!("if(group_", $index, ".now_key = '', NULL, group_", $index, ".now_created_at)"),
            join: concat!("AS group_", $index, " ON group_", $index, ".now_key = events.`$group_", $index, "`"),
        }),*]
    };
}

const GROUPS: [GroupNames; 5] = group_names!(0, 1, 2, 3, 4);

/// The type that `group_0` names.
pub(super) fn group_index(name: &str) -> Option<usize> {
    (0..GROUPS.len()).find(|index| name.strip_prefix("group_") == Some(["0", "1", "2", "3", "4"][*index]))
}

/// A column of the group of an event.
pub(super) fn group_of_event_column(
    index: usize,
    names: &[&str],
    steps: &[String],
    scope: &QueryScope<'_>,
) -> Option<Value> {
    match names {
        ["key"] => value(GROUPS[index].key, Ty::Text, false),
        ["created_at"] => moment(GROUPS[index].created_at, true),
        ["properties"] => Some(whole(JsonColumn::GroupOfEvent(index))),
        ["properties", ..] => {
            Some(property(JsonColumn::GroupOfEvent(index), &steps[1..], PropertyFacts::default(), scope.zone))
        }
        _ => None,
    }
}

/// ` LEFT JOIN …` for the groups of one type beside events.
pub(super) fn push_group_of_event(sql: &mut Sql, index: usize, scope: &QueryScope<'_>) {
    sql.push(
        " LEFT JOIN (SELECT key AS now_key, created_at AS now_created_at, properties AS now_properties \
         FROM groups FINAL WHERE project_id = ",
    );
    sql.param("UInt32", scope.project).push(" AND type_index = ").number(index as u64);
    sql.push(" AND NOT is_deleted) ").push(GROUPS[index].join);
}

/// A column of the table of groups.
pub(super) fn group_column(names: &[&str], steps: &[String], scope: &QueryScope<'_>) -> Option<Value> {
    if let Some(behind) = scope.behind.filter(|behind| behind.group_index.is_some()) {
        let said = behind.said.filter(|said| names == [said.name]);
        match names {
            ["id" | "actor_id"] => return value("one_group.key", Ty::Text, false),
            ["created_at"] => return moment("one_group.created_at", true),
            _ => {}
        }
        if let Some(said) = said {
            return value("one_group.said", if said.is_list { Ty::List } else { Ty::Whole }, false);
        }
    }
    match names {
        ["index"] => value("one_group.type_index", Ty::Whole, false),
        ["key"] => value("one_group.key", Ty::Text, false),
        ["created_at"] => moment("one_group.created_at", false),
        ["properties"] => Some(whole(JsonColumn::Group)),
        ["properties", ..] => Some(property(JsonColumn::Group, &steps[1..], PropertyFacts::default(), scope.zone)),
        _ => None,
    }
}

/// ` FROM …` of that table. Of groups behind a number also those are in it of which nothing was ever told but their keys.
pub(super) fn print_groups(sql: &mut Sql, scope: &QueryScope<'_>) {
    if let Some((behind, index)) = scope.behind.and_then(|behind| Some((behind, behind.group_index?))) {
        sql.push(" FROM (SELECT toUInt8(").number(index as u64).push(") AS type_index, behind.whole AS key, ");
        sql.push(
            "if(told.told_key = '', NULL, told.told_created_at) AS created_at, told.told_properties AS properties",
        );
        sql.push(if behind.said.is_some() { ", behind.said AS said FROM (" } else { " FROM (" });
        sql.append(&behind.actors)
            .push(") AS behind LEFT JOIN (SELECT key AS told_key, created_at AS told_created_at, ");
        sql.push("properties AS told_properties FROM groups FINAL WHERE project_id = ").param("UInt32", scope.project);
        sql.push(" AND type_index = ").number(index as u64).push(" AND NOT is_deleted) AS told ");
        sql.push("ON told.told_key = behind.whole) AS one_group");
        return;
    }
    sql.push(" FROM (SELECT type_index, key, created_at, properties FROM groups FINAL WHERE project_id = ");
    sql.param("UInt32", scope.project).push(" AND NOT is_deleted) AS one_group");
}
