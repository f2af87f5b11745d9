//! `apk update` and `apk add` over a long line, with and without the words that make apk keep its connection.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    Effort, Result,
    corpus::{self, Entry},
    measure::{Samples, Seconds, wall_seconds, whole},
    proxy::Proxy,
    report::{Row, Table},
    servers::tarn::{Tarn, path_of},
    tools::{Apk, WorkFolder, output_of},
};

const REPOSITORY: &str = "installed";

/// Packages that are added at once.
const PACKAGES: usize = 50;

/// Of the line, one way.
const DELAY: Duration = Duration::from_millis(20);

/// One way to reach the server.
struct Side {
    proxy: Proxy,
    folder: PathBuf,
    updates: Samples,
    adds: Samples,
    connections: Samples,
}

/// Runs the benchmark.
pub(crate) fn run(effort: Effort, binary: &Path) -> Result<Table> {
    let folder = WorkFolder::new("install")?;
    let tarn = Tarn::start(binary, folder.path())?;
    let apk = Apk::find()?;
    let entries: Vec<Entry> = corpus::entries(PACKAGES, 41)
        .into_iter()
        .map(Entry::alone)
        .collect();
    tarn.push(REPOSITORY, 4, &entries, |entry| entry.package(3_000))?;
    tarn.save_key(&folder.path().join("keys"))?;
    let mut kept = Side::make(&tarn, folder.path(), false)?;
    let mut closed = Side::make(&tarn, folder.path(), true)?;
    let rounds = effort.slow_rounds();
    for round in 0..rounds {
        let one = kept.install(&apk, folder.path(), &entries, round)?;
        let other = closed.install(&apk, folder.path(), &entries, round)?;
        if one != other || one.len() != PACKAGES {
            return Err("no ratio for apk add: the two roots have other packages".into());
        }
    }
    if kept.proxy.hidden() > 0 || closed.proxy.hidden() < rounds * PACKAGES {
        return Err("no ratio for apk add: the header was not there, or not taken out".into());
    }
    let of = "the same without the header";
    let (updates, adds) = ((&kept.updates, &closed.updates), (&kept.adds, &closed.adds));
    let connections = (&kept.connections, &closed.connections);
    let add = format!("`apk add` of {PACKAGES} packages: wall");
    let rows = vec![
        Row::new("`apk update`: wall", of, updates, Seconds),
        Row::new(add, of, adds, Seconds).at_most(1.0),
        Row::new("connections of both", of, connections, whole).at_most(1.0),
    ];
    Ok(Table {
        name: "install",
        how: format!(
            "The real apk, into an empty root, over a line with {} ms delay each way (a proxy of the benchmark's own; handshakes wait too; no TLS, \
             which would add round trips to each new connection). The other side has the `Connection: keep-alive` of Tarn's answers \
             taken out on the way. {rounds} rounds in turns.",
            DELAY.as_millis()
        ),
        rows,
    })
}

impl Side {
    fn make(tarn: &Tarn, folder: &Path, hides_keep_alive: bool) -> Result<Self> {
        let proxy = Proxy::start(tarn.address(), DELAY, hides_keep_alive)?;
        let folder = folder.join(if hides_keep_alive { "closed" } else { "kept" });
        fs::create_dir_all(&folder)?;
        let line = format!("http://{}{}\n", proxy.address(), path_of(REPOSITORY));
        fs::write(folder.join("repositories"), line)?;
        Ok(Self {
            proxy,
            folder,
            updates: Samples::default(),
            adds: Samples::default(),
            connections: Samples::default(),
        })
    }

    /// Installs all packages into a new root; gives what apk says is installed there.
    fn install(
        &mut self,
        apk: &Apk,
        shared: &Path,
        entries: &[Entry],
        round: usize,
    ) -> Result<BTreeSet<String>> {
        let root = self.folder.join(format!("root-{round}"));
        let command = |arguments: &[&str]| -> Command {
            let mut command = apk.command();
            command.arg("--root").arg(&root);
            command.args(["--arch", corpus::ARCH, "--no-progress", "--keys-dir"]);
            command.arg(shared.join("keys"));
            command.arg("--repositories-file");
            command.arg(self.folder.join("repositories"));
            command.args(arguments);
            command
        };
        let writes: &[&str] = if nix::unistd::geteuid().is_root() {
            &["add"]
        } else {
            &["add", "--usermode"]
        };
        output_of(command(writes).arg("--initdb"))?;

        let before = self.proxy.connections();
        let (_, update) = wall_seconds(|| output_of(&mut command(&["update"])))?;
        let names = entries.iter().map(|entry| entry.name.as_str());
        let (_, add) = wall_seconds(|| output_of(command(writes).args(names)))?;
        let connections = self.proxy.connections() - before;
        let installed = output_of(&mut command(&["info", "--verbose"]))?;
        self.updates.push(update);
        self.adds.push(add);
        self.connections.push(connections as f64);
        Ok(installed.lines().map(str::to_owned).collect())
    }
}
