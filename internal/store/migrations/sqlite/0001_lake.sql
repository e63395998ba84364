-- How far the lake has published each partition. The key is the id of the topic: one made anew begins again.
CREATE TABLE lake_positions (
    topic_id  TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    topic     TEXT    NOT NULL,
    next      INTEGER NOT NULL, -- first offset that is not published
    PRIMARY KEY (topic_id, partition)
);

-- The manifest: the Parquet files that exist as far as exact readers are concerned.
CREATE TABLE lake_files (
    path         TEXT    NOT NULL PRIMARY KEY, -- relative to the root of the lake
    topic_id     TEXT    NOT NULL,
    topic        TEXT    NOT NULL,
    partition    INTEGER NOT NULL,
    from_offset  INTEGER NOT NULL,
    to_offset    INTEGER NOT NULL, -- exclusive
    hour         INTEGER NOT NULL, -- seconds since the epoch
    row_count    INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    sha256       TEXT    NOT NULL,
    min_time     INTEGER NOT NULL, -- microseconds since the epoch
    max_time     INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    published_at INTEGER NOT NULL  -- microseconds since the epoch
);
CREATE INDEX lake_files_by_hour ON lake_files (hour, topic);

-- Offsets that the lake could not read, for good.
CREATE TABLE lake_gaps (
    topic_id    TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    topic       TEXT    NOT NULL,
    from_offset INTEGER NOT NULL,
    to_offset   INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    found_at    INTEGER NOT NULL  -- microseconds since the epoch
);

-- Number of publications that touched each hour of each topic.
CREATE TABLE hour_versions (
    topic        TEXT    NOT NULL,
    hour         INTEGER NOT NULL, -- seconds since the epoch
    version      INTEGER NOT NULL,
    published_at INTEGER NOT NULL, -- microseconds since the epoch
    PRIMARY KEY (hour, topic)
) WITHOUT ROWID;
