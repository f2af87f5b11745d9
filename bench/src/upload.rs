//! PUT of a large package with all checks and syncs, against nginx's DAV PUT, which checks and syncs nothing.

use std::path::Path;

use crate::{
    Effort, Result,
    content::same_bytes,
    corpus,
    measure::{Samples, Seconds, seconds_by, wall_seconds},
    report::{Row, Table},
    servers::{
        nginx::Nginx,
        tarn::{Tarn, file_of},
    },
    tools::{WorkFolder, settle_disk},
};

const REPOSITORY: &str = "uploads";

/// Bytes in a package.
const SIZE: u64 = 50_000_000;

/// Runs the benchmark.
pub(crate) fn run(effort: Effort, binary: &Path) -> Result<Table> {
    let folder = WorkFolder::new("upload")?;
    let tarn = Tarn::start(binary, folder.path())?;
    let nginx = Nginx::start(folder.path())?;
    let mut to_tarn = tarn.connect()?;
    let mut to_nginx = nginx.connect()?;
    let rounds = if effort.quick { 2 } else { 9 };
    let (mut our_wall, mut our_cpu) = (Samples::default(), Samples::default());
    let (mut their_wall, mut their_cpu) = (Samples::default(), Samples::default());
    for entry in corpus::entries(rounds, 31) {
        let package = entry.package(SIZE);
        let path = file_of(REPOSITORY, &entry.file_name());
        let their_path = format!("/{}", entry.file_name());

        settle_disk()?;
        let put = || tarn.put(&mut to_tarn, REPOSITORY, &package);
        let (((), wall), cpu) = seconds_by(|| tarn.cpu(), || wall_seconds(put))?;
        our_wall.push(wall);
        our_cpu.push(cpu);

        settle_disk()?;
        let put = || to_nginx.request("PUT", &their_path, &[], &package);
        let ((answer, wall), cpu) = seconds_by(|| nginx.cpu(), || wall_seconds(put))?;
        answer.expect(201)?;
        their_wall.push(wall);
        their_cpu.push(cpu);

        let kept = to_tarn.get(&path)?.expect(200)?.body;
        same_bytes("the upload to Tarn", &kept, &package)?;
        let kept = to_nginx.get(&their_path)?.expect(200)?.body;
        same_bytes("the upload to nginx", &kept, &package)?;
    }
    Ok(Table {
        name: "upload",
        how: format!(
            "A package of {} MB over loopback, {rounds} different ones in turns; before each, the disk has \
             written what is under way (`sync`). Tarn reads the package, checks its datahash, hashes it, syncs it, and records it; \
             nginx (`dav_methods PUT`) writes a file and renames it. Both are on the same disk.",
            SIZE / 1_000_000
        ),
        rows: vec![
            Row::new(
                "PUT of 50 MB: wall",
                "nginx's DAV PUT",
                (&our_wall, &their_wall),
                Seconds,
            )
            .at_most(1.7),
            Row::new(
                "PUT of 50 MB: CPU of the server",
                "nginx's",
                (&our_cpu, &their_cpu),
                Seconds,
            ),
        ],
    })
}
