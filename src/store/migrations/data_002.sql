-- Metrics. Blobs are Belvedere's own columns; the modules under metrics say what is in them.

-- The dictionary of series: each row some series, in the order of their numbers.
CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
);

-- Received samples that are not sealed into a block yet.
CREATE TABLE sample_journal (
    id       INTEGER PRIMARY KEY,
    door     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    samples  INTEGER NOT NULL,
    payload  BLOB    NOT NULL
);

-- What is known of a metric by its family.
CREATE TABLE metric (
    family TEXT PRIMARY KEY,
    kind   INTEGER NOT NULL,
    help   TEXT    NOT NULL,
    unit   TEXT    NOT NULL
) WITHOUT ROWID;

-- Samples refused for good, by door and reason.
CREATE TABLE refusal (
    door    INTEGER NOT NULL,
    reason  INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (door, reason)
) WITHOUT ROWID;
