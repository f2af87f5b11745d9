//! The threads that serve connections: one for each processor, each with an event loop and connections of its own.
//!
//! A connection stays on the thread that it was given to. On one runtime with two threads, each readiness of a socket
//! woke a second thread to look for work, and connections moved from processor to processor: an answer of 304 cost
//! 21.5 µs of processor time, and 16.5 µs where there was one thread only.
//!
//! What may take long (a hash of a password, an index, a file) never runs here, but on threads that may wait
//! (`spawn_blocking`), or it would hold up the other connections of its thread.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle, available_parallelism},
};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
    task::spawn_blocking,
};

/// So many connections are on one thread before the next gets any. A thread that has more to do waits less often: eight busy
/// connections on one thread in place of two brought a 304 from 17.2 to 14.2 µs. The price is that they have one core.
const TOGETHER: usize = 8;

/// The threads. They end when this is dropped, and what they were doing with them.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    stop: watch::Sender<()>,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    thread: JoinHandle<()>,
    /// As many clones as it has tasks.
    share: Arc<()>,
}

impl Workers {
    /// One thread for each processor.
    ///
    /// # Errors
    ///
    /// When there cannot be another thread, or event loop.
    pub(super) fn start() -> io::Result<Self> {
        let number = available_parallelism().map_or(1, usize::from);
        let (stop, stopped) = watch::channel(());
        let workers = (0..number).map(|_| Worker::start(stopped.clone()));
        Ok(Self {
            workers: workers.collect::<io::Result<_>>()?,
            stop,
        })
    }

    /// Runs `task` on the first thread that has room, or else on the one that has the fewest.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = |worker: &Worker| Arc::strong_count(&worker.share) - 1;
        let with_room = self.workers.iter().find(|worker| tasks(worker) < TOGETHER);
        let fewest = || self.workers.iter().min_by_key(|worker| tasks(worker));
        let Some(worker) = with_room.or_else(fewest) else {
            return;
        };
        let share = Arc::clone(&worker.share);
        worker.runtime.spawn(async move {
            task.await;
            drop(share);
        });
    }

    /// Drops the tasks that still run, and waits until the threads have ended.
    pub(super) async fn end(self) {
        drop(self.stop);
        let threads = self.workers.into_iter().map(|worker| worker.thread);
        let threads: Vec<_> = threads.collect();
        let all = spawn_blocking(|| {
            for thread in threads {
                // One that panicked has ended too.
                let _ = thread.join();
            }
        });
        let _ = all.await;
    }
}

impl Worker {
    fn start(mut stopped: watch::Receiver<()>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new()
            .name("tarn-http".to_owned())
            .spawn(move || {
                // Nothing is ever sent: it ends when the sender is gone.
                let _ = runtime.block_on(stopped.changed());
            })?;
        Ok(Self {
            runtime: handle,
            thread,
            share: Arc::default(),
        })
    }
}
