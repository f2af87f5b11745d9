//! Signals. The first SIGTERM or SIGINT asks the server to stop in order, the second ends it at once. SIGHUP has the certificate
//! read again, where there is one. And SIGXFSZ, which does nothing.

use std::{
    error::Error,
    io::{self, IsTerminal as _},
    process,
    sync::Arc,
    time::Duration,
};

use tarn_http::Tls;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    task::spawn_blocking,
    time::interval,
};

use crate::{
    failure::{Exit, Failure},
    logging,
};

/// How often the files of the certificate are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Has a write beyond the limit on the size of files (`ulimit -f`) fail, as one to a full disk does, rather than end the
/// process: installing a handler takes away the default action of SIGXFSZ, and it stays installed. To be called within the
/// runtime.
///
/// # Errors
///
/// When the operating system refuses.
pub(crate) fn survive_file_size_limit() -> Result<(), Failure> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    handler(kind).map(drop)
}

/// Installs the handlers. From here on a signal no longer kills the process by itself: the future given back is ready at
/// the first one, and a second one ends the process with 128 plus its number.
///
/// # Errors
///
/// When the operating system refuses.
pub(crate) fn shutdown() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = handler(SignalKind::terminate())?;
    let mut interrupt = handler(SignalKind::interrupt())?;
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        // The server can have ended by itself; then there is nothing left to stop.
        let _ = sender.send(());
        let exit = next(&mut terminate, &mut interrupt).await;
        logging::last_words(
            "error: stopped at once by a second signal; requests under way were cut off",
        );
        process::exit(exit as i32);
    });
    Ok(dropped(receiver))
}

/// Waits until the sender is gone, or sends.
pub(crate) async fn dropped(receiver: oneshot::Receiver<()>) {
    let _ = receiver.await;
}

fn handler(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new("cannot listen for signals").because(&error))
}

/// Has SIGHUP do nothing, which `systemctl reload` sends, unless a person has started the process in a terminal: a server in
/// a window that is closed is to end with it.
///
/// # Errors
///
/// When the operating system refuses.
pub(crate) fn survive_hangup() -> Result<(), Failure> {
    match io::stdin().is_terminal() {
        true => Ok(()),
        false => handler(SignalKind::hangup()).map(drop),
    }
}

/// Reads the certificate again when its files change, and on SIGHUP. Never ends.
///
/// # Errors
///
/// When the operating system refuses the handler.
pub(crate) fn keep_current(tls: Arc<Tls>) -> Result<impl Future<Output = ()>, Failure> {
    let mut hangup = handler(SignalKind::hangup())?;
    Ok(async move {
        let mut look = interval(LOOK);
        let mut said = String::new();
        loop {
            tokio::select! {
                _ = hangup.recv() => said.clear(),
                _ = look.tick() => {}
            }
            let reloaded = {
                let tls = Arc::clone(&tls);
                spawn_blocking(move || tls.reload()).await
            };
            match reloaded {
                Ok(Ok(true)) => tracing::info!("the certificate was read again"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    let text = error.to_string();
                    // Once, not every few seconds.
                    if text != said {
                        let cause = error.source().map(ToString::to_string);
                        tracing::warn!(%error, cause, "the certificate was not read again; the one from before is used");
                        said = text;
                    }
                }
                Err(error) => tracing::warn!(%error, "the certificate was not read again"),
            }
        }
    })
}

/// Waits for a signal. Gives the code to exit with when it is the second one.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> Exit {
    tokio::select! {
        _ = terminate.recv() => Exit::Terminated,
        _ = interrupt.recv() => Exit::Interrupted,
    }
}
