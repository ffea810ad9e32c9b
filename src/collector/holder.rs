//! Who holds a port: Linux lists listening sockets in `/proc/net/tcp` and `/proc/net/tcp6`, and a process's sockets among
//! its file descriptors. Where the system does not tell (another user's process), the user is named.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

#[derive(Debug, PartialEq)]
struct Socket {
    ip: IpAddr,
    port: u16,
    uid: u32,
    inode: u64,
}

/// `jaeger (pid 4711)`, `container 3f2a91c04b7e (jaeger, pid 4711)`, `a process of root`; `None` when nobody is found.
pub(super) fn of_port(address: SocketAddr) -> Option<String> {
    let sockets: Vec<Socket> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening(&table))
        .filter(|socket| socket.port == address.port())
        .collect();
    let holds = |socket: &&Socket| socket.ip == address.ip() || socket.ip.is_unspecified();
    let socket = sockets.iter().find(holds).or(sockets.first())?;
    Some(process_of(socket.inode).unwrap_or_else(|| match socket.uid {
        0 => "a process of root, perhaps a container".to_owned(),
        uid => format!("a process of user {uid}"),
    }))
}

/// Addresses that somebody on this machine listens on.
pub(super) fn listeners() -> Vec<SocketAddr> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening(&table))
        .map(|socket| SocketAddr::new(socket.ip, socket.port))
        .collect()
}

/// Listening sockets in a table.
fn listening(table: &str) -> Vec<Socket> {
    table.lines().skip(1).filter_map(socket).collect()
}

/// `  0: 0100007F:10DD 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 …`
fn socket(line: &str) -> Option<Socket> {
    let mut words = line.split_whitespace();
    let local = words.nth(1)?;
    if words.nth(1)? != LISTEN {
        return None;
    }
    let uid = words.nth(3)?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Each 32-bit word is printed in the machine's order.
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(Socket { ip, port, uid, inode })
}

fn process_of(inode: u64) -> Option<String> {
    let target = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = descriptors
            .flatten()
            .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|link| link == Path::new(&target)));
        if holds {
            return Some(describe(&entry.path(), pid));
        }
    }
    None
}

fn describe(process: &Path, pid: u32) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let name = match name.trim() {
        "" => "a process",
        name => name,
    };
    let cgroup = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
    match container(&cgroup) {
        _ if pid == std::process::id() => format!("this program (pid {pid})"),
        _ if matches!(name, "docker-proxy" | "rootlessport" | "pasta" | "pasta.avx2" | "slirp4netns") => {
            format!("a container, through {name} (pid {pid})")
        }
        Some(id) => format!("container {id} ({name}, pid {pid})"),
        None => format!("{name} (pid {pid})"),
    }
}

/// The short id of the container that a process runs in.
fn container(cgroup: &str) -> Option<&str> {
    let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    cgroup.split(['/', '-', '.', '\n', ':']).find(is_id).map(|id| &id[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_read_from_both_tables() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:10DD 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0 0 10 0\n\
            \x20  1: 0100007F:A3C2 0100007F:10DD 01 00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 0 0 10 0\n";
        let found = listening(table);
        assert_eq!(found, [Socket { ip: Ipv4Addr::LOCALHOST.into(), port: 4317, uid: 1000, inode: 12345 }]);
        let six = "head\n   0: 00000000000000000000000001000000:10DE 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0\n";
        assert_eq!(listening(six), [Socket { ip: Ipv6Addr::LOCALHOST.into(), port: 4318, uid: 0, inode: 7 }]);
        assert!(listening("head\ngarbage\n 0: x:y z 0A\n").is_empty());
    }

    #[test]
    fn a_port_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_port(listener.local_addr().unwrap()).unwrap();
        assert_eq!(holder, format!("this program (pid {})", std::process::id()));
    }

    #[test]
    fn containers_are_known_by_their_group() {
        let id = "3f2a91c04b7e".to_owned() + &"0".repeat(52);
        assert_eq!(container(&format!("0::/system.slice/docker-{id}.scope\n")), Some("3f2a91c04b7e"));
        assert_eq!(container("0::/user.slice/session-2.scope\n"), None);
    }
}
