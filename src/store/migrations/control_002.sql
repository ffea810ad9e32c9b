-- Small records that the rooms above decide on and that must outlive the process: alerts, groups, silences, what was
-- sent. What a key and a value are belongs to whoever owns the kind.
CREATE TABLE record (
    kind  TEXT NOT NULL,
    key   BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
