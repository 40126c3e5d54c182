//! ClickHouse's RowBinary, as far as sessions and rows of a few numbers need it: values one after the other, without names or lengths of rows.

use uuid::Uuid;

use super::native::put_text;

/// Appends values to a row.
pub(super) trait RowBinary {
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    /// Also `DateTime64`: ticks since the epoch.
    fn put_i64(&mut self, value: i64);
    fn put_uuid(&mut self, value: Uuid);
    fn put_string(&mut self, value: &str) {
        self.put_bytes(value.as_bytes());
    }
    /// Also a text that is known to be one.
    fn put_bytes(&mut self, value: &[u8]);
    /// The mark before a value of a `Nullable`; after `false` no value follows.
    fn put_is_set(&mut self, is_set: bool);
}

impl RowBinary for Vec<u8> {
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_i64(&mut self, value: i64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_uuid(&mut self, value: Uuid) {
        // Two 64-bit halves, the higher first, each little endian.
        let (high, low) = value.as_u64_pair();
        self.put_u64(high);
        self.put_u64(low);
    }

    fn put_bytes(&mut self, value: &[u8]) {
        put_text(value, self);
    }

    fn put_is_set(&mut self, is_set: bool) {
        self.push(u8::from(!is_set));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_base_128_and_null_comes_before() {
        let mut row = Vec::new();
        row.put_string(&"x".repeat(300));
        assert_eq!((row[0], row[1], row.len()), (0xac, 0x02, 302));
        let mut row = Vec::new();
        row.put_is_set(false);
        row.put_is_set(true);
        row.put_string("");
        assert_eq!(row, [1, 0, 0]);
        let mut row = Vec::new();
        row.put_uuid(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));
        assert_eq!(row, [8, 7, 6, 5, 4, 3, 2, 1, 16, 15, 14, 13, 12, 11, 10, 9]);
    }
}
