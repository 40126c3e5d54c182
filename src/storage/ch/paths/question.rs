//! What paths are asked for, and what items are called.

use super::super::{Counted, Sql};

/// Where paths begin and end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathEnds {
    pub start: Option<String>,
    pub end: Option<String>,
}

/// What items are made alike by, before they are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathNames {
    /// Regular expressions and what takes their places, in this order.
    pub replacements: Vec<(String, String)>,
    /// Regular expressions of items, and what those are called instead; the first that fits.
    pub groups: Vec<(String, String)>,
    /// Items that do not count, called as they are then.
    pub excluded: Vec<String>,
}

/// What paths are made of.
#[derive(Debug, Clone, Copy)]
pub struct PathsQuestion<'a> {
    pub counted: Counted,
    pub ends: &'a PathEnds,
    pub names: &'a PathNames,
    /// Most steps of a path.
    pub steps: u32,
    /// Events as `actor`, `at` and `item`; an item that is null or empty is passed over.
    pub events: &'a Sql,
    /// Whose paths, and from when to when, as [`spans_sql`](super::spans_sql) writes it; none if everybody's.
    pub around: Option<&'a Sql>,
}

/// Which edges an answer shows.
#[derive(Debug, Clone, Copy)]
pub struct EdgesShown {
    pub most: u32,
    pub least_value: Option<u32>,
    pub most_value: Option<u32>,
}

/// Whose paths are asked for; with nothing said everybody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathKeys {
    /// Who went on from this step and item.
    pub from: Option<(u32, String)>,
    /// Who came to this; with the other, from there.
    pub to: Option<(u32, String)>,
    /// Whose path ends with this.
    pub dropoff: Option<(u32, String)>,
}

/// Events with their items as they are called: `actor`, `at`, `item`.
pub(super) fn items(question: PathsQuestion<'_>) -> Sql {
    let PathNames { replacements, groups, excluded } = question.names;
    let mut sql = Sql::new("SELECT actor, at, ifNull(toString(item), '') AS item FROM (");
    sql.append(question.events).push(")");
    for (pattern, alias) in replacements {
        let mut outer = Sql::new("SELECT actor, at, replaceRegexpAll(item, ");
        outer.param("String", pattern).push(", ").param("String", alias).push(") AS item\nFROM (\n").append(&sql);
        sql = outer;
        // Worked out before any row is read: a pattern that is none is refused without rows too.
        sql.push("\n)\nWHERE match('', ").param("String", pattern).push(") >= 0");
    }
    if !groups.is_empty() {
        let mut outer = Sql::new("SELECT actor, at, multiIf(");
        for (pattern, name) in groups {
            outer.push("match(item, ").param("String", pattern).push("), ").param("String", name).push(", ");
        }
        outer.push("item) AS item\nFROM (\n").append(&sql).push("\n)");
        sql = outer;
    }
    if !replacements.is_empty() || !groups.is_empty() {
        let mut outer = Sql::new("SELECT actor, at, item\nFROM (\n");
        outer.append(&sql).push("\n)");
        sql = outer;
    }
    sql.push("\nWHERE item != ''");
    if !excluded.is_empty() {
        sql.push(" AND item NOT IN ").texts(excluded.iter().map(String::as_str));
    }
    sql
}
