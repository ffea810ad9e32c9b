//! Trace query language: parser with positions, evaluation over a source.
