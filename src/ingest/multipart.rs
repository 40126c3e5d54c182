//! Forms of several parts (RFC 7578), as a body that is in memory whole.

use super::inflate::InflateError;

/// Most parts of a form.
const MAX_PARTS: usize = 100;
/// Most bytes of the headers of a part.
const MAX_HEADER_BYTES: usize = 4 << 10;
/// Longest boundary (RFC 2046 §5.1.1).
const MAX_BOUNDARY_BYTES: usize = 70;

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub name: String,
    /// The media type in lower case, without parameters.
    pub content_type: Option<String>,
    /// As it was sent; maybe packed.
    pub data: &'a [u8],
}

/// Why a body is no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    #[error("the Content-Type names no boundary of 1 to {MAX_BOUNDARY_BYTES} characters")]
    NoBoundary,
    #[error("the boundary stands nowhere in the body")]
    NoParts,
    #[error("the last part has no end: the body is cut short")]
    Cut,
    #[error("the headers of a part cannot be read, or are longer than {MAX_HEADER_BYTES} bytes")]
    InvalidHeaders,
    #[error("a part has no name")]
    Unnamed,
    #[error("the form has more than {MAX_PARTS} parts")]
    TooManyParts,
    #[error("the form has no part named event that is a JSON object")]
    NoEvent,
    #[error("a part has a name that is not known here: {0:?}")]
    UnknownPart(String),
    #[error("two parts have the same name: {0:?}")]
    NamedTwice(String),
    #[error("the part {0:?} must be a JSON object")]
    NotAnObject(String),
    #[error("the part {name:?}: {error}")]
    Packed { name: String, error: InflateError },
}

/// Whether a body of this type is a form of parts.
#[must_use]
pub fn is_multipart(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|text| media_type(text) == "multipart/form-data")
}

/// The parts of a form in their order.
///
/// # Errors
/// If the body is not such a form, or not all of one.
///
/// # Examples
/// ```
/// use tenrec::ingest::multipart::parts;
///
/// let body = b"--x\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\n{}\r\n--x--\r\n";
/// let parts = parts("multipart/form-data; boundary=x", body)?;
/// assert_eq!((parts[0].name.as_str(), parts[0].data), ("event", &b"{}"[..]));
/// # Ok::<(), tenrec::ingest::multipart::MultipartError>(())
/// ```
pub fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, MultipartError> {
    let boundary = parameter(content_type, "boundary").ok_or(MultipartError::NoBoundary)?;
    if !(1..=MAX_BOUNDARY_BYTES).contains(&boundary.len()) {
        return Err(MultipartError::NoBoundary);
    }
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first one may stand at the very beginning, without the line break that belongs to the others.
    let mut rest = match body.strip_prefix(&delimiter[2..]).and_then(after_delimiter) {
        Some(after) => after,
        None => find(body, &delimiter).ok_or(MultipartError::NoParts)?.1,
    };
    let mut parts = Vec::new();
    while let After::Part(part) = rest {
        let (data, next) = find(part, &delimiter).ok_or(MultipartError::Cut)?;
        if parts.len() == MAX_PARTS {
            return Err(MultipartError::TooManyParts);
        }
        parts.push(read_part(data)?);
        rest = next;
    }
    if parts.is_empty() { Err(MultipartError::NoParts) } else { Ok(parts) }
}

/// What follows a delimiter.
enum After<'a> {
    Part(&'a [u8]),
    End,
}

/// Bytes up to the next delimiter, and what follows it. Letters of a boundary that go on are no delimiter.
fn find<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], After<'a>)> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].windows(delimiter.len()).position(|window| window == delimiter)?;
        if let Some(after) = after_delimiter(&bytes[at + delimiter.len()..]) {
            return Some((&bytes[..at], after));
        }
        from = at + 2;
    }
}

fn after_delimiter(bytes: &[u8]) -> Option<After<'_>> {
    if bytes.starts_with(b"--") {
        return Some(After::End);
    }
    let padding = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    // The line break is left to the part: one without headers begins with two.
    bytes[padding..].starts_with(b"\r\n").then(|| After::Part(&bytes[padding..]))
}

/// A part from the line break before its headers on.
fn read_part(bytes: &[u8]) -> Result<Part<'_>, MultipartError> {
    let within = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    let end = within.windows(4).position(|four| four == b"\r\n\r\n").ok_or(MultipartError::InvalidHeaders)?;
    let headers = std::str::from_utf8(&bytes[..end]).map_err(|_| MultipartError::InvalidHeaders)?;
    let (mut name, mut content_type) = (None, None);
    for line in headers.split("\r\n").filter(|line| !line.is_empty()) {
        let (key, value) = line.split_once(':').ok_or(MultipartError::InvalidHeaders)?;
        if key.eq_ignore_ascii_case("content-disposition") {
            name = parameter(value, "name");
        } else if key.eq_ignore_ascii_case("content-type") {
            content_type = Some(media_type(value));
        }
    }
    let name = name.filter(|name| !name.is_empty()).ok_or(MultipartError::Unnamed)?;
    Ok(Part { name, content_type, data: &bytes[end + 4..] })
}

