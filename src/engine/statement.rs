//! What a statement is, as far as running it needs to know: an insert whose rows follow, a select that
//! can be streamed, or anything else. The engine stays the judge of everything beyond that.

use super::lexer::{Kind, Lexer, Token};

/// An `INSERT` whose rows are given as data.
#[derive(Debug, PartialEq, Eq)]
pub struct InsertHead {
    /// The statement up to `FORMAT` or `VALUES`.
    pub sql_end: usize,
    pub format: String,
    /// Where inline data begins; the text's length if there is none.
    pub data_start: usize,
}

/// What the beginning of a text says about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// An insert with data.
    Insert(InsertHead),
    /// Starts like an insert, but where its data begins is not in the text yet.
    NeedsMore,
    /// Anything else, `INSERT … SELECT` included.
    Statement,
}

/// Looks at the beginning of a text that may continue with inline data.
///
/// The library itself cuts inline data at the first empty line, which binary rows may contain; so it
/// is split off here and handed over apart from its statement.
///
/// `is_whole`: nothing follows `text`.
pub fn opening(text: &[u8], is_whole: bool) -> Opening {
    let mut tokens = Lexer::new(text).peekable();
    let more_or = |opening| {
        if is_whole { opening } else { Opening::NeedsMore }
    };
    let word = |token: &Token, keyword: &str| {
        token.kind == Kind::Word && text[token.range.clone()].eq_ignore_ascii_case(keyword.as_bytes())
    };

    match tokens.next() {
        Some(token) if word(&token, "INSERT") => {}
        None => return more_or(Opening::Statement),
        Some(token) if token.kind == Kind::Unfinished || token.range.end == text.len() => {
            return more_or(Opening::Statement);
        }
        Some(_) => return Opening::Statement,
    }
    let mut is_target_seen = false;
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Unfinished => return more_or(Opening::Statement),
            Kind::Open => {
                // INSERT INTO t (SELECT …): no data.
                if depth == 0
                    && is_target_seen
                    && tokens.peek().is_some_and(|next| word(next, "SELECT") || word(next, "WITH"))
                {
                    return Opening::Statement;
                }
                depth += 1;
                // {name:Identifier} names the target too.
                is_target_seen = true;
            }
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Semicolon if depth == 0 => return rows_as_values(token.range.start, text.len()),
            Kind::QuotedName => is_target_seen = true,
            Kind::Word if depth == 0 && !is_target_seen => {
                is_target_seen = !["INTO", "TABLE", "FUNCTION"].iter().any(|keyword| word(&token, keyword));
            }
            Kind::Word if depth == 0 => {
                if ["SELECT", "WITH", "WATCH", "FROM", "EXPLAIN"].iter().any(|keyword| word(&token, keyword)) {
                    return Opening::Statement;
                }
                if word(&token, "VALUES") {
                    // The word may go on behind what is there.
                    if token.range.end == text.len() && !is_whole {
                        return Opening::NeedsMore;
                    }
                    return rows_as_values(token.range.start, token.range.end);
                }
                if word(&token, "FORMAT") {
                    return match tokens.next() {
                        Some(name) if name.kind == Kind::Word => match data_start(text, name.range.end, is_whole) {
                            Some(data_start) => Opening::Insert(InsertHead {
                                sql_end: token.range.start,
                                format: String::from_utf8_lossy(&text[name.range]).into_owned(),
                                data_start,
                            }),
                            None => Opening::NeedsMore,
                        },
                        _ => more_or(Opening::Statement),
                    };
                }
            }
            _ => {}
        }
    }
    if is_whole { rows_as_values(text.len(), text.len()) } else { Opening::NeedsMore }
}

fn rows_as_values(sql_end: usize, data_start: usize) -> Opening {
    Opening::Insert(InsertHead { sql_end, format: "Values".to_owned(), data_start })
}

/// Data begins after the line break behind the format's name, or after the blanks if there is none.
/// `None`: the text ends before that is decided.
fn data_start(text: &[u8], after_name: usize, is_whole: bool) -> Option<usize> {
    let mut at = after_name;
    while text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    if text.get(at) == Some(&b';') {
        at += 1;
    }
    if text.get(at) == Some(&b'\r') {
        at += 1;
    }
    match text.get(at) {
        Some(b'\n') => Some(at + 1),
        Some(_) => Some(at),
        None => is_whole.then_some(at),
    }
}

/// How a whole statement without data is run.
#[derive(Debug, PartialEq, Eq)]
pub struct Outline {
    /// A `SELECT` in form: worth trying as a stream.
    pub is_select: bool,
    /// The format named in the text.
    pub format: Option<String>,
    pub has_into_outfile: bool,
    /// A streamed result would lack its totals or extremes, or be cut into several arrays.
    pub needs_whole: bool,
}

/// Keywords and settings under which the library's streamed results differ from whole ones.
pub const NEED_WHOLE: &[&str] = &["totals", "extremes", "output_format_json_array_of_rows"];

