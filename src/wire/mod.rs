//! Codecs: bytes to model and back. Pure functions over bytes, shared by the receivers and by Open file.
