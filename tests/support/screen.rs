//! A display without a screen: Xvfb with a window manager, looked at through xdotool and ImageMagick.

use super::wait_until;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// From a start to a window on the screen, in a debug build on a busy machine.
const APPEAR: Duration = Duration::from_secs(60);

/// An Xvfb of its own; ended when dropped.
pub struct Screen {
    server: Child,
    manager: Option<Child>,
    display: String,
}

impl Screen {
    /// Starts one on a free display; `None` when the programs for it are missing.
    pub fn start(size: &str) -> Option<Self> {
        let have =
            |name: &str| Command::new("which").arg(name).stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        if !["Xvfb", "xdotool", "import", "openbox"].into_iter().all(have) {
            return None;
        }
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", &format!("{size}x24"), "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take()?).read_line(&mut number).ok()?;
        let mut screen = Self { server, manager: None, display: format!(":{}", number.trim()) };
        let manager = screen.command("openbox").stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        screen.manager = Some(manager);
        Some(screen)
    }

    /// A command that sees this display and nothing of the user's session.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("DISPLAY", &self.display)
            .env_remove("WAYLAND_DISPLAY")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .stdin(Stdio::null());
        command
    }

    /// The id of the visible window with this name, once `program` shows it; `None` after [`APPEAR`] or when it ends first.
    pub fn window(&self, name: &str, program: &mut Child) -> Option<String> {
        let search = |program: &mut Child| {
            std::thread::sleep(Duration::from_millis(100));
            let found = self.command("xdotool").args(["search", "--onlyvisible", "--name", name]).output().ok()?;
            let window = String::from_utf8(found.stdout).ok()?.lines().next().map(str::to_owned);
            let ended = program.try_wait().is_ok_and(|status| status.is_some());
            window.map(Some).or_else(|| ended.then_some(None))
        };
        wait_until(APPEAR, || search(program)).flatten()
    }

    /// Presses a key in the focused window, at a person's pace: `k`, `ctrl+k`.
    pub fn key(&self, window: &str, key: &str) {
        let (held, key) = key.split_once('+').map_or((None, key), |(held, key)| (Some(held), key));
        let xdotool = |arguments: &[&str]| {
            let done = self.command("xdotool").args(arguments).status();
            assert!(done.is_ok_and(|status| status.success()), "xdotool {arguments:?}");
            std::thread::sleep(Duration::from_millis(100));
        };
        xdotool(&["windowfocus", window]);
        held.inspect(|held| xdotool(&["keydown", held]));
        xdotool(&["key", key]);
        held.inspect(|held| xdotool(&["keyup", held]));
    }

    /// The number of different colours in the window, which is also written to `picture`.
    pub fn colours(&self, window: &str, picture: &Path) -> usize {
        let taken = self.command("import").args(["-window", window]).arg(picture).status();
        assert!(taken.is_ok_and(|status| status.success()), "a picture is taken");
        let counted = self.command("identify").args(["-format", "%k"]).arg(picture).output().unwrap();
        String::from_utf8(counted.stdout).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for child in self.manager.iter_mut().chain([&mut self.server]) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
