//! `tarn check-config`: what is in force, where it comes from, and whether it can work.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::Serialize;
use tarn_core::{Survey, access::check_new};
use tarn_store::{blobs::Store, metadata::Database};

use crate::{
    certificate,
    failure::Failure,
    open, output,
    settings::{Configuration, Environment, ServerFlags, TlsFrom},
};

/// `tarn check-config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: ServerFlags,
}

/// One setting, in the JSON.
#[derive(Serialize)]
struct Shown {
    name: &'static str,
    value: String,
    source: String,
}

/// What a check found.
#[derive(Debug)]
enum Finding {
    /// As it should be.
    Good(String),
    /// Worth knowing; the server starts all the same.
    Notable(String),
    /// The server would not start: what it would say.
    Bad(Failure),
}

fn bad(what: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding::Bad(Failure::new(what).hint(hint))
}

/// Prints the settings, then checks the folders, the sealing key, the first password, the address and the base URL. Nothing is
/// made or changed.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let mut findings: Vec<Finding> = environment
        .unknown()
        .map(|variable| {
            Finding::Notable(format!(
                "{variable} is set, but is not a setting of this version; is it mistyped?"
            ))
        })
        .collect();
    let configuration = Configuration::of_command(&arguments.flags, environment)?;
    print(&configuration, arguments.json)?;
    findings.push(data_folder(&configuration.registry.data_dir));
    findings.extend(database_folder(&configuration));
    if !findings
        .iter()
        .any(|finding| matches!(finding, Finding::Bad(_)))
    {
        findings.extend(first_steps(&configuration).await);
    }
    findings.extend(store(&configuration).await);
    findings.push(address(&configuration));
    findings.extend(tls(&configuration));
    findings.extend(base_url(&configuration));
    findings.extend(proxies(&configuration));
    let mut first = None;
    for finding in findings {
        match finding {
            Finding::Good(text) => output::note(&format!("ok: {text}")),
            Finding::Notable(text) => output::note(&format!("note: {text}")),
            Finding::Bad(failure) => match first {
                None => first = Some(failure),
                Some(_) => output::note(&failure.to_string()),
            },
        }
    }
    first.map_or(Ok(()), Err)
}

fn tls(configuration: &Configuration) -> Option<Finding> {
    let (checked, text) = match configuration.tls.as_ref()? {
        TlsFrom::Files { certificate, key } => (
            certificate::of_files(certificate, key).map(drop),
            "the certificate and its key can be used".to_owned(),
        ),
        TlsFrom::Authority(settings) => (
            certificate::acme(settings).map(drop),
            format!(
                "the server will order a certificate for {} from {}, which was not asked now",
                settings.names.join(", "),
                settings.directory
            ),
        ),
    };
    Some(match checked {
        Ok(()) => Finding::Good(text),
        Err(failure) => Finding::Bad(failure),
    })
}

fn print(configuration: &Configuration, json: bool) -> Result<(), Failure> {
    let shown = configuration
        .report
        .iter()
        .map(|(setting, value, source)| Shown {
            name: setting.name,
            value: value.clone(),
            source: source.to_string(),
        });
    let (shown, heading) = (shown.collect::<Vec<_>>(), ["SETTING", "VALUE", "FROM"]);
    output::print_list(json, "setting", heading, shown, |shown| {
        [shown.name.to_owned(), shown.value, shown.source]
    })
}

fn data_folder(folder: &Path) -> Finding {
    let shown = folder.display();
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match to_be_made(folder) {
                Ok(parent) => Finding::Good(format!(
                    "the data folder {shown} will be made in {} at the first run",
                    parent.display()
                )),
                Err(finding) => finding,
            };
        }
        Err(error) => {
            return bad(
                format!("cannot look at the data folder {shown}: {error}"),
                "run this as the user that runs the server",
            );
        }
    };
    if !metadata.is_dir() {
        return bad(
            format!("{shown} is not a folder"),
            "choose a folder with `--data-dir`",
        );
    }
    if let Some(finding) = not_writable(folder) {
        return finding;
    }
    if metadata.mode() & 0o077 != 0 {
        return Finding::Notable(format!(
            "other users can look into the data folder {shown}; close it to them: chmod 700 {shown}"
        ));
    }
    Finding::Good(format!("the data folder {shown} can be written to"))
}

/// The folder that a file or a folder is in.
fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("/"),
    }
}

/// The nearest folder above `folder` that is there, when it can be written to.
fn to_be_made(folder: &Path) -> Result<PathBuf, Finding> {
    let mut parent = folder;
    loop {
        parent = above(parent);
        if parent.exists() || parent == Path::new("/") || parent == Path::new(".") {
            return not_writable(parent).map_or_else(|| Ok(parent.to_owned()), Err);
        }
    }
}

