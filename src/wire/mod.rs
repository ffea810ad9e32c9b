//! Codecs: bytes to model and back. Pure functions over bytes, shared by the receivers and by Open file.
//!
//! [`open::read`] takes any file: it unpacks, tells the format by content and calls the codec of that format. The doors
//! of the collector call the codecs directly. Each codec owns one format and says in its module comment which document
//! its mapping follows. No codec panics, recurses without bound or allocates more than its input justifies, whatever
//! the bytes; a record that makes no sense in a file that does is rejected, counted and named, a file that breaks off in
//! the middle is refused whole.

pub mod datadog;
pub mod export;
pub mod exposition;
pub mod fault;
pub mod format;
pub mod jaeger;
pub mod jaeger_thrift;
pub mod native;
pub mod open;
pub mod otlp;
pub mod redact;
pub mod remote_write;
pub mod statsd;
pub mod yaml;
pub mod zipkin;

mod assemble;
mod chrome;
mod go_stdouttrace;
mod ids;
mod json;
mod otlp_file;
mod protobuf;
mod reading;
mod xray;

pub use fault::{OpenError, Place, Problem};
pub use format::Format;
pub use reading::{Decoded, Progress};
