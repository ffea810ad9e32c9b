//! Prometheus remote write 1.0 and 2.0: a snappy block of protobuf, walked straight into the packed label sets of a
//! [`SampleBatch`].
//!
//! Sources: the remote write specifications 1.0 and 2.0, `prompb/types.proto` and `io/prometheus/write/v2/types.proto`.
//! A payload that is no such message is refused whole; a series that makes no sense (labels twice, no name, a histogram
//! whose buckets do not add up) is refused alone, counted and named, and the rest is kept, as the 2.0 specification asks
//! of receivers. Nothing is allocated per series beyond the batch's own columns.

mod encode;
mod labels;
mod message;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

pub use encode::{encode_v1, encode_v2};

use super::otlp::Fault;
use super::otlp::pb::{Broken, Step};
use crate::model::SampleBatch;

/// Bytes of a decompressed payload, as Prometheus bounds it.
pub const LARGEST: usize = 32 << 20;
/// Reasons that are kept word for word.
const KEPT_REASONS: usize = 8;

/// Which of the two messages a body holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

impl Version {
    /// From a `Content-Type`: no type and no `proto` parameter mean 1.0. `None` is answered with 415.
    pub fn of_content_type(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        if !parts.next().unwrap_or_default().eq_ignore_ascii_case("application/x-protobuf") {
            return value.trim().is_empty().then_some(Self::V1);
        }
        for parameter in parts {
            let Some((name, proto)) = parameter.split_once('=') else { continue };
            if name.trim().eq_ignore_ascii_case("proto") {
                return match proto.trim().trim_matches('"') {
                    "prometheus.WriteRequest" => Some(Self::V1),
                    "io.prometheus.write.v2.Request" => Some(Self::V2),
                    _ => None,
                };
            }
        }
        Some(Self::V1)
    }
}

/// What was refused while the rest is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refused {
    /// Float samples.
    pub samples: u64,
    /// Histogram samples.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
    /// Series.
    pub series: u64,
    /// The first reasons.
    pub reasons: Vec<String>,
}

impl Refused {
    fn because(&mut self, reason: impl FnOnce() -> String) {
        if self.reasons.len() < KEPT_REASONS {
            self.reasons.push(reason());
        }
    }
}

/// What came out of a payload.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decoded {
    /// What can be stored.
    pub batch: SampleBatch,
    /// What cannot.
    pub refused: Refused,
}

/// Why a payload cannot be read. Nothing of it is kept.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum RemoteWriteError {
    /// Not a snappy block.
    #[error("the body is not a snappy block: {0}. Send Content-Encoding: snappy with a raw block, not the framed form")]
    Snappy(String),
    /// Larger than [`LARGEST`].
    #[error("the decompressed body has {0} bytes, more than {LARGEST}: send fewer samples at once (max_samples_per_send)")]
    TooLarge(usize),
    /// Not the protobuf message it should be.
    #[error("not a {message}: {fault}, at byte {position}{}", display_path(.path))]
    Protobuf {
        /// Message that was expected.
        message: &'static str,
        /// What is wrong.
        fault: Fault,
        /// Byte in the decompressed payload, from 0.
        position: usize,
        /// Fields around it, `timeseries[3].samples`.
        path: String,
    },
}

fn display_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in {path}") }
}

/// Takes a snappy block apart, never beyond [`LARGEST`]: a length that is claimed is looked at before memory is taken.
pub fn decompress(body: &[u8]) -> Result<Vec<u8>, RemoteWriteError> {
    let failed = |error: snap::Error| RemoteWriteError::Snappy(error.to_string());
    let length = snap::raw::decompress_len(body).map_err(failed)?;
    if length > LARGEST {
        return Err(RemoteWriteError::TooLarge(length));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(failed)
}

/// Reads a decompressed payload.
pub fn decode(version: Version, body: &[u8]) -> Result<Decoded, RemoteWriteError> {
    let mut decoded = Decoded::default();
    let (message, read) = match version {
        Version::V1 => ("prometheus.WriteRequest", v1::decode(body, &mut decoded)),
        Version::V2 => ("io.prometheus.write.v2.Request", v2::decode(body, &mut decoded)),
    };
    read.map_err(|broken| protobuf(message, body, &broken))?;
    Ok(decoded)
}

fn protobuf(message: &'static str, body: &[u8], broken: &Broken) -> RemoteWriteError {
    let position = broken.address.saturating_sub(body.as_ptr() as usize).min(body.len());
    let path: Vec<String> = broken.path.iter().rev().map(Step::to_string).collect();
    RemoteWriteError::Protobuf { message, fault: broken.fault, position, path: path.join(".") }
}
