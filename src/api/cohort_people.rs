//! Lists of people as somebody uploads them: CSV with a name of each.

use crate::storage::pg::PeopleBy;

/// Most lines of a file.
pub(super) const MAX_LINES: usize = 500_000;

/// The names in a file, and by what they name people.
///
/// With a heading that says `distinct_id`, `person_id`, `uuid` or `email`, that column counts, else the first one and
/// every line.
pub(super) fn names(csv: &str) -> Result<(Vec<String>, PeopleBy), String> {
    let text = csv.strip_prefix('\u{feff}').unwrap_or(csv);
    let mut rows = Rows { rest: text };
    let Some(first) = rows.next() else { return Ok((Vec::new(), PeopleBy::Id)) };
    let heading = first.iter().enumerate().find_map(|(at, cell)| {
        let by = match cell.trim().to_lowercase().replace(['-', ' '], "_").as_str() {
            "distinct_id" | "person_id" | "uuid" | "id" => PeopleBy::Id,
            "email" => PeopleBy::Email,
            _ => return None,
        };
        Some((at, by))
    });
    let (column, by) = heading.unwrap_or((0, PeopleBy::Id));
    let mut found = Vec::new();
    let lines = if heading.is_some() { None } else { Some(first) };
    for mut row in lines.into_iter().chain(rows) {
        let cell = if column < row.len() { row.swap_remove(column) } else { continue };
        let cell = cell.trim();
        if !cell.is_empty() && !cell.contains('\0') {
            found.push(cell.to_owned());
        }
        if found.len() > MAX_LINES {
            return Err(format!("A file has at most {MAX_LINES} lines; put the others in with a second one."));
        }
    }
    Ok((found, by))
}

/// Rows of CSV: cells with commas between, in quotes if they hold any.
struct Rows<'a> {
    rest: &'a str,
}

impl Iterator for Rows<'_> {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Vec<String>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut row = Vec::new();
        let mut cell = String::new();
        let mut is_quoted = false;
        let mut chars = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' if is_quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' if is_quoted || cell.trim().is_empty() => is_quoted = !is_quoted,
                ',' | ';' | '\t' if !is_quoted => row.push(std::mem::take(&mut cell)),
                '\n' if !is_quoted => {
                    end = at + 1;
                    break;
                }
                '\r' if !is_quoted => {}
                c => cell.push(c),
            }
        }
        self.rest = &self.rest[end..];
        row.push(cell);
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stand_in_the_first_column_or_below_a_heading() {
        let found = |csv: &str| names(csv).expect("few lines");
        assert_eq!(
            found("a\r\n\"b, \"\"c\"\"\"\n\n d ,x\n"),
            (vec!["a".into(), "b, \"c\"".into(), "d".into()], PeopleBy::Id)
        );
        assert_eq!(found("name,Distinct ID\nAda,u1\nBob\nCleo,u2"), (vec!["u1".into(), "u2".into()], PeopleBy::Id));
        assert_eq!(found("\u{feff}Email\na@example.com"), (vec!["a@example.com".into()], PeopleBy::Email));
        assert_eq!(found(""), (vec![], PeopleBy::Id));
    }

    proptest! {
        #[test]
        fn every_cell_comes_back_as_it_was_written(cells in proptest::collection::vec("[a-z\",; ]{1,8}x", 1..20)) {
            let csv: String = cells.iter().map(|cell| format!("\"{}\"\n", cell.replace('"', "\"\""))).collect();
            let expected: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
            prop_assert_eq!(names(&csv).expect("few lines").0, expected);
        }
    }
}
