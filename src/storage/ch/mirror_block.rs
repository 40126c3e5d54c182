//! Rows of a mirror of Postgres as one block: columns of a table, and `properties`.

use super::json_block::Objects;
use super::native::{Block, Column, insert_sql};

/// The name of the column of JSON, which comes after all others.
const PROPERTIES: &str = "properties";

/// Rows under construction: each is to have a value in every column.
#[derive(Debug)]
pub(super) struct MirrorBlock<'a, const N: usize> {
    names_and_types: [(&'static str, &'static str); N],
    pub columns: [Column<'a>; N],
    pub properties: Objects,
}

impl<const N: usize> MirrorBlock<'_, N> {
    /// No rows yet, of a table with these columns and `properties`.
    pub fn new(names_and_types: [(&'static str, &'static str); N]) -> Self {
        let columns = names_and_types.map(|(_, sql_type)| Column::of(sql_type));
        Self { names_and_types, columns, properties: Objects::new(0) }
    }

    /// The statement that takes it.
    pub fn insert_sql(&self, table: &str) -> String {
        insert_sql(table, self.names_and_types.iter().map(|(name, _)| *name).chain([PROPERTIES]))
    }

    /// In Native format.
    pub fn into_bytes(self) -> Vec<u8> {
        let rows = self.properties.rows();
        let mut block = Block::new(N + 1, rows, self.properties.len() + rows * 100 + 1000);
        block.put_all(&self.names_and_types, &self.columns);
        self.properties.put_into(&mut block, PROPERTIES);
        block.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_binary::{Leaves, entries};
    use super::*;

    #[test]
    fn properties_come_after_the_columns() {
        let mut rows = MirrorBlock::new([("key", "String"), ("is_deleted", "Bool")]);
        let properties = serde_json::json!({ "a": true });
        for (key, properties) in [("x", properties.as_object()), ("", None)] {
            let [keys, is_deleted] = &mut rows.columns;
            keys.put_text(key.into());
            is_deleted.put_plain(&[u8::from(properties.is_none())]);
            rows.properties.put(&Leaves::of(properties.into_iter().flat_map(entries)));
        }
        assert_eq!(rows.insert_sql("groups"), "INSERT INTO groups (`key`, `is_deleted`, `properties`) FORMAT Native");
        let bytes = rows.into_bytes();
        let columns = b"\x03\x02\x03key\x06String\x01x\x00\x0ais_deleted\x04Bool\x00\x01";
        let (before, properties) = bytes.split_at(columns.len());
        assert_eq!(before, columns);
        assert!(properties.starts_with(b"\x0aproperties\x19JSON(max_dynamic_paths=0)"));
        assert!(properties.ends_with(b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01a\x02\x2d\x01"));
    }
}
