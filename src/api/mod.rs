//! The local HTTP API on the api door.
