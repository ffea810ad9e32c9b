//! Opening, busy ports, moving and closing doors.

use super::*;
use std::net::TcpListener;

fn state(house: &House, door: Door) -> DoorState {
    house.collector.doors().into_iter().find(|status| status.door == door).unwrap().state
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..200 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen in two seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_with_its_holder_and_opens_when_it_is_free() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let house = house(|config| {
        config.doors[0].1 = vec![taken];
        config.limits.retry_every = Duration::from_millis(50);
    })
    .await;
    let DoorState::Busy { address, holder, suggestion } = state(&house, Door::OtlpGrpc) else { panic!("not busy") };
    assert_eq!((address, holder), (taken, format!("this program (pid {})", std::process::id())));
    let suggestion = suggestion.unwrap();
    assert_ne!(suggestion, taken.port());
    let answer = send_http1(house.address(Door::OtlpHttp), post("/v1/traces", &[AS_JSON], json("a", 1))).await;
    assert_eq!(answer.status, StatusCode::OK, "the other door works");
    drop(other);
    until(|| state(&house, Door::OtlpGrpc) == DoorState::Open(vec![taken])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_busy_address_keeps_the_whole_door_shut() {
    let other = TcpListener::bind("[::1]:0").unwrap();
    let six = other.local_addr().unwrap();
    let four = SocketAddr::new("127.0.0.1".parse().unwrap(), six.port());
    let house = house(|config| config.doors[0].1 = vec![four, six]).await;
    assert!(matches!(state(&house, Door::OtlpGrpc), DoorState::Busy { address, .. } if address == six));
    assert!(TcpListener::bind(four).is_ok(), "the half that was free was let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_moves_adds_addresses_and_closes() {
    let house = house(|_| {}).await;
    let before = house.addresses(Door::OtlpHttp);
    let more = vec![before[0], before[1], SocketAddr::new("127.0.0.2".parse().unwrap(), before[0].port())];
    house.collector.reopen(Door::OtlpHttp, more.clone());
    until(|| state(&house, Door::OtlpHttp) == DoorState::Open(more.clone())).await;
    let answer = send_http1(more[2], post("/v1/traces", &[AS_JSON], json("a", 1))).await;
    assert_eq!(answer.status, StatusCode::OK);
    house.collector.reopen(Door::OtlpHttp, Vec::new());
    until(|| state(&house, Door::OtlpHttp) == DoorState::Closed).await;
    until(|| std::net::TcpStream::connect(before[0]).is_err()).await;
    let counted = house.collector.doors().into_iter().find(|status| status.door == Door::OtlpHttp).unwrap();
    assert_eq!((counted.received, counted.rejected), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_here_fails_with_a_reason() {
    let house = house(|config| config.doors[0].1 = vec!["192.0.2.1:4317".parse().unwrap()]).await;
    let DoorState::Failed(reason) = state(&house, Door::OtlpGrpc) else { panic!("did not fail") };
    assert!(reason.contains("no such address"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_what_was_read_and_frees_the_ports() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    // An idle keep-alive connection must not hold it up.
    let idle = TcpStream::connect(address).await.unwrap();
    let requests: Vec<_> = (0..20)
        .map(|number| {
            let request = post("/v1/traces", &[AS_JSON], json(&format!("s{number}"), 20));
            tokio::spawn(send_http1(address, request))
        })
        .collect();
    let mut acknowledged = 0;
    for (number, request) in requests.into_iter().enumerate() {
        let answer = request.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        acknowledged += 20;
        if number == 10 {
            break;
        }
    }
    let started = std::time::Instant::now();
    house.collector.stop().await;
    assert!(started.elapsed() < Duration::from_millis(900));
    drop(idle);
    assert!(std::net::TcpStream::connect(address).is_err());
    assert!(house.stored() >= acknowledged);
    assert!(house.collector.doors().is_empty());
}
