//! SIGTERM and SIGINT: the first asks the server to stop in order, the second ends it at once.

use std::process;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use crate::{
    failure::{Exit, Failure},
    output,
};

/// Handlers of both signals.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. From here on a signal no longer kills the process by itself.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub(crate) fn install() -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind).map_err(|error| Failure::new("cannot listen for signals").because(&error))
        };
        Ok(Self {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
        })
    }

    /// Ready at the first signal. A second one ends the process, with 128 plus its number.
    pub(crate) fn shutdown(mut self) -> impl Future<Output = ()> {
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            self.next().await;
            // The server can have ended by itself; then there is nobody left to tell.
            let _ = sender.send(());
            let exit = self.next().await;
            output::note(
                "error: stopped at once by a second signal; requests under way were cut off",
            );
            process::exit(exit as i32);
        });
        async {
            let _ = receiver.await;
        }
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.interrupt.recv() => Exit::Interrupted,
        }
    }
}
