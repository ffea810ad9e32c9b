//! `belvedere import FILE...`: copies files into the workspace.

use super::args::{Common, ImportArguments};
use super::print::{self, Progress};
use super::remote::{Reach, Running, reach};
use super::{DONE, Failure, PROBLEMS};
use crate::api::objects::Imported;
use crate::engine::Engine;
use crate::model::units;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;

/// A running Belvedere stores one file within this time.
const STORED_WITHIN: Duration = Duration::from_secs(600);

/// Runs the command. A file that cannot be read ends it; what was imported before stays.
pub fn run(common: &Common, arguments: &ImportArguments) -> Result<u8, Failure> {
    let reach = reach(common.workspace.as_deref(), true)?;
    let mut sum = Imported::default();
    let mut failed = None;
    {
        let mut progress = Progress::new();
        for (done, path) in arguments.files.iter().enumerate() {
            let (files, name) = (arguments.files.len() as u64, path.display().to_string());
            // A thousand steps a file.
            let mut show = |part: u64| progress.show(done as u64 * 1_000 + part, files * 1_000, &name);
            show(0);
            let imported = match &reach {
                Reach::Here(engine) => here(engine, path, &mut show),
                Reach::Asked(running) => ask(running, path),
            };
            match imported {
                Ok(imported) => sum.add(&imported),
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            }
        }
    }
    if let Reach::Here(engine) = &reach {
        engine.stop();
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    if common.json {
        print::json(&sum)?
    } else {
        tell(&sum)?
    }
    Ok(if sum.rejected > 0 { PROBLEMS } else { DONE })
}

fn here(engine: &Engine, path: &Path, show: &mut dyn FnMut(u64)) -> Result<Imported, Failure> {
    let mut shown = 0;
    let report = engine.import_file_now(path, &mut |progress| {
        let part = progress.read * 1_000 / progress.total.max(1);
        if part > shown {
            shown = part;
            show(part);
        }
        true
    });
    let report = report.map_err(|error| Failure::new(error.to_string()))?;
    Ok(Imported::from(&report))
}

fn ask(running: &Running, path: &Path) -> Result<Imported, Failure> {
    let bytes =
        std::fs::read(path).map_err(|error| Failure::new(format!("cannot read the file: {error}: {}", path.display())))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let sent = running.post("import", &[("name", &name)], Bytes::from(bytes), STORED_WITHIN);
    sent.map_err(|Failure(text)| Failure::new(format!("{text}: {}", path.display())))
}

fn tell(sum: &Imported) -> Result<(), Failure> {
    let mut text = format!("{}: {} spans in {} traces", sum.format, units::count(sum.spans), units::count(sum.traces));
    for (count, what) in [(sum.logs, "log records"), (sum.samples, "metric samples"), (sum.rejected, "rejected")] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", units::count(count)));
        }
    }
    print::line(&text)?;
    sum.problems.iter().for_each(|problem| eprintln!("  {problem}"));
    Ok(())
}
