-- Plans of what leaves, and of what comes back. Times are microseconds since the epoch.
CREATE TABLE retention_plans (
    id         TEXT    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL, -- cleanup, restore
    state      TEXT    NOT NULL, -- planned, running, done, failed
    created_at INTEGER NOT NULL,
    owner      TEXT    NOT NULL, -- who carries it out, or did last
    seen_at    INTEGER NOT NULL, -- last sign of life of the owner
    document   TEXT    NOT NULL  -- JSON
);
CREATE INDEX retention_plans_by_age ON retention_plans (created_at, id);
CREATE INDEX retention_plans_running ON retention_plans (created_at) WHERE state = 'running';

-- What must not leave.
CREATE TABLE retention_holds (
    name       TEXT    NOT NULL PRIMARY KEY,
    class      TEXT    NOT NULL,
    from_time  INTEGER NOT NULL,
    to_time    INTEGER NOT NULL, -- exclusive
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL
);

-- What has left. A file of the lake also has its state in lake_files, until it is gone without a copy.
CREATE TABLE retired_objects (
    class      TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    plan_id    TEXT    NOT NULL,
    start      INTEGER NOT NULL, -- of its period, seconds since the epoch
    end_time   INTEGER NOT NULL,
    copy       TEXT    NOT NULL, -- path in the archive, '' = none
    row_count  INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    retired_at INTEGER NOT NULL,
    document   TEXT    NOT NULL, -- of a report what is known of it, JSON
    PRIMARY KEY (class, path, plan_id)
);
CREATE INDEX retired_objects_by_plan ON retired_objects (plan_id);
CREATE INDEX retired_objects_by_period ON retired_objects (class, start);
CREATE INDEX lake_files_marked ON lake_files (hour) WHERE state = 'marked';
