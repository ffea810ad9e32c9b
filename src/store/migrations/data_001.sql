-- Telemetry. Blobs are Belvedere's own columns; the modules journal, segment and directory say what is in them.

-- Received span batches that are not sealed into a segment yet.
CREATE TABLE journal (
    id       INTEGER PRIMARY KEY,
    door     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    spans    INTEGER NOT NULL,
    payload  BLOB    NOT NULL
);

-- Metrics and logs as they came (OTLP protobuf, compressed), until their own tables take them.
CREATE TABLE raw (
    id       INTEGER PRIMARY KEY,
    door     INTEGER NOT NULL,
    signal   INTEGER NOT NULL,
    received INTEGER NOT NULL,
    hidden   INTEGER NOT NULL DEFAULT 0,
    services BLOB    NOT NULL,
    payload  BLOB    NOT NULL
);

-- One row a segment; its columns stand in `part`, under ids from id * 1024.
CREATE TABLE segment (
    id             INTEGER PRIMARY KEY,
    spans          INTEGER NOT NULL,
    traces         INTEGER NOT NULL,
    first_start    INTEGER NOT NULL,
    last_end       INTEGER NOT NULL,
    first_received INTEGER NOT NULL,
    last_received  INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    hidden         INTEGER NOT NULL DEFAULT 0,
    counts         BLOB    NOT NULL,
    filter         BLOB    NOT NULL
);

CREATE TABLE part (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

-- Traces whose spans stand in more than one place: a row for each segment, with the services they have there.
CREATE TABLE split (
    trace_id BLOB    NOT NULL,
    segment  INTEGER NOT NULL,
    services BLOB    NOT NULL,
    PRIMARY KEY (trace_id, segment)
) WITHOUT ROWID;

-- Traces that retention keeps.
CREATE TABLE pin (
    trace_id BLOB PRIMARY KEY
) WITHOUT ROWID;

-- What became of everything received, by door, service and signal. Spans in the journal are not counted here yet.
CREATE TABLE account (
    door        INTEGER NOT NULL,
    service     TEXT    NOT NULL,
    signal      INTEGER NOT NULL,
    received    INTEGER NOT NULL DEFAULT 0,
    stored      INTEGER NOT NULL DEFAULT 0,
    duplicate   INTEGER NOT NULL DEFAULT 0,
    rejected    INTEGER NOT NULL DEFAULT 0,
    evicted     INTEGER NOT NULL DEFAULT 0,
    sampled_out INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (door, service, signal)
) WITHOUT ROWID;
