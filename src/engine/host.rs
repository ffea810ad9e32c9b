//! The machine as samples: processors, memory, disks, network, load, and the processes that take most. Names and labels
//! are those of Prometheus' node exporter, so that its dashboards work; processes are `host_process_*`.
//!
//! Read from `/proc`; what a machine does not have is left out. Parsing is pure, [`look`] reads the files.

use crate::model::Labels;
use crate::model::{MetricKind, MetricMetadata, SampleBatch};
use std::fs;

/// Clock ticks in a second; the kernel promises it to programs.
const TICKS: f64 = 100.0;
/// Bytes of a sector in `/proc/diskstats`.
const SECTOR: f64 = 512.0;
/// Bytes of a page.
const PAGE: f64 = 4096.0;
/// Processes that are told, those that used most processor time.
const PROCESSES: usize = 15;

/// Everything, as of `time` (milliseconds).
pub(super) fn look(time: i64) -> SampleBatch {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let name = file("/proc/sys/kernel/hostname");
    let mut out = Sheet { batch: SampleBatch::default(), time, instance: name.trim().to_owned() };
    cpu(&mut out, &file("/proc/stat"));
    memory(&mut out, &file("/proc/meminfo"));
    load(&mut out, &file("/proc/loadavg"));
    disks(&mut out, &file("/proc/diskstats"));
    network(&mut out, &file("/proc/net/dev"));
    processes(&mut out, &stats());
    out.batch
}

struct Sheet {
    batch: SampleBatch,
    time: i64,
    instance: String,
}

impl Sheet {
    fn kind(&mut self, family: &str, kind: MetricKind, help: &str) {
        self.batch.metadata.push(MetricMetadata { family: family.into(), kind, help: help.into(), unit: "".into() });
    }

    fn put(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let own = [("__name__", name), ("job", "host"), ("instance", self.instance.as_str())];
        self.batch.begin_series(&Labels::new(own.into_iter().chain(labels.iter().copied())));
        self.batch.push_float(self.time, value);
    }
}

fn cpu(out: &mut Sheet, stat: &str) {
    const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
    out.kind("node_cpu_seconds_total", MetricKind::Counter, "Seconds the CPUs spent in each mode.");
    for line in stat.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some(word) if word.len() > 3 && word.starts_with("cpu") => {
                for (mode, ticks) in MODES.iter().zip(words) {
                    let seconds = ticks.parse::<f64>().unwrap_or_default() / TICKS;
                    out.put("node_cpu_seconds_total", &[("cpu", &word[3..]), ("mode", mode)], seconds);
                }
            }
            Some("btime") => {
                out.put("node_boot_time_seconds", &[], words.next().and_then(|word| word.parse().ok()).unwrap_or_default());
            }
            Some("ctxt") => {
                out.put(
                    "node_context_switches_total",
                    &[],
                    words.next().and_then(|word| word.parse().ok()).unwrap_or_default(),
                );
            }
            _ => {}
        }
    }
}

fn memory(out: &mut Sheet, meminfo: &str) {
    for line in meminfo.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let wanted = ["MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree", "Dirty", "Slab"];
        if wanted.contains(&name)
            && let Some(kib) = rest.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok())
        {
            out.put(&format!("node_memory_{name}_bytes"), &[], kib * 1024.0);
        }
    }
}

fn load(out: &mut Sheet, loadavg: &str) {
    for (name, value) in ["node_load1", "node_load5", "node_load15"].into_iter().zip(loadavg.split_ascii_whitespace()) {
        if let Ok(value) = value.parse() {
            out.put(name, &[], value);
        }
    }
}

fn disks(out: &mut Sheet, diskstats: &str) {
    for name in ["node_disk_read_bytes_total", "node_disk_written_bytes_total", "node_disk_io_time_seconds_total"] {
        out.kind(name, MetricKind::Counter, "Of a block device.");
    }
    for line in diskstats.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(device) = words.get(2).filter(|name| !name.starts_with("loop") && !name.starts_with("ram")) else { continue };
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok()).unwrap_or_default();
        let device = [("device", *device)];
        out.put("node_disk_reads_completed_total", &device, number(3));
        out.put("node_disk_read_bytes_total", &device, number(5) * SECTOR);
        out.put("node_disk_writes_completed_total", &device, number(7));
        out.put("node_disk_written_bytes_total", &device, number(9) * SECTOR);
        out.put("node_disk_io_time_seconds_total", &device, number(12) / 1000.0);
    }
}

