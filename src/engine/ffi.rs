//! The C interface of the engine library, and the safe types over it. The only place with `unsafe`.
//!
//! Rules of the library that these types hold for their users: a connection runs one statement at a
//! time (methods take `&mut self`), every result and stream is destroyed exactly once and before its
//! connection is closed (they borrow it), and signal handlers stay ours.
#![expect(unsafe_code, reason = "calls a C library; every block says what makes it sound")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use super::error::EngineError;

/// The library cannot be used, or it refused to open its data.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("could not load the engine library {path}: {reason}")]
    Load { path: PathBuf, reason: String },
    #[error("the engine library {path} lacks the function {symbol}: another version is needed")]
    MissingSymbol { path: PathBuf, symbol: &'static str },
    #[error("the engine could not open its data directory (its own log above says why)")]
    Connect,
}

/// Handles of the library, only ever seen through pointers.
enum RawConnection {}
enum RawResult {}
enum RawInsert {}

type ConnectionHandle = *mut RawConnection;
/// Statement, format, then names and values of parameters: each as pointers and lengths.
type WithParams<R> = unsafe extern "C" fn(
    ConnectionHandle,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> *mut R;

/// Declares the table of functions and how to fill it from a loaded library.
macro_rules! functions {
    ($($field:ident = $symbol:literal: $signature:ty;)*) => {
        #[derive(Clone, Copy)]
        struct Functions { $($field: $signature,)* }

        impl Functions {
            /// # Safety
            /// The library's functions of these names must have these signatures.
            unsafe fn find(library: &libloading::Library, path: &Path) -> Result<Self, LibraryError> {
                Ok(Self {
                    $($field: {
                        // SAFETY: the caller vouches for the signature.
                        let symbol = unsafe { library.get::<$signature>(concat!($symbol, "\0").as_bytes()) };
                        *symbol.map_err(|_| LibraryError::MissingSymbol { path: path.to_owned(), symbol: $symbol })?
                    },)*
                })
            }
        }
    };
}

functions! {
    connect = "chdb_connect": unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut ConnectionHandle;
    close = "chdb_close_conn": unsafe extern "C" fn(*mut ConnectionHandle);
    shutdown = "chdb_shutdown": unsafe extern "C" fn() -> c_int;
    set_signal_handlers = "chdb_set_signal_handlers_enabled": unsafe extern "C" fn(c_int);
    query = "chdb_query_with_params_n": WithParams<RawResult>;
    stream = "chdb_stream_query_with_params_n": WithParams<RawResult>;
    stream_fetch = "chdb_stream_fetch_result": unsafe extern "C" fn(ConnectionHandle, *mut RawResult) -> *mut RawResult;
    stream_cancel = "chdb_stream_cancel_query": unsafe extern "C" fn(ConnectionHandle, *mut RawResult);
    insert = "chdb_stream_insert_with_params_n": WithParams<RawInsert>;
    insert_append = "chdb_stream_append": unsafe extern "C" fn(*mut RawInsert, *const c_void, usize) -> c_int;
    insert_done = "chdb_stream_done": unsafe extern "C" fn(*mut RawInsert) -> *mut RawResult;
    insert_cancel = "chdb_stream_cancel_insert": unsafe extern "C" fn(*mut RawInsert);
    insert_error = "chdb_stream_insert_error": unsafe extern "C" fn(*mut RawInsert) -> *const c_char;
    insert_destroy = "chdb_destroy_insert_stream": unsafe extern "C" fn(*mut RawInsert);
    result_buffer = "chdb_result_buffer": unsafe extern "C" fn(*mut RawResult) -> *const c_char;
    result_length = "chdb_result_length": unsafe extern "C" fn(*mut RawResult) -> usize;
    result_error = "chdb_result_error": unsafe extern "C" fn(*mut RawResult) -> *const c_char;
    result_rows = "chdb_result_rows_read": unsafe extern "C" fn(*mut RawResult) -> u64;
    result_bytes = "chdb_result_bytes_read": unsafe extern "C" fn(*mut RawResult) -> u64;
    storage_rows = "chdb_result_storage_rows_read": unsafe extern "C" fn(*mut RawResult) -> u64;
    storage_bytes = "chdb_result_storage_bytes_read": unsafe extern "C" fn(*mut RawResult) -> u64;
    rows_written = "chdb_result_rows_written": unsafe extern "C" fn(*mut RawResult) -> u64;
    bytes_written = "chdb_result_bytes_written": unsafe extern "C" fn(*mut RawResult) -> u64;
    result_destroy = "chdb_destroy_query_result": unsafe extern "C" fn(*mut RawResult);
}

/// The loaded engine library. Never unloaded: its threads and destructors outlive any owner.
#[derive(Clone, Copy)]
pub struct Library {
    functions: &'static Functions,
}

impl Library {
    /// Loads the library and keeps it from installing signal handlers. Starts no engine yet.
    pub fn load(path: &Path) -> Result<Self, LibraryError> {
        // SAFETY: running the library's initialisers is the purpose of this process; the file is the
        // pinned package's, named by whoever started us.
        let library = unsafe { libloading::Library::new(path) }
            .map_err(|error| LibraryError::Load { path: path.to_owned(), reason: error.to_string() })?;
        // SAFETY: the signatures are those of the library's public header at the pinned version.
        let functions = unsafe { Functions::find(&library, path)? };
        std::mem::forget(library);
        // SAFETY: takes a flag, touches only the library's own state; called before the first connection.
        unsafe { (functions.set_signal_handlers)(0) };
        Ok(Self { functions: Box::leak(Box::new(functions)) })
    }

    /// Opens a connection; the first one starts the engine with the server options among `arguments`
    /// (`--path=…`), later ones share it. Settings among them (`--name=value`) hold for this connection.
    pub fn connect(self, arguments: &[CString]) -> Result<Connection, LibraryError> {
        let mut argv: Vec<*mut c_char> = std::iter::once(c"clickhouse".as_ptr().cast_mut())
            .chain(arguments.iter().map(|argument| argument.as_ptr().cast_mut()))
            .collect();
        let argc = c_int::try_from(argv.len()).expect("a handful of arguments");
        argv.push(std::ptr::null_mut());
        // SAFETY: argv is a null-terminated array of `argc` C strings that live through the call, which
        // copies them and does not write to them.
        let outer = unsafe { (self.functions.connect)(argc, argv.as_mut_ptr()) };
        let outer = NonNull::new(outer).ok_or(LibraryError::Connect)?;
        // SAFETY: a non-null return points to a handle that stays valid until chdb_close_conn.
        let handle = unsafe { *outer.as_ptr() };
        if handle.is_null() {
            return Err(LibraryError::Connect);
        }
        Ok(Connection { functions: self.functions, outer, handle })
    }

    /// Stops the engine's threads. False while a connection is open or if one would not stop.
    pub fn shut_down(self) -> bool {
        // SAFETY: no arguments; refuses by itself while connections are open.
        unsafe { (self.functions.shutdown)() == 0 }
    }
}

/// Ends the process without running the library's global destructors, which race its threads.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions; the caller has flushed what it cares about.
    unsafe { nix::libc::_exit(code) }
}

