//! What the server must know of the engine's formats: their media type, and whether a streamed result
//! is the same as a whole one.

/// Formats whose rows simply follow each other: no header that needs the end, no footer, no separator
/// between rows.
const STREAMABLE: &[&str] = &[
    "CSV",
    "CSVWithNames",
    "CSVWithNamesAndTypes",
    "JSONCompactEachRow",
    "JSONCompactEachRowWithNames",
    "JSONCompactEachRowWithNamesAndTypes",
    "JSONCompactStringsEachRow",
    "JSONCompactStringsEachRowWithNames",
    "JSONCompactStringsEachRowWithNamesAndTypes",
    "JSONEachRow",
    "JSONLines",
    "JSONStringsEachRow",
    "MsgPack",
    "NDJSON",
    "Native",
    "Null",
    "RawBLOB",
    "RowBinary",
    "RowBinaryWithNames",
    "RowBinaryWithNamesAndTypes",
    "TSKV",
    "TSV",
    "TSVRaw",
    "TSVWithNames",
    "TSVWithNamesAndTypes",
    "TabSeparated",
    "TabSeparatedRaw",
    "TabSeparatedWithNames",
    "TabSeparatedWithNamesAndTypes",
];

/// Whether a result in this format may be sent piece by piece.
pub fn is_streamable(format: &str) -> bool {
    STREAMABLE.contains(&format)
}

/// How many bytes of a result's beginning are its header of names and types.
pub fn header_bytes(format: &str, result: &[u8]) -> usize {
    let lines = match format {
        f if f.ends_with("WithNamesAndTypes") => 2,
        f if f.ends_with("WithNames") => 1,
        _ => return 0,
    };
    if format.starts_with("RowBinary") {
        binary_header(result, lines).unwrap_or(0)
    } else {
        text_header(result, lines, format.starts_with("CSV"))
    }
}

/// The first lines. In CSV a quoted name may contain line breaks; the other formats escape them.
fn text_header(result: &[u8], lines: usize, may_quote: bool) -> usize {
    let mut is_quoted = false;
    let ends = result.iter().enumerate().filter(|(_, byte)| {
        is_quoted ^= may_quote && **byte == b'"';
        **byte == b'\n' && !is_quoted
    });
    ends.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0)
}

/// A count, and for each column its name, then for each its type: all of variable length.
fn binary_header(result: &[u8], lists: usize) -> Option<usize> {
    let (columns, mut at) = variable_length(result, 0)?;
    for _ in 0..columns.checked_mul(lists)? {
        let (length, start) = variable_length(result, at)?;
        at = start.checked_add(length)?;
    }
    (at <= result.len()).then_some(at)
}

/// A LEB128 number at `at`, and where it ends.
fn variable_length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (index, byte) in bytes.get(at..)?.iter().enumerate().take(9) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    None
}

/// The media type the engine's server gives for a format.
pub fn content_type(format: &str) -> &'static str {
    match format {
        "JSON"
        | "JSONCompact"
        | "JSONStrings"
        | "JSONCompactStrings"
        | "JSONColumns"
        | "JSONCompactColumns"
        | "JSONColumnsWithMetadata"
        | "JSONObjectEachRow" => "application/json; charset=UTF-8",
        f if f.starts_with("JSON") && f.contains("EachRow") => "application/x-ndjson; charset=UTF-8",
        "JSONLines" | "NDJSON" => "application/x-ndjson; charset=UTF-8",
        f if f.starts_with("CSV") => {
            if f.contains("WithNames") {
                "text/csv; charset=UTF-8; header=present"
            } else {
                "text/csv; charset=UTF-8; header=absent"
            }
        }
        f if f.starts_with("TabSeparated") || f.starts_with("TSV") => "text/tab-separated-values; charset=UTF-8",
        "XML" => "application/xml; charset=UTF-8",
        "Native" | "RawBLOB" | "MsgPack" | "Parquet" | "ORC" | "Avro" | "Arrow" | "ArrowStream" | "Protobuf" => {
            "application/octet-stream"
        }
        f if f.starts_with("RowBinary") => "application/octet-stream",
        _ => "text/plain; charset=UTF-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_measured() {
        assert_eq!(header_bytes("CSV", b"\"a\"\n1\n"), 0);
        assert_eq!(header_bytes("CSVWithNames", b"\"a\n\"\"b\"\n1\n"), 8);
        assert_eq!(header_bytes("TSVWithNamesAndTypes", b"a\"\nUInt8\n1\n"), 9);
        assert_eq!(header_bytes("RowBinaryWithNames", b"\x02\x01a\x02bc\xff"), 6);
        assert_eq!(header_bytes("RowBinaryWithNamesAndTypes", b"\x01\x01a\x05UInt8\x07"), 9);
        assert_eq!(header_bytes("RowBinaryWithNamesAndTypes", b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 0);
    }
}
