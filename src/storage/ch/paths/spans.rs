//! Whose paths are asked for, and from when to when, if not everybody's.

use super::super::Sql;

/// From when to when somebody's paths are asked for, both in microseconds and included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanOfPerson {
    /// Their number after merges.
    pub person: u64,
    pub since: i64,
    pub until: i64,
}

/// These people with their spans: `person`, `since`, `until`.
///
/// Each number is told by how much more it is than the one before: people are near each other, and so are moments.
#[must_use]
pub fn spans_sql(mut spans: Vec<SpanOfPerson>) -> Sql {
    if spans.is_empty() {
        return Sql::new("SELECT toUInt64(0) AS person, toInt64(0) AS since, toInt64(0) AS until WHERE false");
    }
    spans.sort_unstable_by_key(|span| span.person);
    let list = |of: fn(&SpanOfPerson) -> i128| {
        let mut before = 0;
        let mut steps = String::new();
        for span in &spans {
            let separator = if steps.is_empty() { "" } else { "_" };
            steps.extend([separator, &(of(span) - before).to_string()]);
            before = of(span);
        }
        steps
    };
    let mut sql = Sql::new("SELECT one.1 AS person, one.2 AS since, one.3 AS until\nFROM (\n");
    sql.push("SELECT arrayJoin(arrayZip(arrayCumSum(arrayMap(x -> toUInt64(x), splitByChar('_', ");
    sql.text_literal(&list(|span| span.person.into()));
    sql.push("))), arrayCumSum(arrayMap(x -> toInt64(x), splitByChar('_', ")
        .text_literal(&list(|span| span.since.into()));
    sql.push("))), arrayCumSum(arrayMap(x -> toInt64(x), splitByChar('_', ")
        .text_literal(&list(|span| span.until.into()));
    sql.push("))))) AS one\n)");
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_by_their_distances() {
        let span = |person, since, until| SpanOfPerson { person, since, until };
        let sql = spans_sql(vec![span(9, 1_000, 1_200), span(4, 1_500, 1_700)]);
        for list in ["'4_5'", "'1500_-500'", "'1700_-500'"] {
            assert!(sql.text().contains(list), "{}", sql.text());
        }
        assert!(spans_sql(Vec::new()).text().ends_with("WHERE false"));
    }
}