/// What a statement read and wrote, as the engine counted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub read_rows: u64,
    pub read_bytes: u64,
    pub written_rows: u64,
    pub written_bytes: u64,
    pub result_rows: u64,
    pub result_bytes: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.read_rows += other.read_rows;
        self.read_bytes += other.read_bytes;
        self.written_rows += other.written_rows;
        self.written_bytes += other.written_bytes;
        self.result_rows += other.result_rows;
        self.result_bytes += other.result_bytes;
    }
}

/// Values for `{name:Type}` placeholders, in the engine's escaped text form. Never spliced into SQL.
pub type Params = [(String, String)];

/// The parallel arrays that the library takes parameters as.
struct ParamArrays {
    names: Vec<*const c_char>,
    name_lengths: Vec<usize>,
    values: Vec<*const c_char>,
    value_lengths: Vec<usize>,
}

impl ParamArrays {
    fn new(params: &Params) -> Self {
        Self {
            names: params.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lengths: params.iter().map(|(name, _)| name.len()).collect(),
            values: params.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lengths: params.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// One session with the engine: settings and current database are its own. Closed on drop.
pub struct Connection {
    functions: &'static Functions,
    outer: NonNull<ConnectionHandle>,
    handle: ConnectionHandle,
}

// SAFETY: the library lets any thread use a connection, one at a time; `&mut self` gives the latter.
unsafe impl Send for Connection {}

impl Connection {
    /// Runs one statement and holds its whole result.
    pub fn query(&mut self, sql: &str, format: &str, params: &Params) -> Result<Output<'_>, EngineError> {
        self.run(self.functions.query, sql, format, params)
    }

    /// Starts a `SELECT` whose result is fetched piece by piece.
    pub fn stream(&mut self, sql: &str, format: &str, params: &Params) -> Result<ResultStream<'_>, EngineError> {
        let output = self.run(self.functions.stream, sql, format, params)?;
        let stream = ResultStream {
            handle: output.handle,
            result: output.result,
            functions: output.functions,
            is_finished: false,
            borrow: PhantomData,
        };
        std::mem::forget(output);
        Ok(stream)
    }

    /// Starts an `INSERT` whose rows follow as bytes in `format`. `sql` stops before `FORMAT` or `VALUES`.
    pub fn insert(&mut self, sql: &str, format: &str, params: &Params) -> Result<InsertStream<'_>, EngineError> {
        let arrays = ParamArrays::new(params);
        // SAFETY: pointers and lengths describe memory that lives through the call; the connection is open.
        let raw = unsafe {
            (self.functions.insert)(
                self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                arrays.names.as_ptr(),
                arrays.name_lengths.as_ptr(),
                arrays.values.as_ptr(),
                arrays.value_lengths.as_ptr(),
                params.len(),
            )
        };
        let raw = NonNull::new(raw).ok_or_else(EngineError::no_answer)?;
        let stream = InsertStream { functions: self.functions, raw, is_finished: false, borrow: PhantomData };
        match stream.error() {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    fn run(
        &mut self,
        call: WithParams<RawResult>,
        sql: &str,
        format: &str,
        params: &Params,
    ) -> Result<Output<'_>, EngineError> {
        let arrays = ParamArrays::new(params);
        // SAFETY: as in `insert`.
        let raw = unsafe {
            call(
                self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                arrays.names.as_ptr(),
                arrays.name_lengths.as_ptr(),
                arrays.values.as_ptr(),
                arrays.value_lengths.as_ptr(),
                params.len(),
            )
        };
        // SAFETY: a fresh result of this connection, owned by nobody else.
        unsafe { Output::take(self.functions, self.handle, raw) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened by `connect`, closed only here; results borrow the connection, so none is left.
        unsafe { (self.functions.close)(self.outer.as_ptr()) };
    }
}

/// A result, or a piece of one. Its bytes live as long as it does.
pub struct Output<'connection> {
    functions: &'static Functions,
    handle: ConnectionHandle,
    result: NonNull<RawResult>,
    borrow: PhantomData<&'connection mut Connection>,
}

impl Output<'_> {
    /// # Safety
    /// `raw` is null or a result of this library that nothing else destroys.
    unsafe fn take(
        functions: &'static Functions,
        handle: ConnectionHandle,
        raw: *mut RawResult,
    ) -> Result<Self, EngineError> {
        let result = NonNull::new(raw).ok_or_else(EngineError::no_answer)?;
        let output = Self { functions, handle, result, borrow: PhantomData };
        // SAFETY: the result is alive; the message belongs to it and is copied before it goes.
        let message = unsafe { (functions.result_error)(result.as_ptr()) };
        if message.is_null() {
            return Ok(output);
        }
        // SAFETY: non-null messages are C strings.
        Err(EngineError::parse(&unsafe { CStr::from_ptr(message) }.to_string_lossy()))
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: buffer and length describe one allocation of the live result; an empty one may be null.
        unsafe {
            let length = (self.functions.result_length)(self.result.as_ptr());
            let buffer = (self.functions.result_buffer)(self.result.as_ptr());
            if length == 0 || buffer.is_null() { &[] } else { std::slice::from_raw_parts(buffer.cast(), length) }
        }
    }

