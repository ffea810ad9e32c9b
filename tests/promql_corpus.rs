//! The engine against scripts: Prometheus' own where they lie beside the checkout, those of `PROMQLTEST_DIR`, and ours.

use crate::support::promql_script::run;
use crate::support::shared_data;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Cases that do not pass yet: `file:line # reason`, one a line.
const LEDGER: &str = include_str!("fixtures/promql/ledger.txt");

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    files.sort();
    files
}

/// Failures by `file:line`, and how many cases passed.
fn run_folder(folder: &Path) -> (BTreeMap<String, String>, usize) {
    let mut failures = BTreeMap::new();
    let mut passed = 0;
    for file in scripts(folder) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let (mut good, mut bad) = (0, 0);
        match run(&fs::read_to_string(&file).unwrap()) {
            Err(error) => drop(failures.insert(format!("{name}:0"), error)),
            Ok(cases) => {
                for case in cases {
                    match case.result {
                        Ok(()) => good += 1,
                        Err(error) => {
                            bad += 1;
                            failures.insert(format!("{name}:{}", case.line), format!("{}\n    {error}", case.query));
                        }
                    }
                }
            }
        }
        eprintln!("{name}: {good} of {}", good + bad);
        passed += good;
    }
    (failures, passed)
}

fn check(folder: &Path, least: usize) {
    let (mut failures, passed) = run_folder(folder);
    let mut healed = Vec::new();
    for line in LEDGER.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (case, _reason) = line.split_once('#').unwrap_or((line, ""));
        let case = case.trim();
        let file = case.split(':').next().unwrap_or_default();
        if folder.join(file).is_file() && failures.remove(case).is_none() {
            healed.push(case.to_owned());
        }
    }
    let listed: String = failures.iter().map(|(case, error)| format!("{case}: {error}\n")).collect();
    assert!(failures.is_empty(), "{passed} passed, {} failed:\n{listed}", failures.len());
    assert!(healed.is_empty(), "these pass, take them out of the ledger: {healed:?}");
    assert!(passed >= least, "only {passed} cases ran");
}

#[test]
fn our_scripts_pass() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/promql"), 10);
}

#[test]
fn the_scripts_of_prometheus_pass() {
    if let Some(folder) = shared_data("promqltest") {
        check(&folder, 1_000);
    }
}

#[test]
fn the_scripts_of_another_folder_pass() {
    if let Some(folder) = std::env::var_os("PROMQLTEST_DIR") {
        check(Path::new(&folder), 1);
    }
}
