//! `tarn serve`: the server.

use std::{
    env,
    error::Error,
    io,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
};

use apk::sign::KeyName;
use tarn_base::{clock::Clock, names::OwnerName};
use tarn_core::{
    Registry, Survey,
    access::{AccountError, check_new},
    jobs,
    settings::{ConnectionLimits, GivenSetting, Settings},
};
use tokio::{net::TcpListener, sync::oneshot};
use tracing::Level;

use crate::{
    certificate, descriptors,
    failure::Failure,
    first_run::Welcome,
    logging, open, output,
    settings::{
        Configuration, Environment, ServerFlags, Source, TlsFrom, from_here,
        table::{self, Setting},
    },
    signals::{self, dropped},
};

/// `tarn serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    flags: ServerFlags,
}

/// Serves until a signal comes.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let unknown: Vec<String> = environment.unknown().map(str::to_owned).collect();
    let configuration = Configuration::resolve(&arguments.flags, environment, None)?;
    logging::install(&configuration, Level::INFO);
    for variable in unknown {
        tracing::warn!(%variable, "this variable is not a setting of Tarn; is it mistyped?");
    }
    let shutdown = signals::shutdown()?;
    let mut library_settings = open::library_settings(&configuration);
    let files = match &configuration.tls {
        Some(TlsFrom::Files { certificate, key }) => Some(certificate::of_files(certificate, key)?),
        Some(TlsFrom::Authority(settings)) => {
            library_settings.acme = Some(certificate::acme(settings)?);
            None
        }
        None => None,
    };
    let connections = &mut library_settings.connections;
    connections.max_open = descriptors::make_room(connections.max_open);
    library_settings.given = given(&configuration, &library_settings.connections);
    check_first_run(&configuration, &library_settings).await?;
    // Before anything is made: a first run that has nowhere to listen leaves nothing behind.
    let (listener, address) = listen(configuration.listen).await?;
    let registry = Registry::open(library_settings, Clock::system()).await?;
    let issued = registry
        .certificates()
        .map(certificate::issued)
        .transpose()?;
    let first_run = registry
        .administration()
        .accounts()
        .first_run(configuration.admin_password.clone())
        .await
        .map_err(|error| match error {
            AccountError::WeakPassword(_) => open::refused_admin_password(&error),
            error => Failure::hinted(&error),
        })?;
    let scheme = configuration.scheme();
    let announce = announcer();
    if let Some(first_run) = &first_run {
        let welcome = Welcome {
            first_run,
            program: env::args_os().next().map_or_else(
                || "tarn".to_owned(),
                |program| program.to_string_lossy().into_owned(),
            ),
            data_dir: &configuration.registry.data_dir,
            base_url: base_url(&configuration, address),
        };
        announce(welcome.account(), first_run.generated);
        let key = first_key(&registry, first_run.user).await;
        announce(welcome.commands(key.as_ref()), false);
    }
    announce(format!("listening on {scheme}://{address}\n"), false);
    tracing::info!(%address, data_dir = %configuration.registry.data_dir.display(), "serving");
    let (stop, stopped) = oneshot::channel::<()>();
    let delivering = tokio::spawn(deliver(registry.clone(), stopped));
    let (stop_jobs, jobs_stopped) = oneshot::channel::<()>();
    let jobs = tokio::spawn(jobs::run(registry.clone(), dropped(jobs_stopped)));
    let shutdown = async {
        shutdown.await;
        drop(stop);
    };
    let keeping = match issued.as_ref().zip(registry.certificates()) {
        Some((tls, certificates)) => Some(certificate::keep(Arc::clone(tls), certificates).await?),
        None => None,
    };
    let tls = files.or(issued);
    match &tls {
        Some(tls) => drop(tokio::spawn(signals::keep_current(Arc::clone(tls))?)),
        None => signals::survive_hangup()?,
    }
    let served = tarn_http::serve(registry.clone(), listener, tls, shutdown).await;
    drop(stop_jobs);
    // They end at their next step.
    let _ = jobs.await;
    if let Some((stop, keeping)) = keeping {
        drop(stop);
        let _ = keeping.await;
    }
    if let Err(error) = registry.access().write_down().await {
        tracing::warn!(%error, "the last wrong passwords are not counted at the next start, and the last uses of tokens are not recorded");
    }
    registry.refusals().flush().await;
    // It was stopped with the server, and takes no longer. Messages about the last requests are sent at the next
    // start.
    let _ = delivering.await;
    registry.metadata().close().await;
    served.map_err(|error| Failure::from_error(&error))?;
    tracing::info!("stopped");
    Ok(())
}

