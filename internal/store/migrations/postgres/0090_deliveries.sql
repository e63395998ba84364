-- Each report on its way to somebody, and what became of it. A report goes to a target once: its row is found again. Times are
-- microseconds since the epoch.
CREATE TABLE deliveries (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- of report, way and target
    report_id   TEXT COLLATE "C" NOT NULL,
    way         TEXT COLLATE "C" NOT NULL, -- mail, webhook, folder
    target      TEXT             NOT NULL,
    state       TEXT COLLATE "C" NOT NULL, -- waiting, sending, sent, failed
    sha256      TEXT COLLATE "C" NOT NULL, -- of the document that was sent or is being sent; '' = none yet
    attempts    BIGINT           NOT NULL,
    uncertain   BIGINT           NOT NULL, -- tries that were cut before the answer
    created_at  BIGINT           NOT NULL,
    next_at     BIGINT           NOT NULL, -- not before; of a try that is under way, when it is given up for lost
    sent_at     BIGINT,
    machine     TEXT COLLATE "C" NOT NULL, -- that has the document
    error       TEXT             NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (state, machine, next_at);
CREATE INDEX deliveries_by_report ON deliveries (report_id);
