//! Files that nobody on this project wrote, beside the checkout, and folders for what tests fetch.

use super::must_not_skip;
use std::path::{Path, PathBuf};

/// A folder of `../shared/data`. `None`, with a note, where it is missing; with `CI=true` that fails the test.
pub fn shared_data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(!must_not_skip(), "CI=true and {} is missing", path.display());
    eprintln!("skipped: {} is missing", path.display());
    None
}

/// A folder below `target/tmp` that outlives a run, so that a client's packages are fetched once.
pub fn shared_tool_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
