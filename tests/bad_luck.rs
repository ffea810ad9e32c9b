//! A taken port, a full disk, slow clients and a sudden stop: nothing that was acknowledged is lost, the rest goes on.

use crate::support::{Serve, belvedere, json_request, post, serve_command, shared_tool_folder, skip, wait_until};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// SIGTERM to the end of the process: drained and sealed.
const STOP: Duration = Duration::from_secs(2);

/// A door whose port was taken is tried again every five seconds.
const RETRY: Duration = Duration::from_secs(8);

#[test]
fn a_taken_port_leaves_the_other_doors_open_and_is_tried_again() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::try_start(&folder.path().join("workspace"), &["--otlp-grpc", &taken.to_string()]).unwrap();
    assert_eq!(serve.door_if_open("otlp-grpc"), None, "the door says nothing of listening");
    serve.assert_works(1);

    drop(holder);
    let body = json_request("late", 2, 3);
    let opened = wait_until(RETRY, || post(taken, "/v1/traces", "application/json", &body).ok());
    assert_eq!(opened.expect("the port is free again and the door opens on it").status, 200);
    assert_eq!(serve.spans_of(2).len(), 3);
}

#[test]
fn a_taken_port_is_named_with_the_process_that_holds_it() {
    // Held by another process: the tests' own would be named as well, but that is what a user never sees.
    let holder = Serve::start();
    let taken = holder.door("otlp-grpc").to_string();
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::try_start(&folder.path().join("workspace"), &["--otlp-grpc", &taken]).unwrap();
    let said = wait_until(Duration::from_secs(5), || Some(serve.said()).filter(|text| text.contains(&taken)));
    let said = said.unwrap_or_else(|| panic!("nothing on standard error names {taken}: {}", serve.said()));
    assert!(said.contains(&holder.pid().to_string()), "{said}");
    assert!(said.contains("belvedere"), "{said}");
}

#[test]
fn a_second_writer_is_told_who_has_the_workspace() {
    let first = Serve::start();
    let second = Serve::try_start(&first.workspace, &[]);
    let error = second.err().expect("one workspace has one writer");
    assert!(error.contains(&first.pid().to_string()), "{error}");
    first.assert_works(1);
}

#[test]
fn sigterm_under_load_ends_within_two_seconds_and_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let serve = Serve::over(&workspace);
    let door = serve.door("otlp-http");
    let (end, next) = (AtomicBool::new(false), AtomicU64::new(1));
    let acknowledged = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(|| send_until(&end, &next, door))).collect();
        std::thread::sleep(Duration::from_millis(700));
        let (status, took) = serve.stop();
        end.store(true, Ordering::Relaxed);
        assert!(status.success(), "{status}");
        assert!(took < STOP, "{took:?}");
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect::<Vec<u64>>()
    });
    assert!(!acknowledged.is_empty());
    let serve = Serve::over(&workspace);
    for trace in acknowledged {
        assert_eq!(serve.spans_of(trace).len(), 10, "trace {trace} was acknowledged");
    }
}

#[test]
fn an_idle_stop_is_quick_and_leaves_a_workspace_that_opens() {
    let serve = Serve::start();
    let (status, took) = serve.stop();
    assert!(status.success() && took < STOP, "{status} after {took:?}");
}

#[test]
fn slow_and_half_open_clients_keep_nobody_out() {
    let serve = Serve::start();
    let mut held = Vec::new();
    for (at, door) in ["otlp-http", "otlp-grpc", "api"].iter().cycle().take(150).enumerate() {
        let mut stream = TcpStream::connect(serve.door(door)).unwrap();
        // A third says nothing, a third stops in the head, a third stops in the body.
        match at / 3 % 3 {
            0 => {}
            1 => stream.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: local").unwrap(),
            _ => stream
                .write_all(b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
                .unwrap(),
        }
        held.push(stream);
    }
    let asked = Instant::now();
    serve.assert_works(1);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(serve.memory() < 200 << 20, "{} MiB", serve.memory() >> 20);
    let (status, took) = serve.stop();
    assert!(status.success() && took < STOP, "held connections do not keep it from stopping: {status} after {took:?}");
}

#[test]
fn a_client_that_stops_in_the_middle_is_let_go() {
    let serve = Serve::start();
    let heads = [
        &b"POST /v1/traces HTTP/1.1\r\nhost: local"[..],
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    ];
    let streams = heads.map(|head| {
        let mut stream = TcpStream::connect(serve.door("otlp-http")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(45))).unwrap();
        stream.write_all(head).unwrap();
        stream
    });
    for mut stream in streams {
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(ended.is_ok(), "the door closes the connection by itself: {ended:?}");
    }
}