/// Refuses a weak password of a first run before the registry is made, so that the run leaves nothing behind.
async fn check_first_run(
    configuration: &Configuration,
    settings: &Settings,
) -> Result<(), Failure> {
    let Some(password) = &configuration.admin_password else {
        return Ok(());
    };
    // What the survey fails for, opening reports.
    match Survey::of(settings).await {
        Ok(found) if found.is_first_run => {
            check_new(password).map_err(|weak| open::refused_admin_password(&weak))
        }
        _ => Ok(()),
    }
}

/// The settings in force, for the page of the administrators. Of connections there are as many as file descriptors allow.
fn given(configuration: &Configuration, connections: &ConnectionLimits) -> Vec<GivenSetting> {
    let max_open = connections.max_open;
    let given = |(setting, value, source): &(&'static Setting, String, Source)| GivenSetting {
        name: setting.name,
        value: if setting.name == table::MAX_OF_SOURCE.name {
            connections.share().to_string()
        } else if setting.name == table::MAX_CONNECTIONS.name
            && max_open < configuration.registry.connections.max_open
        {
            format!("{max_open} (set to {value}; limited by the number of file descriptors)")
        } else {
            value.clone()
        },
        source: source.to_string(),
        help: setting.help,
    };
    configuration.report.iter().map(given).collect()
}

/// The file name of the key that signs the indexes of the first account. It is made here, since its name is a part of what to
/// type next. `None` where it cannot be made: the password, which is shown once, has to be shown all the same.
async fn first_key(registry: &Registry, user: &str) -> Option<KeyName> {
    let made = async {
        let name = OwnerName::parse(user)?;
        let owner = registry.metadata().owner(&name).await?;
        let owner = owner.ok_or("the account is not there")?;
        let (name, _) = registry.keys().public_key(&owner).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(name)
    };
    made.await
        .inspect_err(|error| tracing::warn!(%error, "the first signing key could not be made"))
        .ok()
}

/// Prints what the server says on standard output, beside the server: it serves also when that can't be written. The flag of a
/// text says that a generated password is in it, and nowhere else.
fn announcer() -> impl Fn(String, bool) {
    let (sender, texts) = mpsc::channel::<(String, bool)>();
    thread::spawn(move || {
        for (text, has_password) in texts {
            let Err(error) = output::write(&text) else {
                continue;
            };
            if has_password {
                tracing::error!(
                    %error,
                    "standard output could not be written, so the password of `admin` was not shown; set another one: \
                     tarn user password admin"
                );
            } else {
                tracing::warn!(%error, "standard output could not be written; the server goes on");
            }
        }
    });
    move |text, has_password| {
        // The thread ends with the server.
        let _ = sender.send((text, has_password));
    }
}

/// Sends what the outbox of the webhooks holds, until `stopped`.
async fn deliver(registry: Registry, stopped: oneshot::Receiver<()>) {
    let drain = registry.settings().connections.drain;
    registry.deliverer().run(dropped(stopped), drain).await;
}

async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failure = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there, perhaps another `tarn serve`; stop it, or choose another port with `--listen`"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 are for root; choose a higher one with `--listen`, and put a proxy in front"
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address; `0.0.0.0` listens on all it has"
            }
            _ => "choose another address with `--listen`",
        };
        Failure::new(format!("cannot listen on {wanted}"))
            .because(&error)
            .hint(hint)
    };
    let listener = TcpListener::bind(wanted).await.map_err(failure)?;
    let address = listener.local_addr().map_err(failure)?;
    Ok((listener, address))
}

/// The URL for the commands that the first run prints. They are typed on this machine first, so an address that stands
/// for all of them becomes that of this machine.
fn base_url(configuration: &Configuration, address: SocketAddr) -> String {
    if let Some(url) = &configuration.registry.base_url {
        return url.clone();
    }
    if let Some(TlsFrom::Authority(settings)) = &configuration.tls
        && let Some(name) = settings.names.first()
    {
        return format!("https://{name}");
    }
    format!("{}://{}", configuration.scheme(), from_here(address))
}
