//! One real window under Xvfb: it opens, paints, takes keys, shows what arrives and closes cleanly.

use crate::support::screen::Screen;
use crate::support::{skip, wait_until};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Fewer colours than this is an empty or a broken frame; anti-aliased text alone gives dozens.
const PAINTED: usize = 40;

#[test]
fn the_window_opens_paints_takes_keys_and_closes() {
    let Some(screen) = Screen::start("1440x900") else {
        return skip("Xvfb, openbox, xdotool or ImageMagick is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    let picture = |name: &str| folder.path().join(name);
    let mut program = screen.command(env!("CARGO_BIN_EXE_belvedere"));
    program.arg("--workspace").arg(folder.path().join("workspace"));
    for door in ["--otlp-grpc", "--otlp-http", "--api"] {
        program.args([door, "127.0.0.1:0"]);
    }
    let mut child = program.env("HOME", folder.path()).stdout(Stdio::null()).spawn().unwrap();
    let Some(window) = screen.window("Belvedere", &mut child) else {
        panic!("no window appeared; the program: {:?}", child.try_wait());
    };
    let painted =
        wait_until(Duration::from_secs(20), || (screen.colours(&window, &picture("home.png")) > PAINTED).then_some(()));
    assert!(painted.is_some(), "the first frame has text and shapes");

    screen.key(&window, "ctrl+k");
    let changed = wait_until(Duration::from_secs(10), || {
        screen.colours(&window, &picture("palette.png"));
        let compared = screen
            .command("compare")
            .args(["-metric", "AE"])
            .args([picture("home.png"), picture("palette.png")])
            .arg("null:")
            .output()
            .unwrap();
        let pixels: f64 = String::from_utf8_lossy(&compared.stderr).split_whitespace().next()?.parse().ok()?;
        (pixels > 10_000.0).then_some(())
    });
    assert!(changed.is_some(), "Ctrl+K opens the palette");
    screen.key(&window, "Escape");

    let asked = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    let ended = wait_until(Duration::from_secs(10), || child.try_wait().unwrap());
    child.kill().ok();
    let status = ended.expect("SIGTERM closes the window");
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}