/// Why nothing can be written into `folder`, if so. Asks the operating system and writes nothing.
fn not_writable(folder: &Path) -> Option<Finding> {
    let error = rustix::fs::access(
        folder,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .err()?;
    Some(bad(
        format!(
            "cannot write into the folder {}: {}",
            folder.display(),
            io::Error::from(error)
        ),
        "run the server as the owner of the folder, or choose another one with `--data-dir`",
    ))
}

/// The folder of a database that is kept in a file outside of the data folder.
fn database_folder(configuration: &Configuration) -> Option<Finding> {
    let Database::Sqlite(path) = &configuration.registry.database else {
        return None;
    };
    let folder = above(path);
    if folder == configuration.registry.data_dir {
        return None;
    }
    Some(match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => not_writable(folder).unwrap_or_else(|| {
            Finding::Good(format!(
                "the folder of the database {} can be written to",
                folder.display()
            ))
        }),
        _ => bad(
            format!(
                "the folder of the database {} is not there",
                folder.display()
            ),
            "make it, or change `--database`",
        ),
    })
}

/// What the server does before it listens: it opens the database and the sealing key, and makes the first account.
async fn first_steps(configuration: &Configuration) -> Vec<Finding> {
    let survey = match Survey::of(&open::library_settings(configuration)).await {
        Ok(survey) => survey,
        Err(error) => return vec![Finding::Bad(Failure::hinted(&error))],
    };
    let mut findings = vec![Finding::Good(if survey.makes_sealing_key {
        "the sealing key will be made at the first run".to_owned()
    } else {
        "the sealing key can be used".to_owned()
    })];
    if survey.is_first_run
        && let Some(password) = &configuration.admin_password
        && let Err(weak) = check_new(password)
    {
        findings.push(Finding::Bad(open::refused_admin_password(&weak)));
    }
    findings
}

/// Whether a store in the network answers. Nothing is written there.
async fn store(configuration: &Configuration) -> Option<Finding> {
    let settings = open::library_settings(configuration);
    let (storage, data_dir) = (&settings.storage, &settings.data_dir);
    if !storage.is_remote() {
        return None;
    }
    let answer = async { Store::of(storage, data_dir)?.any().await };
    Some(match answer.await {
        Ok(_) => Finding::Good(format!("{} answers", storage.shown(data_dir))),
        Err(error) => Finding::Bad(Failure::from_error(&error)),
    })
}

fn address(configuration: &Configuration) -> Finding {
    let wanted = configuration.listen;
    match TcpListener::bind(wanted) {
        Ok(_) => Finding::Good(format!("the address {wanted} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::Notable(format!(
            "a program listens on {wanted} already; that is fine if it is this server"
        )),
        Err(error) => bad(
            format!("cannot listen on {wanted}: {error}"),
            "choose another address with `--listen`",
        ),
    }
}

/// What a base URL would do to clients.
fn base_url(configuration: &Configuration) -> Option<Finding> {
    let Some(url) = &configuration.registry.base_url else {
        if configuration.tls.is_some() {
            return None;
        }
        if configuration.listen.ip().is_loopback() {
            return Some(Finding::Notable(format!(
                "only this machine can reach {}; set `base-url` when a proxy stands in front, or `listen` on another address",
                configuration.listen
            )));
        }
        return Some(Finding::Notable(
            "without `base-url` and TLS in front, passwords cross the network in the clear"
                .to_owned(),
        ));
    };
    url.starts_with("http://").then(|| {
        Finding::Notable(format!(
            "with {url} passwords cross the network in the clear; https:// hides them"
        ))
    })
}

/// What not knowing the sources of requests would do.
fn proxies(configuration: &Configuration) -> Option<Finding> {
    let behind_a_proxy =
        configuration.registry.base_url.is_some() && configuration.listen.ip().is_loopback();
    (behind_a_proxy && configuration.registry.proxies.trusted.is_empty()).then(|| {
        Finding::Notable(
            "without `trusted-proxies` all requests seem to come from the proxy, and one client's wrong passwords slow down sign-in for everyone"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_to_be_made_needs_one_above_that_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let finding = data_folder(&folder.path().join("a/b"));
        assert!(matches!(finding, Finding::Good(text) if text.contains("will be made")));
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn a_file_is_no_data_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(
            matches!(data_folder(file.path()), Finding::Bad(failure) if failure.to_string().contains(" is not a folder\n"))
        );
    }
}
