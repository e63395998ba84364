-- Hours that are folded in parts, while that is under way. Times are microseconds since the epoch.
CREATE TABLE hour_plans (
    id       TEXT NOT NULL PRIMARY KEY,
    hour     INTEGER NOT NULL, -- seconds since the epoch
    parts    INTEGER NOT NULL,
    version  INTEGER NOT NULL, -- of the hour, which the files make up
    run_id   TEXT NOT NULL,    -- that it was made for
    raised   INTEGER NOT NULL, -- of the run then
    document TEXT NOT NULL,    -- JSON: files and shares
    choice   BLOB,             -- values that are kept apart, once there are too many
    made_at  INTEGER NOT NULL
);
CREATE UNIQUE INDEX hour_plans_by_hour ON hour_plans (hour, parts);
CREATE INDEX hour_plans_by_age ON hour_plans (made_at);

-- What the parts made, in pieces.
CREATE TABLE hour_parts (
    plan_id TEXT NOT NULL REFERENCES hour_plans (id) ON DELETE CASCADE,
    part    INTEGER NOT NULL,
    piece   INTEGER NOT NULL,
    counted INTEGER NOT NULL, -- 1: only the events of each value, because there are too many values
    data    BLOB NOT NULL,
    PRIMARY KEY (plan_id, part, piece)
);
