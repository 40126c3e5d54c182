//! ClickHouse's Native format: a block of rows, column after column, as the server itself keeps them. Of all formats it costs
//! the server least.
//!
//! A block is the number of its columns and rows, then for each column its name, its type and its values (ClickHouse docs,
//! "Native"). A `Nullable` has a byte for each row before the values; a `LowCardinality` sends each different value once, then
//! for each row where its value stands among them. For `JSON` see [`json_block`](super::json_block).

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use uuid::Uuid;

/// Which rows have no value; before the values of a `Nullable`.
type Nulls = Vec<u8>;

/// Values of one column, a row each.
#[derive(Debug)]
pub(super) enum Column<'a> {
    /// Numbers of one width, or what is kept as such: moments, uuids. Little endian.
    Plain(Vec<u8>),
    /// `String`, or another type that is sent as text.
    Texts(Vec<u8>),
    NullablePlain(Nulls, Vec<u8>),
    NullableTexts(Nulls, Vec<u8>),
    /// `LowCardinality(String)`.
    Words(Words<'a>),
    /// `LowCardinality(Nullable(String))`.
    NullableWords(Words<'a>),
}

/// The different texts of a column, and which of them each row has.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    places: HashMap<Cow<'a, str>, u32, RandomState>,
    /// In the order of their places, each with its length before it.
    texts: Vec<u8>,
    rows: Vec<u32>,
}

/// A block under construction.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
}

impl<'a> Words<'a> {
    /// The first place stands for "no value" where the column may have none; there it must be the empty text.
    fn nullable() -> Self {
        Self { texts: vec![0], ..Self::default() }
    }

    fn put(&mut self, word: Cow<'a, str>, reserved: u32) {
        let next = self.places.len() as u32 + reserved;
        let texts = &mut self.texts;
        let place = *self.places.entry(word).or_insert_with_key(|word| {
            put_text(word.as_bytes(), texts);
            next
        });
        self.rows.push(place);
    }

    fn write(&self, reserved: usize, to: &mut Vec<u8>) {
        /// The block brings its own words, and knows of no others.
        const OWN_WORDS: u64 = 1 << 9;
        let count = self.places.len() + reserved;
        let (width, kind) = match count {
            0..=0x100 => (1, 0),
            0x101..=0x1_0000 => (2, 1),
            _ => (4, 2_u64),
        };
        to.extend(1_u64.to_le_bytes()); // the form of all that follows
        to.extend((OWN_WORDS | kind).to_le_bytes());
        to.extend((count as u64).to_le_bytes());
        to.extend_from_slice(&self.texts);
        to.extend((self.rows.len() as u64).to_le_bytes());
        for row in &self.rows {
            to.extend_from_slice(&row.to_le_bytes()[..width]);
        }
    }
}

impl<'a> Column<'a> {
    /// A column of this type, without rows yet; of none that is `Nullable`.
    pub fn of(sql_type: &str) -> Self {
        match sql_type {
            "String" => Self::Texts(Vec::new()),
            "LowCardinality(String)" => Self::Words(Words::default()),
            _ => Self::Plain(Vec::new()),
        }
    }

    pub fn nullable_words() -> Self {
        Self::NullableWords(Words::nullable())
    }

    /// The next row's value, little endian.
    pub fn put_plain(&mut self, value: &[u8]) {
        match self {
            Self::Plain(values) => values.extend_from_slice(value),
            Self::NullablePlain(nulls, values) => {
                nulls.push(0);
                values.extend_from_slice(value);
            }
            _ => unreachable!("a column of texts is given texts"),
        }
    }

    /// The next row's text.
    pub fn put_text(&mut self, text: Cow<'a, str>) {
        match self {
            Self::Texts(values) => put_text(text.as_bytes(), values),
            Self::NullableTexts(nulls, values) => {
                nulls.push(0);
                put_text(text.as_bytes(), values);
            }
            Self::Words(words) => words.put(text, 0),
            Self::NullableWords(words) => words.put(text, 1),
            Self::Plain(_) | Self::NullablePlain(..) => unreachable!("a column of numbers is given numbers"),
        }
    }

    /// That the next row has no value; `width` is that of a number.
    pub fn put_null(&mut self, width: usize) {
        match self {
            Self::NullablePlain(nulls, values) => {
                nulls.push(1);
                values.resize(values.len() + width, 0);
            }
            Self::NullableTexts(nulls, values) => {
                nulls.push(1);
                values.push(0);
            }
            Self::NullableWords(words) => words.rows.push(0),
            Self::Plain(_) | Self::Texts(_) | Self::Words(_) => unreachable!("the column always has a value"),
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Plain(values) | Self::Texts(values) => to.extend_from_slice(values),
            Self::NullablePlain(nulls, values) | Self::NullableTexts(nulls, values) => {
                to.extend_from_slice(nulls);
                to.extend_from_slice(values);
            }
            Self::Words(words) => words.write(0, to),
            Self::NullableWords(words) => words.write(1, to),
        }
    }
}

