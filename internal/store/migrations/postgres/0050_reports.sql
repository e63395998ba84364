-- What is known of each report; the documents themselves are files. Times are microseconds since the epoch.
CREATE TABLE reports (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    report_type  TEXT COLLATE "C" NOT NULL,
    format       TEXT COLLATE "C" NOT NULL,
    status       TEXT COLLATE "C" NOT NULL,
    period_start BIGINT           NOT NULL,
    period_end   BIGINT           NOT NULL,
    created_at   BIGINT           NOT NULL,
    completed_at BIGINT,                    -- when the bytes last changed
    bytes        BIGINT           NOT NULL,
    sha256       TEXT COLLATE "C" NOT NULL, -- '' = there are no bytes yet
    file         TEXT             NOT NULL, -- below the folder of reports
    completeness DOUBLE PRECISION,
    error        TEXT             NOT NULL
);
CREATE INDEX reports_by_age ON reports (created_at, id);
CREATE INDEX reports_by_type ON reports (report_type, period_end);
CREATE INDEX reports_by_status ON reports (status);

-- The last analysis of each kind, as JSON.
CREATE TABLE analyses (
    kind     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    made_at  BIGINT           NOT NULL,
    document TEXT             NOT NULL
);
