-- What is known of each report; the documents themselves are files. Times are microseconds since the epoch.
CREATE TABLE reports (
    id           TEXT    NOT NULL PRIMARY KEY,
    report_type  TEXT    NOT NULL,
    format       TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    period_start INTEGER NOT NULL,
    period_end   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    completed_at INTEGER,          -- when the bytes last changed
    bytes        INTEGER NOT NULL,
    sha256       TEXT    NOT NULL, -- '' = there are no bytes yet
    file         TEXT    NOT NULL, -- below the folder of reports
    completeness REAL,
    error        TEXT    NOT NULL
);
CREATE INDEX reports_by_age ON reports (created_at, id);
CREATE INDEX reports_by_type ON reports (report_type, period_end);
CREATE INDEX reports_by_status ON reports (status);

-- The last analysis of each kind, as JSON.
CREATE TABLE analyses (
    kind     TEXT    NOT NULL PRIMARY KEY,
    made_at  INTEGER NOT NULL,
    document TEXT    NOT NULL
);
