//! The list by keyboard and by name.
