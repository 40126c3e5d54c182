//! From a request to the bytes of its JSON, by evidence and not by version (PROTOCOL §1.2).
//!
//! What a sender says about its encoding is only ever a hint: a proxy may have unpacked the body and kept the header, and
//! the newest browser SDK says nothing at all about its gzip. So every step looks at the bytes first.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::inflate::{InflateError, UnpackLimits, gunzip, inflate_zlib};
use super::lz_string;

/// The parts of a request that say what its body is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoded<'a> {
    /// The raw query string.
    pub query: &'a str,
    pub content_type: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
    pub body: &'a [u8],
}

/// Why the JSON of a request was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Neither a body nor a `data` parameter.
    #[error("the request has no body and no data parameter")]
    Empty,
    /// Packed in a way that v0 endpoints do not take.
    #[error("the body is encoded as {0}, which this endpoint does not take; send gzip, or plain JSON")]
    UnsupportedEncoding(&'static str),
    #[error(transparent)]
    Inflate(#[from] InflateError),
    /// No known encoding of JSON.
    #[error("the body is neither JSON nor gzip, base64 or lz64 of JSON")]
    NotJson,
}

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// A proxy may pack what the SDK had packed already; more layers than that are somebody's joke.
const MAX_GZIP_LAYERS: usize = 2;

/// The bytes of the request's JSON: begins with `{` or `[`, is within the limits.
///
/// # Errors
/// If there is none, it is too large, or it is packed in an unknown or damaged way.
///
/// # Examples
/// ```
/// use tenrec::ingest::UnpackLimits;
/// use tenrec::ingest::decode::{Encoded, decode};
///
/// let form = Encoded { body: b"data=eyJldmVudCI6IngifQ%3D%3D", ..Encoded::default() };
/// assert_eq!(&*decode(&form, UnpackLimits::up_to(1000))?, br#"{"event":"x"}"#);
/// # Ok::<(), tenrec::ingest::decode::DecodeError>(())
/// ```
pub fn decode<'a>(request: &Encoded<'a>, limits: UnpackLimits) -> Result<Cow<'a, [u8]>, DecodeError> {
    let (mut data, compression) = raw_data(request);
    if data.is_empty() {
        return Err(DecodeError::Empty);
    }
    if data.len() > limits.max_bytes {
        return Err(InflateError::TooLarge { max_bytes: limits.max_bytes }.into());
    }
    let hint = Hint::of(compression.as_deref().or(request.content_encoding));

    data = gunzip_layers(data, limits)?;
    if hint == Hint::Deflate && !looks_like_json(&data) && data.first() == Some(&0x78) {
        data = inflate_zlib(&data, limits)?.into();
    }
    if hint == Hint::Lz64 && !looks_like_json(&data) {
        match lz_string::decompress_from_base64(&without_spaces(&data, b'+'), limits) {
            // It was something else after all, such as plain base64: carry on with what was sent.
            Err(InflateError::Damaged) => {}
            unpacked => data = unpacked?.into_bytes().into(),
        }
    }
    if !looks_like_json(&data)
        && let Some(decoded) = base64(&data)
    {
        data = gunzip_layers(decoded.into(), limits)?;
    }

    match hint {
        _ if looks_like_json(&data) => Ok(data),
        _ if data.starts_with(ZSTD_MAGIC) => Err(DecodeError::UnsupportedEncoding("zstd")),
        Hint::NotTaken(name) => Err(DecodeError::UnsupportedEncoding(name)),
        _ => Err(DecodeError::NotJson),
    }
}

/// What the sender says it did. Capture v1 takes `br` and `zstd` too; v0 names them when it refuses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// Nothing, or what the bytes themselves tell better: gzip, base64, plain.
    None,
    Lz64,
    Deflate,
    NotTaken(&'static str),
}

impl Hint {
    fn of(name: Option<&str>) -> Self {
        match name.map(|n| n.trim().to_ascii_lowercase()).as_deref() {
            Some("lz64") => Self::Lz64,
            Some("deflate") => Self::Deflate,
            Some("br") => Self::NotTaken("br"),
            Some("zstd") => Self::NotTaken("zstd"),
            _ => Self::None,
        }
    }
}

/// The data still encoded, and the `compression` named beside it: the query's `data`, else the form's, else the body.
fn raw_data<'a>(request: &Encoded<'a>) -> (Cow<'a, [u8]>, Option<String>) {
    let mut compression = parameter(request.query.as_bytes(), "compression");
    if let Some(data) = parameter(request.query.as_bytes(), "data") {
        return (data.into_bytes().into(), compression);
    }
    let body = request.body;
    let says_form = request.content_type.is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    let may_be_form =
        body.starts_with(b"data=") || (says_form && !looks_like_json(body) && !body.starts_with(GZIP_MAGIC));
    if may_be_form && let Some(data) = parameter(body, "data") {
        compression = parameter(body, "compression").or(compression);
        return (data.into_bytes().into(), compression);
    }
    (body.into(), compression)
}

/// The first value of a parameter of a query or a form.
pub(super) fn parameter(urlencoded: &[u8], name: &str) -> Option<String> {
    // Most requests have neither: look before allocating for every pair.
    if !urlencoded.starts_with(name.as_bytes()) && !contains_after_ampersand(urlencoded, name.as_bytes()) {
        return None;
    }
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = serde_urlencoded::from_bytes(urlencoded).ok()?;
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn contains_after_ampersand(urlencoded: &[u8], name: &[u8]) -> bool {
    urlencoded.split(|b| *b == b'&').skip(1).any(|pair| pair.starts_with(name))
}

fn gunzip_layers(mut data: Cow<'_, [u8]>, limits: UnpackLimits) -> Result<Cow<'_, [u8]>, InflateError> {
    for _ in 0..MAX_GZIP_LAYERS {
        if !data.starts_with(GZIP_MAGIC) {
            break;
        }
        data = gunzip(&data, limits)?.into();
    }
    Ok(data)
}

/// Whether the first byte that is not white space (or a byte order mark) opens an object or an array.
fn looks_like_json(data: &[u8]) -> bool {
    let data = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    matches!(data.iter().find(|b| !b.is_ascii_whitespace()), Some(b'{' | b'['))
}

/// Decodes base64, in either alphabet, padded or not. A `+` that a form turned into a space is one again.
fn base64(data: &[u8]) -> Option<Vec<u8>> {
    const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let mut letters = without_spaces(data.trim_ascii(), b'+').into_owned();
    letters.retain(|b| !matches!(b, b'\r' | b'\n'));
    for letter in &mut letters {
        match *letter {
            b'-' => *letter = b'+',
            b'_' => *letter = b'/',
            _ => {}
        }
    }
    ANY_PADDING.decode(letters).ok()
}

fn without_spaces(data: &[u8], instead: u8) -> Cow<'_, [u8]> {
    if data.contains(&b' ') {
        data.iter().map(|b| if *b == b' ' { instead } else { *b }).collect::<Vec<_>>().into()
    } else {
        data.into()
    }
}

#[cfg(test)]
mod tests;
