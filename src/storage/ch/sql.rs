//! SQL text and its parameters, kept together.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::model::ProjectId;

/// A value that goes to the server beside the text, never in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    Unsigned(u64),
    Signed(i64),
    Number(f64),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<u64>),
}

impl Serialize for Param {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unsigned(value) => value.serialize(to),
            Self::Signed(value) => value.serialize(to),
            Self::Number(value) => value.serialize(to),
            Self::Text(value) => value.serialize(to),
            Self::Texts(values) => values.serialize(to),
            Self::Numbers(values) => values.serialize(to),
        }
    }
}

macro_rules! param_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Param {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

param_from! {
    u64 => Unsigned, u32 => Unsigned, i64 => Signed, i32 => Signed, f64 => Number,
    String => Text, &str => Text, &String => Text, Vec<String> => Texts, Vec<u64> => Numbers,
}

impl From<ProjectId> for Param {
    fn from(id: ProjectId) -> Self {
        Self::Unsigned(id.as_u32().into())
    }
}

/// A statement under construction. Pushed text is ours; what a request sent goes through [`Sql::param`].
///
/// ```
/// use tenrec::storage::ch::Sql;
/// let mut sql = Sql::new("SELECT count() FROM events WHERE project_id = ");
/// sql.param("UInt32", 1_u32).push(" AND event = ").param("String", "o'clock");
/// assert_eq!(sql.text(), "SELECT count() FROM events WHERE project_id = {p0:UInt32} AND event = {p1:String}");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sql {
    text: String,
    params: Vec<Param>,
}

impl Sql {
    /// Starts with this text.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), params: Vec::new() }
    }

    /// Appends text of ours: only a literal can be given, so nothing a request sent gets here.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a place for a value of the given ClickHouse type, and the value.
    pub fn param(&mut self, sql_type: &'static str, value: impl Into<Param>) -> &mut Self {
        let name = Self::param_name(self.params.len());
        self.text.extend(["{", &name, ":", sql_type, "}"]);
        self.params.push(value.into());
        self
    }

    /// Appends a list of uuids, to stand after `IN`. They are printed, because thousands do not fit where parameters travel;
    /// a uuid prints as hex digits and dashes, whoever sent it. They are one literal, for the engine takes long over
    /// thousands: 7,000 cost it 50 ms more by themselves.
    pub fn uuids(&mut self, uuids: &[Uuid]) -> &mut Self {
        self.text.push_str("(SELECT arrayJoin(CAST(splitByChar(',', '");
        for (at, uuid) in uuids.iter().enumerate() {
            let uuid = uuid.hyphenated();
            self.text.extend([if at > 0 { "," } else { "" }, uuid.encode_lower(&mut Uuid::encode_buffer())]);
        }
        self.text.push_str("'), 'Array(UUID)')))");
        self
    }

    /// Appends a list of texts, `('…', unhex('…'))`. They are printed, because thousands do not fit where parameters
    /// travel: as they are if they hold only letters, digits, `-` and `_`, else as hex digits, whoever sent them.
    pub fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> &mut Self {
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        for (at, text) in texts.into_iter().enumerate() {
            self.text.push(if at == 0 { '(' } else { ',' });
            if is_plain(text) {
                self.text.extend(["'", text, "'"]);
            } else {
                self.text.push_str("unhex('");
                for byte in text.bytes() {
                    self.text
                        .extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
                }
                self.text.push_str("')");
            }
        }
        self.text.push(')');
        self
    }

    /// Appends a text as a literal, `'…'` or `unhex('…')`: for the many or the long, which do not fit where parameters
    /// travel.
    pub fn text_literal(&mut self, text: &str) -> &mut Self {
        self.texts([text])
    }

    /// Appends a name of ours: letters of ours and a number.
    pub fn name(&mut self, letters: &'static str, number: usize) -> &mut Self {
        self.text.push_str(letters);
        self.text.push_str(&number.to_string());
        self
    }

    /// Appends digits.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.text.push_str(&number.to_string());
        self
    }

    /// Appends another statement with its parameters, renumbered; for parts that are built apart.
    pub fn append(&mut self, part: &Self) -> &mut Self {
        let mut rest = part.text.as_str();
        for (at, value) in part.params.iter().enumerate() {
            let place = format!("{{{}:", Self::param_name(at));
            let (before, after) = rest.split_once(&place).expect("every parameter stands in its text, in order");
            self.text.extend([before, "{", &Self::param_name(self.params.len()), ":"]);
            self.params.push(value.clone());
            rest = after;
        }
        self.text.push_str(rest);
        self
    }

    /// The text, with `{pN:Type}` where values belong.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values, in the order of their numbers.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The name of parameter number `at`.
    #[must_use]
    pub fn param_name(at: usize) -> String {
        format!("p{at}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_text_cannot_leave_its_quotes() {
        let mut sql = Sql::new("x IN ");
        sql.texts(["0199-aB_", "a'b", "\\", "é"]);
        assert_eq!(sql.text(), r"x IN ('0199-aB_',unhex('612762'),unhex('5c'),unhex('c3a9'))");
    }

    #[test]
    fn uuids_are_one_literal() {
        let mut sql = Sql::new("x IN ");
        sql.uuids(&[Uuid::nil(), Uuid::max()]);
        let list = "00000000-0000-0000-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff";
        assert_eq!(sql.text(), format!("x IN (SELECT arrayJoin(CAST(splitByChar(',', '{list}'), 'Array(UUID)')))"));
    }

    #[test]
    fn parts_are_renumbered_when_put_together() {
        let mut inner = Sql::new("a = ");
        inner.param("String", "x").push(" AND b = ").param("UInt32", 2_u32);
        let mut sql = Sql::new("WHERE p = ");
        sql.param("UInt32", 1_u32).push(" AND ").append(&inner).push(" AND ").append(&inner);
        assert_eq!(
            sql.text(),
            "WHERE p = {p0:UInt32} AND a = {p1:String} AND b = {p2:UInt32} AND a = {p3:String} AND b = {p4:UInt32}"
        );
        assert_eq!(sql.params().len(), 5);
    }
}
