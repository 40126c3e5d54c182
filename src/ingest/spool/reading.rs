//! The one thread that reads.
//!
//! A batch is many small pieces. Were each made on whichever thread of a pool is free, the allocator would keep memory for a
//! batch on many of them: here what was let go of one batch is taken for the next.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::Builder;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Does one job after the other, and ends when it is dropped and the last one is done.
#[derive(Debug)]
pub(super) struct ReadingThread {
    jobs: mpsc::Sender<Job>,
}

impl ReadingThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        Builder::new().name("spool-reader".to_owned()).spawn(move || {
            for job in queue {
                // Who waits for the job hears of it; the next one is done all the same.
                catch_unwind(AssertUnwindSafe(job)).ok();
            }
        })?;
        Ok(Self { jobs })
    }

    /// Does this when its turn comes, and gives what came of it. It is done also if nobody waits any more.
    ///
    /// # Errors
    /// If it panics.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (done, outcome) = oneshot::channel();
        let job = move || {
            done.send(work()).ok();
        };
        // The thread waits for jobs as long as there is a sender: this one.
        self.jobs.send(Box::new(job)).ok();
        outcome.await.map_err(|_| io::Error::other("the thread that reads the spool panicked"))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn all_is_done_on_one_thread_and_what_panics_is_only_its_own_loss() {
        let reading = ReadingThread::start().expect("a thread");
        let first = reading.run(|| thread::current().id()).await.expect("an id");
        assert_ne!(first, thread::current().id());
        reading.run(|| panic!("a bug")).await.map(|()| "nothing").expect_err("it panicked");
        assert_eq!(reading.run(|| thread::current().id()).await.ok(), Some(first));
    }
}
