//! Names into addresses, passed in.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Where the addresses of a receiver's name come from.
#[derive(Clone)]
pub struct Resolver(Source);

type Answer = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

#[derive(Clone)]
enum Source {
    System,
    Answering(Arc<Answer>),
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Resolver::System",
            Source::Answering(_) => "Resolver::Answering",
        })
    }
}

impl Resolver {
    /// The resolver of the operating system.
    pub const fn system() -> Self {
        Self(Source::System)
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
            Source::System => Ok(tokio::net::lookup_host((name, port)).await?.collect()),
            Source::Answering(answer) => Ok(answer(name)?
                .into_iter()
                .map(|address| SocketAddr::new(address, port))
                .collect()),
        }
    }
}
