-- What a day holds beside its hours: its cells at the moment when the cells of its hours left.
CREATE TABLE period_bases (
    level     TEXT COLLATE "C" NOT NULL, -- daily
    start     BIGINT           NOT NULL, -- seconds since the epoch
    dimension TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    cell      BYTEA            NOT NULL,
    PRIMARY KEY (level, start, dimension, value)
);
