//! Receivers behind every door: admission, decoding, redaction, acknowledgement.