fn network(out: &mut Sheet, dev: &str) {
    for line in dev.lines() {
        let Some((device, rest)) = line.split_once(':') else { continue };
        let words: Vec<f64> = rest.split_ascii_whitespace().map(|word| word.parse().unwrap_or_default()).collect();
        if words.len() < 11 {
            continue;
        }
        let device = [("device", device.trim())];
        for (name, at) in [
            ("node_network_receive_bytes_total", 0),
            ("node_network_receive_packets_total", 1),
            ("node_network_receive_errs_total", 2),
            ("node_network_receive_drop_total", 3),
            ("node_network_transmit_bytes_total", 8),
            ("node_network_transmit_packets_total", 9),
            ("node_network_transmit_errs_total", 10),
        ] {
            out.put(name, &device, words[at]);
        }
    }
}

/// `stat` of every process.
fn stats() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .collect()
}

fn processes(out: &mut Sheet, stats: &[String]) {
    let mut rows: Vec<(f64, f64, &str, &str)> = stats
        .iter()
        .filter_map(|stat| {
            // The name stands in parentheses and may hold any character.
            let (pid, rest) = stat.split_once(" (")?;
            let (name, rest) = rest.rsplit_once(") ")?;
            let words: Vec<&str> = rest.split_ascii_whitespace().collect();
            let number = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok());
            Some(((number(11)? + number(12)?) / TICKS, number(21)? * PAGE, pid, name))
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    out.kind("host_process_cpu_seconds_total", MetricKind::Counter, "Processor time of a process.");
    out.kind("host_process_resident_memory_bytes", MetricKind::Gauge, "Resident memory of a process.");
    for (cpu, resident, pid, name) in rows.into_iter().take(PROCESSES) {
        let labels = [("pid", pid), ("process", name)];
        out.put("host_process_cpu_seconds_total", &labels, cpu);
        out.put("host_process_resident_memory_bytes", &labels, resident);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fill: impl Fn(&mut Sheet)) -> Vec<String> {
        let mut sheet = Sheet { batch: SampleBatch::default(), time: 9, instance: "h".into() };
        fill(&mut sheet);
        let batch = sheet.batch;
        let line = |series: &crate::model::sample::BatchSeries| {
            let labels = Labels::from_packed(batch.packed_labels(series)).unwrap();
            let own = labels.without(|name| name == "job" || name == "instance");
            format!("{own} {}", batch.values[series.samples.start as usize])
        };
        batch.series.iter().map(line).collect()
    }

    #[test]
    fn the_files_of_proc_become_what_the_node_exporter_tells() {
        let cpus = lines(|out| cpu(out, "cpu  1 2 3 4\ncpu0 100 0 50 1000 0 0 0 0 0 0\nctxt 7\nbtime 8\n"));
        assert_eq!(cpus[0], r#"node_cpu_seconds_total{cpu="0", mode="user"} 1"#);
        assert_eq!(cpus.len(), 10);
        assert_eq!(lines(|out| memory(out, "MemTotal:       16 kB\nOther: 1 kB\n")), ["node_memory_MemTotal_bytes 16384"]);
        assert_eq!(lines(|out| load(out, "0.5 0.25 1 2/300 4\n")), ["node_load1 0.5", "node_load5 0.25", "node_load15 1"]);
        let disk = lines(|out| disks(out, " 8 0 sda 10 0 20 0 5 0 40 0 0 1500 0\n 7 0 loop0 1 1 1 1 1 1 1 1 1 1 1\n"));
        assert_eq!(disk[1], r#"node_disk_read_bytes_total{device="sda"} 10240"#);
        assert_eq!(disk.len(), 5);
        let net = lines(|out| network(out, "head\n  lo: 1 2 3 4 0 0 0 0 5 6 7 0 0 0 0 0\n"));
        assert_eq!(net[4], r#"node_network_transmit_bytes_total{device="lo"} 5"#);
        let stat = "42 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 100 1000 3 18446744073709551615".to_owned();
        let process = lines(|out| processes(out, std::slice::from_ref(&stat)));
        assert_eq!(process[0], r#"host_process_cpu_seconds_total{pid="42", process="a) b"} 3"#);
        assert_eq!(process[1], r#"host_process_resident_memory_bytes{pid="42", process="a) b"} 12288"#);
    }

    #[test]
    fn this_machine_has_something_to_tell() {
        assert!(look(1).len() > 20);
    }
}
