//! The trace view by keyboard and by name.
