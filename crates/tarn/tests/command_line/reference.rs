//! The pages of `docs/reference/` that `tarn reference` makes.

use std::{env, fs, path::Path};

use crate::harness::Folder;

#[test]
fn the_reference_is_what_the_code_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let mut old = Vec::new();
    for page in ["settings", "command-line", "errors", "api"] {
        let said = Folder::empty().tarn(&["reference", page]);
        assert_eq!((said.exit, said.stderr.as_str()), (0, ""));
        let path = folder.join(format!("{page}.md"));
        if env::var_os("TARN_WRITE_REFERENCE").is_some() {
            fs::write(&path, &said.stdout).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != said.stdout {
            old.push(page);
        }
    }
    assert!(
        old.is_empty(),
        "{old:?} of docs/reference/ are not what the code says: run this test with TARN_WRITE_REFERENCE=1"
    );
}
