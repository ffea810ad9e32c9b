//! The workspace on disk: journal, head, segments, definitions. Owns every SQLite connection; hands out none.