    pub fn counters(&self) -> Counters {
        let (functions, result) = (self.functions, self.result.as_ptr());
        // SAFETY: plain getters on a live result.
        unsafe {
            Counters {
                read_rows: (functions.storage_rows)(result),
                read_bytes: (functions.storage_bytes)(result),
                written_rows: (functions.rows_written)(result),
                written_bytes: (functions.bytes_written)(result),
                result_rows: (functions.result_rows)(result),
                result_bytes: (functions.result_bytes)(result),
            }
        }
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        // SAFETY: owned by this value alone.
        unsafe { (self.functions.result_destroy)(self.result.as_ptr()) };
    }
}

/// A running `SELECT`. Dropping it before its end cancels it.
pub struct ResultStream<'connection> {
    functions: &'static Functions,
    handle: ConnectionHandle,
    result: NonNull<RawResult>,
    is_finished: bool,
    borrow: PhantomData<&'connection mut Connection>,
}

impl ResultStream<'_> {
    /// The next piece, or `None` at the end.
    pub fn next(&mut self) -> Result<Option<Output<'_>>, EngineError> {
        // SAFETY: stream and connection are alive and used by this thread alone; the piece is fresh.
        let piece = unsafe {
            let raw = (self.functions.stream_fetch)(self.handle, self.result.as_ptr());
            Output::take(self.functions, self.handle, raw)
        };
        match piece {
            Ok(piece) if piece.bytes().is_empty() => {
                self.is_finished = true;
                Ok(None)
            }
            Ok(piece) => Ok(Some(piece)),
            Err(error) => {
                self.is_finished = true;
                Err(error)
            }
        }
    }
}

