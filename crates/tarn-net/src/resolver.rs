//! Names into addresses, passed in.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
};

use tokio::{sync::Semaphore, task::spawn_blocking};

/// How many look-ups of the operating system's resolver are under way at once. Each takes a thread until the name servers
/// have answered, also when no caller waits for it any more, and uploads need those threads too.
const LOOK_UPS: usize = 64;

/// Where the addresses of a receiver's name come from.
#[derive(Clone)]
pub struct Resolver(Source);

type Answer = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

#[derive(Clone)]
enum Source {
    System(Arc<Semaphore>),
    Answering(Arc<Answer>),
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System(_) => "Resolver::System",
            Source::Answering(_) => "Resolver::Answering",
        })
    }
}

impl Resolver {
    /// The resolver of the operating system.
    pub fn system() -> Self {
        Self(Source::System(Arc::new(Semaphore::new(LOOK_UPS))))
    }

    /// One that gives the answers of a function, for tests.
    pub fn answering(
        answer: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self(Source::Answering(Arc::new(answer)))
    }

    /// The addresses of `name`, with that port, in the order to try them.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub(super) async fn addresses(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            Source::System(look_ups) => {
                // The semaphore is never closed, so there is always a permit in the end.
                let permit = Arc::clone(look_ups).acquire_owned().await.ok();
                let name = name.to_owned();
                spawn_blocking(move || {
                    let found = (name.as_str(), port).to_socket_addrs();
                    drop(permit);
                    Ok(found?.collect())
                })
                .await?
            }
            Source::Answering(answer) => Ok(answer(name)?
                .into_iter()
                .map(|address| SocketAddr::new(address, port))
                .collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_operating_system_knows_this_machine() {
        let found = Resolver::system()
            .addresses("localhost", 8080)
            .await
            .unwrap();
        assert!(!found.is_empty());
        for address in found {
            assert!(
                address.ip().is_loopback() && address.port() == 8080,
                "{address}"
            );
        }
    }
}
