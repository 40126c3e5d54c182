//! A `JSON` column of a block ([`native`](super::native)): how many paths each row has, all paths, and the values at their ends.

use std::ops::Range;

use super::json_binary::Leaves;
use super::native::{Block, put_varint};

/// Values of a `JSON` column, none of whose paths has a column of its own yet.
#[derive(Debug)]
pub(super) struct Objects {
    /// How many paths may have one in the table.
    most_paths: usize,
    /// How many paths there are up to the end of each row.
    ends: Vec<u64>,
    /// Of each row in the order of their bytes, each with its length before it.
    paths: Vec<u8>,
    /// Each with its type, and the length of both, before it.
    values: Vec<u8>,
    scratch: Vec<u8>,
}

/// Where a row of [`Objects`] stands.
#[derive(Debug, Clone)]
pub(super) struct ObjectPlace {
    count: u64,
    paths: Range<usize>,
    values: Range<usize>,
}

impl Objects {
    /// Of a column with at most so many paths with columns of their own.
    pub fn new(most_paths: usize) -> Self {
        Self { most_paths, ends: Vec::new(), paths: Vec::new(), values: Vec::new(), scratch: Vec::new() }
    }

    /// Puts in a row; gives where it stands, which says how long it is.
    pub fn put(&mut self, leaves: &Leaves<'_>) -> ObjectPlace {
        let (paths, values) = (self.paths.len(), self.values.len());
        leaves.write_apart(&mut self.paths, &mut self.values, &mut self.scratch);
        let place = ObjectPlace {
            count: leaves.len() as u64,
            paths: paths..self.paths.len(),
            values: values..self.values.len(),
        };
        self.end(place.count);
        place
    }

    /// Puts in the row of another place once more.
    pub fn put_again(&mut self, place: &ObjectPlace) {
        self.paths.extend_from_within(place.paths.clone());
        self.values.extend_from_within(place.values.clone());
        self.end(place.count);
    }

    fn end(&mut self, count: u64) {
        self.ends.push(self.ends.last().copied().unwrap_or_default() + count);
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they take in a block.
    pub fn len(&self) -> usize {
        self.paths.len() + self.values.len() + self.rows() * size_of::<u64>()
    }

    /// Puts the column into a block.
    pub fn put_into(&self, block: &mut Block, name: &str) {
        let sql_type = format!("JSON(max_dynamic_paths={})", self.most_paths);
        block.put_with(name, &sql_type, |bytes| self.write(bytes));
    }

    /// Appends the column as a block has it.
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(0_u64.to_le_bytes()); // the form of all that follows
        put_varint(self.most_paths, to);
        put_varint(0, to);
        for end in &self.ends {
            to.extend(end.to_le_bytes());
        }
        to.extend_from_slice(&self.paths);
        to.extend_from_slice(&self.values);
    }
}

impl ObjectPlace {
    /// How many bytes it takes in a block.
    pub fn len(&self) -> usize {
        self.paths.len() + self.values.len() + size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_binary::entries;
    use super::*;

    #[test]
    fn objects_are_paths_and_values() {
        let (one, none) = (serde_json::json!({ "b": "x", "a": true }), serde_json::Map::new());
        let mut objects = Objects::new(16);
        let place = objects.put(&Leaves::of(entries(one.as_object().expect("an object"))));
        objects.put(&Leaves::of(entries(&none)));
        objects.put_again(&place);
        let mut bytes = Vec::new();
        objects.write(&mut bytes);
        assert_eq!(bytes[..10], [0, 0, 0, 0, 0, 0, 0, 0, 16, 0]);
        assert_eq!(bytes[10..34], [2_u64, 2, 4].map(u64::to_le_bytes).concat());
        assert_eq!(&bytes[34..], b"\x01a\x01b\x01a\x01b\x02\x2d\x01\x03\x15\x01x\x02\x2d\x01\x03\x15\x01x");
        assert_eq!(place.len(), 4 + 7 + 8);
    }
}
