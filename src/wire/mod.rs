//! Codecs: bytes to model and back. Pure functions over bytes, shared by the receivers and by Open file.

pub mod otlp;
pub mod redact;
