//! Runs one request on a thread of its own: opens a session, finds what the text is, runs it, and
//! writes the answer as it comes.

use std::io::{self, Read};
use std::time::Instant;

use super::super::error::EngineError;
use super::super::ffi::{Connection, Counters, InsertStream};
use super::super::pool::{Engine, SessionSetup};
use super::super::statement::{InsertHead, Opening, opening, outline};
use super::compression::decoder;
use super::formats::{header_bytes, is_streamable};
use super::request::BodyReader;
use super::response::{ClientGone, ResponseWriter};

/// How much of a text is looked at for the place where an insert's data begins.
const OPENING_BYTES: usize = 256 << 10;
/// The longest statement; rows are no part of it.
const MAX_STATEMENT_BYTES: usize = 16 << 20;
/// Rows are handed to the engine, and results to the client, in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;
/// The format of a server that was told none.
const DEFAULT_FORMAT: &str = "TabSeparated";

/// One request, ready to run.
pub struct Job {
    pub setup: SessionSetup,
    /// The statement from the URL or form; the body follows it.
    pub query: String,
    pub body: BodyReader,
    pub content_encoding: Option<String>,
    pub is_body_native: bool,
    pub params: Vec<(String, String)>,
    pub default_format: Option<String>,
    /// The whole result before the first byte of the answer.
    pub is_whole: bool,
}

/// Why a request got no full answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    ClientGone(#[from] ClientGone),
}

/// Runs the job to its end; errors are returned, not written.
pub fn execute(engine: &Engine, job: Job, writer: &mut ResponseWriter) -> Result<(), Failure> {
    let started = Instant::now();
    let mut session = engine.session(&job.setup)?;
    let mut text = job.query.into_bytes();
    // Made here: some decoders read as soon as they exist, and only this thread may wait for bytes.
    let mut body = decoder(job.body, job.content_encoding.as_deref(), job.is_body_native)?;
    if !text.is_empty() && opening(&text, false) == Opening::NeedsMore && opening(&text, true) != Opening::Statement {
        // `?query=INSERT … FORMAT X` and the rows as the body: the line break ends the statement.
        text.push(b'\n');
    }

    let mut is_body_read = false;
    loop {
        match opening(&text, is_body_read) {
            Opening::Insert(head) => {
                let counters = insert(&mut session, &text, &head, body, &job.params)?;
                writer.begin(DEFAULT_FORMAT, counters, started.elapsed())?;
                return Ok(());
            }
            Opening::Statement if is_body_read => break,
            Opening::NeedsMore if text.len() > OPENING_BYTES => {
                return Err(EngineError::bad_arguments("An INSERT must name its format near its beginning").into());
            }
            Opening::Statement | Opening::NeedsMore => is_body_read = !read_piece(&mut body, &mut text)?,
        }
        if text.len() > MAX_STATEMENT_BYTES {
            return Err(EngineError::new(
                229,
                "QUERY_IS_TOO_LARGE",
                &format!("The query is longer than {MAX_STATEMENT_BYTES} bytes"),
            )
            .into());
        }
    }
    let sql = String::from_utf8(text).map_err(|_| EngineError::new(62, "SYNTAX_ERROR", "The query is not UTF-8"))?;
    if sql.trim().is_empty() {
        return Err(EngineError::new(62, "SYNTAX_ERROR", "Syntax error: the query is empty").into());
    }
    let outline = outline(&sql);
    if outline.has_into_outfile {
        return Err(EngineError::new(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed").into());
    }
    let default_format = job.default_format.as_deref().unwrap_or(DEFAULT_FORMAT);
    let format = outline.format.as_deref().unwrap_or(default_format);
    if outline.is_select && !outline.needs_whole && !job.is_whole && is_streamable(format) {
        match stream(&mut session, &sql, format, &job.params, writer, started) {
            // Decided before anything runs: SELECT in form, something else in kind.
            Err(Failure::Engine(error)) if !writer.is_begun() && is_not_a_stream(&error) => {}
            result => return result,
        }
    }
    let output = session.query(&sql, format, &job.params)?;
    writer.begin(format, output.counters(), started.elapsed())?;
    for piece in output.bytes().chunks(PIECE_BYTES) {
        writer.write(piece)?;
    }
    Ok(())
}

fn is_not_a_stream(error: &EngineError) -> bool {
    error.code() == 36 && error.to_string().contains("Streaming query is not supported for query")
}

/// Reads some more of the body. False at its end.
fn read_piece(body: &mut impl Read, text: &mut Vec<u8>) -> Result<bool, EngineError> {
    let before = text.len();
    body.take(64 << 10).read_to_end(text).map_err(|error| unreadable(&error))?;
    Ok(text.len() > before)
}

fn unreadable(error: &io::Error) -> EngineError {
    EngineError::new(33, "CANNOT_READ_ALL_DATA", &format!("Cannot read the request's body: {error}"))
}

/// Stores the rows, or none of them if the body breaks off before its first block is full.
fn insert(
    session: &mut Connection,
    text: &[u8],
    head: &InsertHead,
    mut body: impl Read,
    params: &[(String, String)],
) -> Result<Counters, EngineError> {
    let sql = std::str::from_utf8(&text[..head.sql_end])
        .map_err(|_| EngineError::new(62, "SYNTAX_ERROR", "The query is not UTF-8"))?;
    let mut stream = session.insert(sql.trim_end(), &head.format, params)?;
    let mut piece = text[head.data_start..].to_vec();
    loop {
        while piece.len() < PIECE_BYTES {
            let wanted = (PIECE_BYTES - piece.len()) as u64;
            if (&mut body).take(wanted).read_to_end(&mut piece).map_err(|error| unreadable(&error))? == 0 {
                append(&mut stream, &piece)?;
                return stream.finish();
            }
        }
        append(&mut stream, &piece)?;
        piece.clear();
    }
}

fn append(stream: &mut InsertStream<'_>, piece: &[u8]) -> Result<(), EngineError> {
    if piece.is_empty() { Ok(()) } else { stream.append(piece) }
}

fn stream(
    session: &mut Connection,
    sql: &str,
    format: &str,
    params: &[(String, String)],
    writer: &mut ResponseWriter,
    started: Instant,
) -> Result<(), Failure> {
    let mut stream = session.stream(sql, format, params)?;
    let mut counters = Counters::default();
    let mut is_begun = false;
    let mut header = Vec::new();
    // The status is sent with the first piece: an error before it still gets its own.
    while let Some(piece) = stream.next()? {
        counters += piece.counters();
        if !is_begun {
            writer.begin(format, counters, started.elapsed())?;
            is_begun = true;
            header = piece.bytes()[..header_bytes(format, piece.bytes())].to_vec();
            writer.write(&header)?;
        }
        // The library repeats the header in every piece.
        let rows = piece.bytes().strip_prefix(header.as_slice()).unwrap_or(piece.bytes());
        for part in rows.chunks(PIECE_BYTES) {
            writer.write(part)?;
        }
    }
    if !is_begun {
        writer.begin(format, counters, started.elapsed())?;
    }
    Ok(())
}
