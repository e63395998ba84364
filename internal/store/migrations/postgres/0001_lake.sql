-- How far the lake has published each partition. The key is the id of the topic: one made anew begins again.
CREATE TABLE lake_positions (
    topic_id  TEXT COLLATE "C" NOT NULL,
    partition INTEGER          NOT NULL,
    topic     TEXT COLLATE "C" NOT NULL,
    next      BIGINT           NOT NULL, -- first offset that is not published
    PRIMARY KEY (topic_id, partition)
);

-- The manifest: the Parquet files that exist as far as exact readers are concerned.
CREATE TABLE lake_files (
    path         TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- relative to the root of the lake
    topic_id     TEXT COLLATE "C" NOT NULL,
    topic        TEXT COLLATE "C" NOT NULL,
    partition    INTEGER          NOT NULL,
    from_offset  BIGINT           NOT NULL,
    to_offset    BIGINT           NOT NULL, -- exclusive
    hour         BIGINT           NOT NULL, -- seconds since the epoch
    row_count    BIGINT           NOT NULL,
    bytes        BIGINT           NOT NULL,
    sha256       TEXT             NOT NULL,
    min_time     BIGINT           NOT NULL, -- microseconds since the epoch
    max_time     BIGINT           NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    published_at BIGINT           NOT NULL  -- microseconds since the epoch
);
CREATE INDEX lake_files_by_hour ON lake_files (hour, topic);

-- Offsets that the lake could not read, for good.
CREATE TABLE lake_gaps (
    topic_id    TEXT COLLATE "C" NOT NULL,
    partition   INTEGER          NOT NULL,
    topic       TEXT COLLATE "C" NOT NULL,
    from_offset BIGINT           NOT NULL,
    to_offset   BIGINT           NOT NULL,
    reason      TEXT             NOT NULL,
    found_at    BIGINT           NOT NULL  -- microseconds since the epoch
);

-- Number of publications that touched each hour of each topic.
CREATE TABLE hour_versions (
    topic        TEXT COLLATE "C" NOT NULL,
    hour         BIGINT           NOT NULL, -- seconds since the epoch
    version      BIGINT           NOT NULL,
    published_at BIGINT           NOT NULL, -- microseconds since the epoch
    PRIMARY KEY (hour, topic)
);
