-- Definitions and decisions: small, precious, changed by people.

-- Settings by key; values are JSON.
CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
