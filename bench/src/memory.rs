//! Many repositories at once: how much memory the server takes when more indexes are asked for than it may keep.

use std::path::Path;

use tarn_base::names::OwnerName;
use tarn_store::metadata::{Database, Metadata};
use tokio::task::JoinSet;

use crate::{
    Effort, Result,
    content::records,
    corpus::{self, Entry, record},
    measure::{Samples, Seconds, wall_seconds},
    report::{Row, Table},
    servers::tarn::{OWNER, Tarn, index_of},
    tools::{WorkFolder, block_on},
};

/// What the server may keep of indexes, by default.
const LIMIT: f64 = 256.0 * 1024.0 * 1024.0;

/// How many packages are recorded at once.
const AT_ONCE: usize = 64;

/// Runs the benchmark.
pub(crate) fn run(effort: Effort, binary: &Path) -> Result<Table> {
    let (repositories, packages) = if effort.quick {
        (20, 500)
    } else {
        (200, 5_000)
    };
    let folder = WorkFolder::new("memory")?;
    let tarn = Tarn::start(binary, folder.path())?;
    let entries = corpus::entries(packages, 41);
    let names: Vec<String> = (0..repositories)
        .map(|number| format!("r{number}"))
        .collect();
    fill(&folder.path().join("tarn/tarn.db"), &names, &entries)?;

    let before = tarn.peak_memory()?;
    let mut connection = tarn.connect()?;
    let mut cold = Samples::default();
    for _ in 0..2 {
        for name in &names {
            let (answer, wall) = wall_seconds(|| connection.get(&index_of(name))?.expect(200))?;
            cold.push(wall);
            let found = records(&answer.body)?.len();
            if found != packages {
                return Err(
                    format!("the index of {name} has {found} packages of {packages}").into(),
                );
            }
        }
    }
    let peak = tarn.peak_memory()?;
    let row = |what, bytes| {
        let sides = (&Samples::from_iter([bytes]), &Samples::from_iter([LIMIT]));
        let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / 1024.0 / 1024.0);
        Row::new(what, "the limit of the cache of indexes", sides, mebibytes)
    };
    Ok(Table {
        name: "memory",
        how: format!(
            "{repositories} repositories of {packages} packages, their rows put into the database; then the index of each is \
             fetched, two times over. Resident memory of the server process, its peak. A median fetch took {}.",
            Seconds(cold.median())
        ),
        rows: vec![
            row("the server's memory, all of it", peak).at_most(2.0),
            row("what fetching added to it", peak - before),
        ],
    })
}

/// Records the packages in each repository.
fn fill(database: &Path, repositories: &[String], entries: &[Entry]) -> Result<()> {
    block_on(async {
        let metadata = Metadata::open(&Database::Sqlite(database.to_path_buf())).await?;
        let owner = metadata.owner(&OwnerName::parse(OWNER)?).await?;
        let owner = owner.ok_or("no owner")?.id;
        for repository in repositories {
            for some in entries.chunks(AT_ONCE) {
                let mut recording = JoinSet::new();
                for entry in some {
                    let (metadata, repository, entry) =
                        (metadata.clone(), repository.clone(), entry.clone());
                    recording
                        .spawn(async move { record(&metadata, owner, &repository, &entry).await });
                }
                while let Some(recorded) = recording.join_next().await {
                    recorded??;
                }
            }
        }
        metadata.close().await;
        Ok(())
    })
}
