//! Reading ClickHouse's Native format: for the few questions whose answer is millions of rows, where reading row by row would
//! cost more than finding them.

use clickhouse::query::BytesCursor;

use super::ChError;

/// A block: columns of numbers and texts, side by side.
#[derive(Debug)]
pub(super) struct ReadBlock<'a> {
    pub rows: usize,
    /// How long it was.
    pub bytes: usize,
    columns: Vec<ReadColumn<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum ReadColumn<'a> {
    Numbers(Numbers<'a>),
    Texts(Texts<'a>),
}

/// A column of whole numbers.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    bytes: &'a [u8],
    width: usize,
}

/// A column of texts.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// Each behind its length.
    bytes: &'a [u8],
}

/// Why bytes are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotYet {
    /// More of them are needed.
    Short,
    /// Something that is not read here.
    Unknown,
}

impl<'a> ReadBlock<'a> {
    /// A column, if it holds numbers.
    pub fn numbers(&self, column: usize) -> Option<Numbers<'a>> {
        match self.columns.get(column)? {
            ReadColumn::Numbers(numbers) => Some(*numbers),
            ReadColumn::Texts(_) => None,
        }
    }

    /// A column, if it holds texts.
    pub fn texts(&self, column: usize) -> Option<Texts<'a>> {
        match self.columns.get(column)? {
            ReadColumn::Texts(texts) => Some(*texts),
            ReadColumn::Numbers(_) => None,
        }
    }
}

impl<'a> Numbers<'a> {
    /// Numbers of so many bytes each, little endian.
    #[must_use]
    pub fn of(bytes: &'a [u8], width: usize) -> Self {
        Self { bytes, width }
    }

    /// The numbers, a row each; the bits of a negative one.
    pub fn iter(self) -> impl Iterator<Item = u64> + 'a {
        self.bytes.chunks_exact(self.width).map(|bytes| {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(whole)
        })
    }

    /// The numbers of a column of signed 64-bit ones.
    pub fn signed(self) -> impl Iterator<Item = i64> + 'a {
        self.bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes))
    }
}

impl<'a> Texts<'a> {
    /// The bytes of each row.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let length = length(&mut rest).ok()?;
            take(&mut rest, length).ok()
        })
    }
}

/// Hands out block after block, until `each` says no, or that it cannot be read.
pub(super) async fn each_block(
    mut cursor: BytesCursor,
    mut each: impl FnMut(ReadBlock<'_>) -> Option<bool> + Send,
) -> Result<(), ChError> {
    let wrong = || ChError::Custom("a block in the Native format could not be read".to_owned());
    let mut held: Vec<u8> = Vec::new();
    while let Some(piece) = cursor.next().await? {
        held.extend_from_slice(&piece);
        let mut read = 0;
        loop {
            match block(&held[read..]) {
                Ok(found) => {
                    let bytes = found.bytes;
                    if found.rows > 0 && !each(found).ok_or_else(wrong)? {
                        return Ok(());
                    }
                    read += bytes;
                }
                Err(NotYet::Short) => break,
                Err(NotYet::Unknown) => return Err(wrong()),
            }
        }
        held.drain(..read);
        tokio::task::yield_now().await;
    }
    if held.is_empty() { Ok(()) } else { Err(wrong()) }
}

fn block(bytes: &[u8]) -> Result<ReadBlock<'_>, NotYet> {
    let mut rest = bytes;
    if bytes.is_empty() {
        return Err(NotYet::Short);
    }
    let (width, rows) = (length(&mut rest)?, length(&mut rest)?);
    let mut columns = Vec::new();
    for _ in 0..width {
        let name = length(&mut rest)?;
        take(&mut rest, name)?;
        let kind = length(&mut rest)?;
        let number = match take(&mut rest, kind)? {
            b"UInt8" => 1,
            b"UInt16" => 2,
            b"UInt32" => 4,
            b"UInt64" | b"Int64" => 8,
            b"String" => 0,
            _ => return Err(NotYet::Unknown),
        };
        columns.push(if number > 0 {
            let size = rows.checked_mul(number).ok_or(NotYet::Unknown)?;
            ReadColumn::Numbers(Numbers { bytes: take(&mut rest, size)?, width: number })
        } else {
            let before = rest;
            for _ in 0..rows {
                let text = length(&mut rest)?;
                take(&mut rest, text)?;
            }
            ReadColumn::Texts(Texts { bytes: &before[..before.len() - rest.len()] })
        });
    }
    Ok(ReadBlock { rows, bytes: bytes.len() - rest.len(), columns })
}

/// A number of seven bits a byte.
fn length(rest: &mut &[u8]) -> Result<usize, NotYet> {
    let mut number = 0_usize;
    for shift in (0..63).step_by(7) {
        let (first, after) = rest.split_first().ok_or(NotYet::Short)?;
        *rest = after;
        number |= usize::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(NotYet::Unknown)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], NotYet> {
    let (taken, after) = rest.split_at_checked(count).ok_or(NotYet::Short)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<u8> {
        let mut bytes = vec![3, 2];
        bytes.extend(b"\x01a\x05Int64");
        bytes.extend((-5_i64).to_le_bytes());
        bytes.extend(7_i64.to_le_bytes());
        bytes.extend(b"\x01m\x06UInt16");
        bytes.extend([1, 2, 3, 0]);
        bytes.extend(b"\x01v\x06String\x00\x02xy");
        bytes
    }

    #[test]
    fn a_block_is_read_column_by_column_and_only_when_it_is_whole() {
        let bytes = example();
        for end in 0..bytes.len() {
            assert_eq!(block(&bytes[..end]).err(), Some(NotYet::Short), "{end}");
        }
        let mut two = bytes.clone();
        two.extend(&bytes);
        let found = block(&two).expect("a block");
        assert_eq!((found.rows, found.bytes), (2, bytes.len()));
        assert_eq!(found.numbers(0).expect("numbers").signed().collect::<Vec<_>>(), [-5, 7]);
        assert_eq!(found.numbers(1).expect("numbers").iter().collect::<Vec<_>>(), [0x201, 3]);
        assert_eq!(found.texts(2).expect("texts").iter().collect::<Vec<_>>(), [&b""[..], b"xy"]);
        assert!(found.texts(0).is_none() && found.numbers(2).is_none() && found.numbers(3).is_none());
    }

    #[test]
    fn another_type_is_refused() {
        assert_eq!(block(b"\x01\x01\x01a\x04Date\x00\x00").err(), Some(NotYet::Unknown));
    }
}
