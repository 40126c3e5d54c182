//! Room for recursion.

/// What reading and printing the deepest text that is taken need many times over; only what is used becomes memory.
const STACK_BYTES: usize = 64 << 20;

/// Does work that goes as deep as a text is nested, on a stack of its own: the caller's may be small or nearly used up.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("sql".to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let joined = thread.expect("the system has room for one more thread").join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
