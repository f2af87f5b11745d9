//! `tarn health`: whether a server serves, for whatever watches over it where there is no other program to ask.

use std::net::SocketAddr;

use http::StatusCode;
use tarn_net::Remote;
use url::Url;

use crate::{
    failure::Failure,
    remote::{text_of, unanswered},
    settings::{Configuration, Environment, RegistryFlags, from_here},
};

/// The path at which a server says that it can serve.
const PATH: &str = "healthz";

/// `tarn health`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The server, such as http://127.0.0.1:8080 [default: the one that the settings say, on this machine]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    #[command(flatten)]
    flags: RegistryFlags,
}

/// Asks, and says nothing where all is well.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let of_settings = arguments.url.is_none();
    let url = match arguments.url {
        Some(url) => url,
        None => self::of_settings(&arguments.flags)?,
    };
    let asked = url.join(PATH).map_err(|error| {
        Failure::usage("the URL cannot be asked")
            .because(&error)
            .hint("write it like http://127.0.0.1:8080")
    })?;
    // Nothing is sent that would be worth reading, and the certificate is seldom for the address.
    let remote = Remote::trusting_everyone().map_err(|error| unanswered(&error))?;
    let mut answer = remote.get(&asked, None).await.map_err(|error| {
        let failure = unanswered(&error);
        match of_settings {
            true => failure.hint(
                "check that the server is running; this address is from the settings. If it was started with flags: tarn health --url \
                 http://HOST:PORT",
            ),
            false => failure,
        }
    })?;
    match answer.status() {
        StatusCode::OK => Ok(()),
        _ => Err(Failure::new(text_of(&mut answer).await).about(url.as_str())),
    }
}

/// Where the server listens. One that listens everywhere is asked on the loopback.
fn of_settings(flags: &RegistryFlags) -> Result<Url, Failure> {
    let configuration = Configuration::of_command(flags, Environment::of_process())?;
    let scheme = configuration.scheme();
    let address = from_here(configuration.listen);
    // Without the scope of an IPv6 address, which a URL can't hold.
    let address = SocketAddr::new(address.ip(), address.port());
    Url::parse(&format!("{scheme}://{address}")).map_err(|error| Failure::from_error(&error))
}
