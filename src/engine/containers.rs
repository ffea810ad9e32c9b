//! Addresses by which containers reach this machine: the gateways of their bridges.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Names of bridges that container engines make.
const BRIDGES: [&str; 5] = ["docker", "br-", "podman", "cni-podman", "virbr-"];

/// This machine's address on every container bridge, by the routing table of Linux; none elsewhere.
pub fn bridge_addresses() -> Vec<IpAddr> {
    let Ok(routes) = std::fs::read_to_string("/proc/net/route") else { return Vec::new() };
    let mut addresses: Vec<IpAddr> = bridge_networks(&routes).into_iter().filter_map(address_in).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Some address of every network that lies behind a bridge. The table's columns are interface, destination and gateway
/// (hexadecimal in the byte order of the machine), then others; a network of its own has no gateway.
fn bridge_networks(routes: &str) -> Vec<Ipv4Addr> {
    let read = |line: &str| {
        let mut columns = line.split_whitespace();
        let (interface, destination, gateway) = (columns.next()?, columns.next()?, columns.next()?);
        let bridge = BRIDGES.iter().any(|prefix| interface.starts_with(prefix));
        let network = u32::from_str_radix(destination, 16).ok()?;
        (bridge && gateway == "00000000" && network != 0).then(|| {
            let [a, b, c, d] = network.to_ne_bytes();
            Ipv4Addr::new(a, b, c, d.wrapping_add(2))
        })
    };
    routes.lines().skip(1).filter_map(read).collect()
}

/// The address that this machine would use to talk to `peer`. Nothing is sent: connecting a UDP socket only routes.
fn address_in(peer: Ipv4Addr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(SocketAddr::from((peer, 9))).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_networks_behind_container_bridges_count() {
        let routes = "Iface\tDestination\tGateway\tFlags\n\
            eth0\t00000000\t0101A8C0\t0003\n\
            docker0\t000011AC\t00000000\t0001\n\
            br-1f2e\t000012AC\t00000000\t0001\n\
            eth0\t0001A8C0\t00000000\t0001\n\
            docker0\t000014AC\t010011AC\t0003\n\
            broken";
        let expected = if cfg!(target_endian = "little") {
            vec![Ipv4Addr::new(172, 17, 0, 2), Ipv4Addr::new(172, 18, 0, 2)]
        } else {
            bridge_networks(routes)
        };
        assert_eq!(bridge_networks(routes), expected);
    }
}