impl Block {
    /// A block of so many columns and rows, each column to be put in next; about `bytes` long.
    pub fn new(columns: usize, rows: usize, bytes: usize) -> Self {
        let mut block = Self { bytes: Vec::with_capacity(bytes) };
        put_varint(columns, &mut block.bytes);
        put_varint(rows, &mut block.bytes);
        block
    }

    pub fn put(&mut self, name: &str, sql_type: &str, column: &Column<'_>) {
        self.put_with(name, sql_type, |bytes| column.write(bytes));
    }

    /// Puts in columns with these names and types.
    pub fn put_all(&mut self, names_and_types: &[(&str, &str)], columns: &[Column<'_>]) {
        for ((name, sql_type), column) in names_and_types.iter().zip(columns) {
            self.put(name, sql_type, column);
        }
    }

    /// Puts in a column whose values `write` appends.
    pub fn put_with(&mut self, name: &str, sql_type: &str, write: impl FnOnce(&mut Vec<u8>)) {
        put_text(name.as_bytes(), &mut self.bytes);
        put_text(sql_type.as_bytes(), &mut self.bytes);
        write(&mut self.bytes);
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The statement that takes a block of these columns: a table may have more.
pub(super) fn insert_sql<'a>(table: &str, columns: impl Iterator<Item = &'a str>) -> String {
    format!("INSERT INTO {table} (`{}`) FORMAT Native", columns.collect::<Vec<_>>().join("`, `"))
}

/// A uuid as the server keeps it: two 64-bit halves, the higher first, each little endian.
pub(super) fn uuid_bytes(value: Uuid) -> [u8; 16] {
    let (high, low) = value.as_u64_pair();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_le_bytes());
    bytes[8..].copy_from_slice(&low.to_le_bytes());
    bytes
}

/// A text with its length before it.
pub(super) fn put_text(text: &[u8], to: &mut Vec<u8>) {
    put_varint(text.len(), to);
    to.extend_from_slice(text);
}

/// A number in groups of seven bits, the lowest first.
pub(super) fn put_varint(mut value: usize, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(column: &Column<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        column.write(&mut bytes);
        bytes
    }

    #[test]
    fn lengths_are_base_128() {
        let mut bytes = Vec::new();
        put_text(&[b'x'; 300], &mut bytes);
        assert_eq!((bytes[0], bytes[1], bytes.len()), (0xac, 0x02, 302));
    }

    #[test]
    fn the_higher_half_of_a_uuid_comes_first() {
        let uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        assert_eq!(uuid_bytes(uuid), [8, 7, 6, 5, 4, 3, 2, 1, 16, 15, 14, 13, 12, 11, 10, 9]);
    }

    #[test]
    fn a_row_without_value_has_its_mark_and_the_place_of_one() {
        let mut column = Column::NullablePlain(Vec::new(), Vec::new());
        column.put_plain(&7_i32.to_le_bytes());
        column.put_null(4);
        assert_eq!(written(&column), [0, 1, 7, 0, 0, 0, 0, 0, 0, 0]);
        let mut column = Column::NullableTexts(Vec::new(), Vec::new());
        column.put_null(0);
        column.put_text("ab".into());
        assert_eq!(written(&column), [1, 0, 0, 2, b'a', b'b']);
    }

    #[test]
    fn each_word_is_sent_once() {
        let mut column = Column::nullable_words();
        column.put_text("b".into());
        column.put_null(0);
        column.put_text("b".into());
        column.put_text("".into());
        let bytes = written(&column);
        assert_eq!(bytes[..24], [1_u64, 1 << 9, 3].map(u64::to_le_bytes).concat());
        assert_eq!(bytes[24..28], [0, 1, b'b', 0]);
        assert_eq!(bytes[28..], [4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2]);
    }

    #[test]
    fn many_words_take_wider_places() {
        let mut column = Column::Words(Words::default());
        for number in 0..300 {
            column.put_text(number.to_string().into());
        }
        let bytes = written(&column);
        assert_eq!(bytes[8..16], ((1_u64 << 9) | 1).to_le_bytes());
        assert_eq!(bytes[bytes.len() - 2..], 299_u16.to_le_bytes());
    }
}