impl Drop for ResultStream<'_> {
    fn drop(&mut self) {
        // SAFETY: as in `next`; cancelling leaves the handle to be destroyed, which happens only here.
        unsafe {
            if !self.is_finished {
                (self.functions.stream_cancel)(self.handle, self.result.as_ptr());
            }
            (self.functions.result_destroy)(self.result.as_ptr());
        }
    }
}

/// A running `INSERT`. Dropping it before `finish` abandons it: what was not yet a part is not stored.
pub struct InsertStream<'connection> {
    functions: &'static Functions,
    raw: NonNull<RawInsert>,
    is_finished: bool,
    borrow: PhantomData<&'connection mut Connection>,
}

impl InsertStream<'_> {
    /// Hands over more bytes; waits while the engine is behind.
    pub fn append(&mut self, data: &[u8]) -> Result<(), EngineError> {
        // SAFETY: the stream is alive; the bytes are copied during the call.
        let state = unsafe { (self.functions.insert_append)(self.raw.as_ptr(), data.as_ptr().cast(), data.len()) };
        if state == 0 { Ok(()) } else { Err(self.error().unwrap_or_else(EngineError::no_answer)) }
    }

    /// Says that all rows were given, and returns once they are stored.
    pub fn finish(mut self) -> Result<Counters, EngineError> {
        self.is_finished = true;
        // SAFETY: the stream is alive and this consumes it; the result is fresh and destroyed by `Output`.
        let output = unsafe {
            let raw = (self.functions.insert_done)(self.raw.as_ptr());
            Output::take(self.functions, std::ptr::null_mut(), raw)
        };
        output.map(|output| output.counters())
    }

    fn error(&self) -> Option<EngineError> {
        // SAFETY: the stream is alive; a non-null message is a C string that belongs to it.
        unsafe {
            let message = (self.functions.insert_error)(self.raw.as_ptr());
            (!message.is_null()).then(|| EngineError::parse(&CStr::from_ptr(message).to_string_lossy()))
        }
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle must be destroyed exactly once, finished or not; cancelling does not free it.
        unsafe {
            if !self.is_finished {
                (self.functions.insert_cancel)(self.raw.as_ptr());
            }
            (self.functions.insert_destroy)(self.raw.as_ptr());
        }
    }
}