#[test]
fn a_full_disk_is_a_retryable_error_and_work_resumes_when_there_is_room() {
    // A small file system in a mount namespace of the server's own: most of it taken by a ballast that goes on a signal.
    const ROOM_KIB: u64 = 24 << 10;
    const BALLAST_KIB: u64 = 16 << 10;
    let folder = tempfile::tempdir_in(shared_tool_folder("disk")).unwrap();
    let disk = folder.path().join("disk");
    let release = folder.path().join("release");
    std::fs::create_dir(&disk).unwrap();
    let unshare: &[&str] =
        if rustix::process::geteuid().is_root() { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let mount = format!("mount -t tmpfs -o size={ROOM_KIB}k belvedere '{}'", disk.display());
    let possible =
        Command::new("unshare").args(unshare).args(["sh", "-c", &mount]).status().is_ok_and(|status| status.success());
    if !possible {
        return skip("a small file system cannot be mounted here");
    }
    let workspace = disk.join("workspace");
    let serve = serve_command(&workspace, &[]);
    let mut command = Command::new("unshare");
    let script = format!(
        "{mount} && head -c {BALLAST_KIB}k /dev/zero > '{disk}/ballast' && \
         {{ (for i in $(seq 1200); do [ -e '{release}' ] && rm '{disk}/ballast' && exit; sleep 0.1; done) >/dev/null 2>&1 & }} && exec \"$@\"",
        disk = disk.display(),
        release = release.display(),
    );
    command.args(unshare).args(["sh", "-c", &script, "sh"]).arg(serve.get_program()).args(serve.get_args());
    let serve = Serve::spawn(command, &workspace).unwrap_or_else(|error| panic!("{error}"));

    let mut acknowledged = Vec::new();
    let refused = (1..=400).find_map(|trace| {
        let body = incompressible_request(trace);
        let reply = post(serve.door("otlp-http"), "/v1/traces", "application/json", &body).unwrap();
        if reply.status == 200 {
            acknowledged.push(trace);
        }
        (reply.status != 200).then_some(reply)
    });
    let refused = refused.expect("eight MiB are full at some point");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{:?}", refused.headers);
    assert!(!acknowledged.is_empty());

    std::fs::write(&release, b"").unwrap();
    let resumed = wait_until(Duration::from_secs(20), || {
        std::thread::sleep(Duration::from_millis(200));
        (serve.send("filler", 1_000_000, 5).status == 200).then_some(())
    });
    assert!(resumed.is_some(), "work resumes when there is room");
    assert_eq!(serve.spans_of(1_000_000).len(), 5);
    for trace in acknowledged {
        assert_eq!(serve.spans_of(trace).len(), 1, "trace {trace} was acknowledged");
    }
}

#[test]
fn a_workspace_that_cannot_be_written_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file, not a folder");
    std::fs::write(&file, "mine").unwrap();
    let output = belvedere().args(["serve", "--workspace"]).arg(&file).args(["--api", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a file, not a folder"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine", "it is left as it was");
}

/// A trace of one span with 200 KB that no compression makes smaller.
fn incompressible_request(trace: u64) -> Vec<u8> {
    let mut state = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let noise: String = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + u8::try_from(state >> 58).unwrap())
    })
    .filter(|c| !matches!(c, '"' | '\\'))
    .take(200_000)
    .collect();
    let text = String::from_utf8(json_request("filler", trace, 1)).unwrap();
    text.replace("step 0", &noise).into_bytes()
}

/// Sends traces of ten spans until the door closes; the numbers of those that were acknowledged.
fn send_until(end: &AtomicBool, next: &AtomicU64, door: SocketAddr) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let trace = next.fetch_add(1, Ordering::Relaxed);
        match post(door, "/v1/traces", "application/json", &json_request("load", trace, 10)) {
            Ok(reply) if reply.status == 200 => acknowledged.push(trace),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn hangup_and_interrupt_stop_it_like_sigterm() {
    for signal in [Signal::INT, Signal::HUP] {
        let serve = Serve::start();
        serve.assert_works(1);
        let (status, took) = serve.stop_with(signal);
        assert!(status.success() && took < STOP, "{signal:?}: {status} after {took:?}");
    }
}

#[test]
fn other_machines_need_the_token_and_are_not_let_in_unasked() {
    // An address of this machine that is not loopback stands for another machine's way in.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let outside = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr());
    let Some(outside) = outside.ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback()) else {
        return skip("this machine has no address beside loopback");
    };
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let door = format!("{outside}:0");
    let refused = Serve::try_start(&workspace, &["--otlp-http", &door]).err().expect("not without being asked");
    assert!(refused.contains("--allow-remote"), "{refused}");

    let serve = Serve::try_start(&workspace, &["--otlp-http", &door, "--allow-remote"]).unwrap();
    let token = wait_until(Duration::from_secs(5), || serve.said().split("Bearer ").nth(1)?.lines().next().map(str::to_owned));
    let token = token.unwrap_or_else(|| panic!("no token: {}", serve.said()));
    let body = json_request("afar", 3, 2);
    let send = |headers: &[(&str, &str)]| {
        crate::support::request(serve.door("otlp-http"), "POST", "/v1/traces", headers, &body).unwrap().status
    };
    assert_eq!(send(&[]), 401);
    assert_eq!(send(&[("authorization", "Bearer 0123456789abcdef0123456789abcdef")]), 401);
    assert_eq!(send(&[("authorization", &format!("Bearer {token}"))]), 200);
    assert_eq!(serve.spans_of(3).len(), 2);
    drop(serve);

    let again = Serve::try_start(&workspace, &["--otlp-http", &door, "--allow-remote"]).unwrap();
    assert!(!again.said().contains("Bearer"), "the token is shown once: {}", again.said());
}
