//! The real binary, collecting without a window on free ports.

use super::http::{Reply, get, post};
use super::otlp::{hex_id, json_request};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// From start to `ready`.
const START: Duration = Duration::from_secs(20);

/// The command, ready for arguments: no window, no colour, none of the user's own settings.
pub fn belvedere() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belvedere"));
    command.stdin(Stdio::null()).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env("NO_COLOR", "1");
    command
}

/// `belvedere serve` on this workspace; doors that the arguments do not name get free ports.
pub fn serve_command(workspace: &Path, arguments: &[&str]) -> Command {
    let mut command = belvedere();
    command.arg("serve").arg("--workspace").arg(workspace);
    for door in ["--otlp-grpc", "--otlp-http", "--api"] {
        if !arguments.contains(&door) {
            command.args([door, "127.0.0.1:0"]);
        }
    }
    command.args(arguments);
    command
}

/// A running `belvedere serve`. Killed when dropped.
pub struct Serve {
    child: Child,
    listening: Vec<(String, SocketAddr)>,
    errors: Arc<Mutex<String>>,
    _folder: Option<tempfile::TempDir>,
    /// The workspace it writes.
    pub workspace: PathBuf,
}

impl Serve {
    /// On a workspace of its own, which goes away.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// On a workspace of its own, with more arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("workspace");
        let mut serve = Self::try_start(&workspace, arguments).unwrap_or_else(|error| panic!("{error}"));
        serve._folder = Some(folder);
        serve
    }

    /// On this workspace, which stays.
    pub fn over(workspace: &Path) -> Self {
        Self::try_start(workspace, &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// On this workspace; what it wrote to standard error when it does not get `ready`. Doors that the arguments do not
    /// name get free ports.
    pub fn try_start(workspace: &Path, arguments: &[&str]) -> Result<Self, String> {
        Self::spawn(serve_command(workspace, arguments), workspace)
    }

    /// Runs a command that ends up as [`serve_command`] on this workspace, and waits for `ready`.
    pub fn spawn(mut command: Command, workspace: &Path) -> Result<Self, String> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = Arc::<Mutex<String>>::default();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let collected = Arc::clone(&errors);
        let reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut text = collected.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, receive) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        let mut serve = Self { child, listening: Vec::new(), errors, _folder: None, workspace: workspace.to_owned() };
        let until = Instant::now() + START;
        loop {
            match receive.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line == "ready" => return Ok(serve),
                Ok(line) => serve.listening.extend(door_line(&line)),
                Err(_) => {
                    serve.child.kill().ok();
                    let status = serve.child.wait().unwrap();
                    reader.join().ok();
                    return Err(format!(
                        "serve was not ready, {status}: {}",
                        std::mem::take(&mut *serve.errors.lock().unwrap())
                    ));
                }
            }
        }
    }

    /// What it wrote to standard error so far.
    pub fn said(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// The address of a door by its name on the command line.
    pub fn door(&self, name: &str) -> SocketAddr {
        self.door_if_open(name).unwrap_or_else(|| panic!("{name} is not among {:?}", self.listening))
    }

    /// As [`Serve::door`]; `None` for a door that is closed or whose port is taken.
    pub fn door_if_open(&self, name: &str) -> Option<SocketAddr> {
        self.listening.iter().find(|(door, _)| door == name).map(|(_, address)| *address)
    }

    /// Sends one trace over OTLP/HTTP JSON.
    pub fn send(&self, service: &str, trace: u64, spans: u64) -> Reply {
        post(self.door("otlp-http"), "/v1/traces", "application/json", &json_request(service, trace, spans)).unwrap()
    }

    /// The spans of a trace as the Jaeger query API gives them; none when it is not there.
    pub fn spans_of(&self, trace: u64) -> Vec<serde_json::Value> {
        self.trace(&hex_id(trace)).map(|trace| trace["spans"].as_array().unwrap().clone()).unwrap_or_default()
    }

    /// A trace as the Jaeger query API gives it.
    pub fn trace(&self, id: &str) -> Option<serde_json::Value> {
        let reply = get(self.door("api"), &format!("/api/traces/{id}")).unwrap();
        (reply.status == 200).then(|| reply.json()["data"][0].take())
    }

    /// Fails unless a new trace still goes in and comes out.
    #[track_caller]
    pub fn assert_works(&self, trace: u64) {
        let reply = self.send("still-here", trace, 3);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(self.spans_of(trace).len(), 3, "what was sent after the fault is there");
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Asks it to stop; its exit status and how long it took.
    pub fn stop(self) -> (ExitStatus, Duration) {
        self.stop_with(Signal::TERM)
    }

    /// As [`Serve::stop`], with another signal.
    pub fn stop_with(mut self, signal: Signal) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let stopped = wait_until(Duration::from_secs(10), || self.child.try_wait().unwrap());
        (stopped.expect("it ends within ten seconds"), asked.elapsed())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        // What it said is worth reading when the test fails.
        let said = self.said();
        if !said.is_empty() {
            eprintln!("serve wrote: {said}");
        }
    }
}

/// Asks every 10 ms until there is an answer.
pub fn wait_until<T>(patience: Duration, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        match answer() {
            Some(answer) => return Some(answer),
            None if Instant::now() > until => return None,
            None => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// `listening otlp-grpc 127.0.0.1:4317`
fn door_line(line: &str) -> Option<(String, SocketAddr)> {
    let (door, address) = line.strip_prefix("listening ")?.split_once(' ')?;
    Some((door.to_owned(), address.parse().ok()?))
}