fn media_type(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A parameter of a header such as `form-data; name="a"; filename=b`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        // A parameter without a value may stand before.
        let key = key.rsplit(';').next().unwrap_or_default().trim();
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, next) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), next)
            }
        };
        if key.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next;
    }
}

/// A quoted text up to its closing quote, and what follows that.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(letters.next()?.1),
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=x";

    fn names(body: &str) -> Result<Vec<String>, MultipartError> {
        parts(TYPE, body.as_bytes()).map(|parts| parts.into_iter().map(|part| part.name).collect())
    }

    #[test]
    fn parts_are_read_as_every_sender_writes_them() {
        let body = "a preamble\r\n--x  \r\ncontent-disposition: form-data; filename=\"a;name=b\"; NAME=\"e\\\"v\"\r\n\
                    Content-Type: Application/JSON; charset=utf-8\r\n\r\n{\r\n--xy\r\n}\r\n--x\r\n\
                    Content-Disposition: form-data; name=plain\r\n\r\n\r\n--x--\r\nan epilogue";
        let expected = [
            Part {
                name: "e\"v".to_owned(),
                content_type: Some("application/json".to_owned()),
                data: b"{\r\n--xy\r\n}",
            },
            Part { name: "plain".to_owned(), content_type: None, data: b"" },
        ];
        assert_eq!(parts(TYPE, body.as_bytes()).as_deref(), Ok(&expected[..]));
        assert_eq!(parts("Multipart/Form-Data;charset=utf-8; Boundary=\"x\"", body.as_bytes()).map(|p| p.len()), Ok(2));
    }

    #[test]
    fn what_is_no_whole_form_is_refused_by_name() {
        use MultipartError as E;
        const HEAD: &str = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n";
        assert_eq!(names(&format!("{HEAD}1\r\n--x--")), Ok(vec!["a".to_owned()]));
        assert_eq!(names(&format!("{HEAD}1\r\n--x-")), Err(E::Cut));
        assert_eq!(names(&format!("{HEAD}1\r\n")), Err(E::Cut));
        assert_eq!(names("--x--"), Err(E::NoParts));
        assert_eq!(names("hello"), Err(E::NoParts));
        assert_eq!(names("--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--"), Err(E::Unnamed));
        assert_eq!(names("--x\r\n\r\n1\r\n--x--"), Err(E::Unnamed));
        assert_eq!(names("--x\r\nno header\r\n\r\n1\r\n--x--"), Err(E::InvalidHeaders));
        assert_eq!(names(&format!("--x\r\nA: {}\r\n\r\n1\r\n--x--", "a".repeat(5000))), Err(E::InvalidHeaders));
        assert_eq!(names(&format!("{}\r\n--x--", vec![format!("{HEAD}1"); 101].join("\r\n"))), Err(E::TooManyParts));
        let other = |content_type| parts(content_type, b"--x--").expect_err("it is no form");
        assert_eq!(other("multipart/form-data"), E::NoBoundary);
        assert_eq!(other("multipart/form-data; boundary="), E::NoBoundary);
        assert_eq!(other("multipart/form-data; boundary=\"x"), E::NoBoundary);
    }

    proptest! {
        #[test]
        fn what_was_put_into_a_form_comes_out(contents in proptest::collection::vec(any::<Vec<u8>>(), 1..5)) {
            let boundary = "a-boundary-that-chance-does-not-find";
            let mut body = Vec::new();
            for (place, content) in contents.iter().enumerate() {
                body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{place}\"\r\n\r\n").bytes());
                body.extend(content);
                body.extend(b"\r\n");
            }
            body.extend(format!("--{boundary}--\r\n").bytes());
            let content_type = format!("multipart/form-data; boundary={boundary}");
            let read = parts(&content_type, &body).expect("it is a form");
            prop_assert_eq!(read.iter().map(|part| part.data.to_vec()).collect::<Vec<_>>(), contents);
        }

        #[test]
        fn anything_like_a_form_ends_without_panic(body in "(\r\n|--|x|:|;|name|=|\"|a| ){0,40}") {
            let _ = parts(TYPE, body.as_bytes());
            let _ = parts(&body, b"--x\r\n\r\n");
        }
    }
}