/// Reads a statement's outline.
pub fn outline(sql: &str) -> Outline {
    let tokens: Vec<Token> = Lexer::new(sql.as_bytes()).collect();
    let text = |token: &Token| &sql[token.range.clone()];
    let is = |token: Option<&Token>, keyword: &str| {
        token.is_some_and(|token| token.kind == Kind::Word && text(token).eq_ignore_ascii_case(keyword))
    };

    let first = tokens.iter().find(|token| token.kind != Kind::Open);
    let mut outline = Outline {
        is_select: ["SELECT", "WITH", "FROM"].iter().any(|keyword| is(first, keyword)),
        format: None,
        has_into_outfile: false,
        needs_whole: tokens.iter().any(|token| NEED_WHOLE.iter().any(|word| is(Some(token), word))),
    };
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1);
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && is(Some(token), "FORMAT") => {
                let after = tokens.get(index + 2);
                let is_last = after.is_none_or(|after| after.kind == Kind::Semicolon) || is(after, "SETTINGS");
                if let Some(name) = next.filter(|name| name.kind == Kind::Word && is_last) {
                    outline.format = Some(text(name).to_owned());
                }
            }
            Kind::Word if depth == 0 && is(Some(token), "INTO") && is(next, "OUTFILE") => {
                outline.has_into_outfile = true
            }
            _ => {}
        }
    }
    outline
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &[u8]) -> (String, String, Vec<u8>) {
        match opening(text, true) {
            Opening::Insert(head) => (
                String::from_utf8(text[..head.sql_end].to_vec()).unwrap().trim().to_owned(),
                head.format,
                text[head.data_start..].to_vec(),
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn data_is_split_from_its_statement() {
        let cases: &[(&[u8], &str, &str, &[u8])] = &[
            (b"INSERT INTO t(a, b) FORMAT RowBinary", "INSERT INTO t(a, b)", "RowBinary", b""),
            (b"INSERT INTO t FORMAT RowBinary\n\n\n\x00", "INSERT INTO t", "RowBinary", b"\n\n\x00"),
            (b"insert into t format CSV\r\n1,2\n", "insert into t", "CSV", b"1,2\n"),
            (b"INSERT INTO t FORMAT JSONEachRow {\"a\":1}", "INSERT INTO t", "JSONEachRow", b"{\"a\":1}"),
            (
                b"INSERT INTO `for mat`.\"values\" (`format`) VALUES (1), ('VALUES')",
                "INSERT INTO `for mat`.\"values\" (`format`)",
                "Values",
                b" (1), ('VALUES')",
            ),
            (
                b"/* INSERT */ -- FORMAT\nINSERT INTO t /* FORMAT x */ FORMAT TSV;\n1",
                "/* INSERT */ -- FORMAT\nINSERT INTO t /* FORMAT x */",
                "TSV",
                b"1",
            ),
            (
                b"INSERT INTO TABLE FUNCTION file('FORMAT CSV') FORMAT CSV 1",
                "INSERT INTO TABLE FUNCTION file('FORMAT CSV')",
                "CSV",
                b"1",
            ),
            (
                b"INSERT INTO {t:Identifier} (a) SETTINGS async_insert=0 FORMAT TSV",
                "INSERT INTO {t:Identifier} (a) SETTINGS async_insert=0",
                "TSV",
                b"",
            ),
            (b"INSERT INTO t (format, values)", "INSERT INTO t (format, values)", "Values", b""),
        ];
        for (text, sql, format, data) in cases {
            assert_eq!(
                insert(text),
                ((*sql).to_owned(), (*format).to_owned(), data.to_vec()),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn what_carries_no_data_is_a_statement() {
        for text in [
            "SELECT 1",
            "INSERT INTO t SELECT 1 FORMAT CSV",
            "INSERT INTO t (SELECT 1)",
            "INSERT INTO t WITH 1 AS a SELECT a",
            "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
            "",
        ] {
            assert_eq!(opening(text.as_bytes(), true), Opening::Statement, "{text}");
        }
    }

    #[test]
    fn an_undecided_beginning_asks_for_more() {
        let whole = b"INSERT INTO t /* x */ (a, `b`) FORMAT RowBinary\ndata";
        for end in 0..whole.len() - b"data".len() - 1 {
            assert_eq!(
                opening(&whole[..end], false),
                Opening::NeedsMore,
                "{:?}",
                String::from_utf8_lossy(&whole[..end])
            );
        }
        assert_eq!(opening(b"SELECT 1", false), Opening::Statement);
    }

    #[test]
    fn a_format_clause_is_found_only_where_it_is_one() {
        let format = |sql| outline(sql).format;
        assert_eq!(format("SELECT 1 FORMAT JSON"), Some("JSON".into()));
        assert_eq!(format("SELECT 1 FORMAT JSON;"), Some("JSON".into()));
        assert_eq!(format("SELECT 1 FORMAT CSV SETTINGS max_threads = 1"), Some("CSV".into()));
        assert_eq!(format("SELECT 'FORMAT JSON'"), None);
        assert_eq!(format("SELECT 1 -- FORMAT JSON"), None);
        assert_eq!(format("SELECT format FROM (SELECT 1 AS format)"), None);
        assert_eq!(format("SELECT $x$ FORMAT JSON $x$"), None);
    }

    #[test]
    fn selects_are_recognised() {
        for sql in
            ["SELECT 1", " (select 1) union all select 2", "WITH 1 AS x SELECT x", "/**/ FROM numbers(1) SELECT *"]
        {
            assert!(outline(sql).is_select, "{sql}");
        }
        for sql in ["SHOW TABLES", "INSERT INTO t SELECT 1", "CREATE TABLE t AS SELECT 1", "EXPLAIN SELECT 1"] {
            assert!(!outline(sql).is_select, "{sql}");
        }
        assert!(outline("SELECT 1 INTO OUTFILE '/tmp/x'").has_into_outfile);
        assert!(!outline("SELECT 'INTO OUTFILE'").has_into_outfile);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text: Vec<u8>, is_whole: bool) {
            opening(&text, is_whole);
            let mut insert = b"INSERT INTO t ".to_vec();
            insert.extend(&text);
            if let Opening::Insert(head) = opening(&insert, is_whole) {
                proptest::prop_assert!(head.sql_end <= head.data_start && head.data_start <= insert.len());
            }
        }

        #[test]
        fn any_text_has_an_outline(text: String) {
            outline(&text);
        }
    }
}
