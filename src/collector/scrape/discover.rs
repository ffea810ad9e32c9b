//! Programs on this machine that answer `/metrics`: found when somebody asks, offered, never scraped unasked.
//!
//! Looking means one GET at each listening TCP port that is reached over loopback, a few at a time, with little patience.
//! Belvedere's own doors are left out.

use super::client::Asker;
use super::config::{Job, ScrapeConfig};
use super::target::{Made, Target};
use crate::collector::holder;
use crate::model::Labels;
use crate::wire::exposition::{Dialect, Exposed, Take, parse};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::task::JoinSet;

/// Ports that are asked at once.
const AT_ONCE: usize = 16;
/// The job that a found target would belong to, and how long one may take to answer.
const JOB: &str = "scrape_configs: [{job_name: local, scrape_interval: 1s, scrape_timeout: 500ms, follow_redirects: false}]";

/// A program that answers.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// Where.
    pub address: SocketAddr,
    /// Who, as far as the system tells: `node_exporter (pid 4711)`.
    pub process: String,
    /// Samples that it exposes.
    pub samples: u64,
}

/// Looks once, by address. `own` are ports that are not asked.
pub async fn discover(own: &[u16]) -> Vec<Found> {
    let Ok(mut config) = ScrapeConfig::parse(JOB, Path::new(".")) else { return Vec::new() };
    let Some(job) = config.jobs.pop().map(std::sync::Arc::new) else { return Vec::new() };
    let mut ports: BTreeMap<u16, SocketAddr> = BTreeMap::new();
    for socket in tokio::task::spawn_blocking(holder::listeners).await.unwrap_or_default() {
        let ip = if socket.ip().is_unspecified() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { socket.ip() };
        if ip.is_loopback() && !own.contains(&socket.port()) {
            ports.entry(socket.port()).or_insert(SocketAddr::new(ip, socket.port()));
        }
    }
    let mut found = Vec::new();
    let mut asking = JoinSet::new();
    let asker = Asker::new();
    for address in ports.into_values() {
        if asking.len() >= AT_ONCE {
            found.extend(asking.join_next().await.and_then(Result::ok).flatten());
        }
        let (job, asker) = (job.clone(), asker.clone());
        asking.spawn(async move { look(&job, &asker, address).await });
    }
    while let Some(one) = asking.join_next().await {
        found.extend(one.ok().flatten());
    }
    found.sort_by_key(|one| one.address);
    found
}

async fn look(job: &Job, asker: &Asker, address: SocketAddr) -> Option<Found> {
    let Made::Target(target) = Target::make(job, &address.to_string(), &Labels::default()) else { return None };
    let (text, dialect) = asker.ask(job, &target).await.ok()?;
    let samples = count(&text, dialect).filter(|samples| *samples > 0)?;
    let process = tokio::task::spawn_blocking(move || holder::of_port(address)).await.ok().flatten();
    Some(Found { address, process: process.unwrap_or_default(), samples })
}

struct Count(u64);

impl Take for Count {
    fn sample(&mut self, _: Exposed<'_, '_>) -> Result<(), String> {
        self.0 += 1;
        Ok(())
    }
}

/// Samples of a text; `None` when it is no exposition.
fn count(text: &[u8], dialect: Dialect) -> Option<u64> {
    let mut count = Count(0);
    parse(text, dialect, &mut count).ok()?;
    Some(count.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_program_that_answers_metrics_is_found_and_others_are_not() {
        let serve = |body: &'static str| async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut head = [0; 2048];
                    let _length = stream.read(&mut head).await.unwrap_or(0);
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                    stream.write_all(answer.as_bytes()).await.ok();
                }
            });
            address
        };
        let (good, page) = (serve("a 1\nb 2\n").await, serve("<html></html>").await);
        let found = discover(&[]).await;
        let one = found.iter().find(|one| one.address == good).unwrap_or_else(|| panic!("{found:?}"));
        assert_eq!((one.samples, one.process.contains("this program")), (2, true));
        assert!(found.iter().all(|one| one.address != page));
        assert!(discover(&[good.port()]).await.iter().all(|one| one.address != good));
    }
}
