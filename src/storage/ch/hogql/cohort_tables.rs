//! What conditions on cohorts read: under which numbers people's events stand, and who was put into static cohorts.

use super::super::Sql;
use super::compile::QueryScope;
use super::tables::value;
use super::value::{Ty, Value};

/// A column of `person_numbers`: `stored` on event rows is of the person with `number`. Only of people with a profile.
pub(super) fn person_number_column(names: &[&str]) -> Option<Value> {
    match names {
        ["stored"] => value("whose.stored", Ty::Whole, false),
        ["number"] => value("whose.number", Ty::Whole, false),
        _ => None,
    }
}

/// ` FROM …` of that table: each `stored` once.
pub(super) fn print_person_numbers(sql: &mut Sql, scope: &QueryScope<'_>) {
    sql.push(
        " FROM (SELECT from_id AS stored, argMax(into_id, version) AS number FROM person_overrides WHERE project_id = ",
    );
    sql.param("UInt32", scope.project).push(" GROUP BY from_id HAVING stored != number");
    sql.push(" UNION ALL SELECT number AS stored, number FROM persons FINAL WHERE project_id = ");
    sql.param("UInt32", scope.project).push(" AND NOT is_deleted) AS whose");
}

/// A column of `static_cohort_members`: `stored` was put into the cohort, whoever that is after merges.
pub(super) fn static_cohort_member_column(names: &[&str]) -> Option<Value> {
    match names {
        ["cohort_id"] => value("member.cohort_id", Ty::Whole, false),
        ["stored"] => value("member.person", Ty::Whole, false),
        _ => None,
    }
}

/// ` FROM …` of that table.
pub(super) fn print_static_cohort_members(sql: &mut Sql, scope: &QueryScope<'_>) {
    sql.push(" FROM (SELECT cohort_id, person FROM cohort_members FINAL WHERE project_id = ");
    sql.param("UInt32", scope.project).push(" AND NOT is_deleted) AS member");
}
