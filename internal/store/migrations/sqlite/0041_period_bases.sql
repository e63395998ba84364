-- What a day holds beside its hours: its cells at the moment when the cells of its hours left.
CREATE TABLE period_bases (
    level     TEXT    NOT NULL, -- daily
    start     INTEGER NOT NULL, -- seconds since the epoch
    dimension TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    cell      BLOB    NOT NULL,
    PRIMARY KEY (level, start, dimension, value)
);
