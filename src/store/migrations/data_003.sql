-- Sealed samples; the module metrics/block says what is in the blobs.

CREATE TABLE metric_block (
    id             INTEGER PRIMARY KEY,
    first_time     INTEGER NOT NULL,
    last_time      INTEGER NOT NULL,
    first_received INTEGER NOT NULL,
    last_received  INTEGER NOT NULL,
    samples        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    hidden         INTEGER NOT NULL DEFAULT 0,
    parts          BLOB    NOT NULL,
    series         BLOB    NOT NULL,
    counts         BLOB    NOT NULL
);

-- The samples of some series of a block, under ids from id * 1048576.
CREATE TABLE metric_part (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

-- Examples behind samples; of each series the latest.
CREATE TABLE exemplar (
    series INTEGER NOT NULL,
    time   INTEGER NOT NULL,
    value  REAL    NOT NULL,
    labels BLOB    NOT NULL,
    PRIMARY KEY (series, time, labels)
) WITHOUT ROWID;
