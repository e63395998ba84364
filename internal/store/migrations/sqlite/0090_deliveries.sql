-- Each report on its way to somebody, and what became of it. A report goes to a target once: its row is found again. Times are
-- microseconds since the epoch.
CREATE TABLE deliveries (
    id          TEXT    NOT NULL PRIMARY KEY, -- of report, way and target
    report_id   TEXT    NOT NULL,
    way         TEXT    NOT NULL, -- mail, webhook, folder
    target      TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- waiting, sending, sent, failed
    sha256      TEXT    NOT NULL, -- of the document that was sent or is being sent; '' = none yet
    attempts    INTEGER NOT NULL,
    uncertain   INTEGER NOT NULL, -- tries that were cut before the answer
    created_at  INTEGER NOT NULL,
    next_at     INTEGER NOT NULL, -- not before; of a try that is under way, when it is given up for lost
    sent_at     INTEGER,
    machine     TEXT    NOT NULL, -- that has the document
    error       TEXT    NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (state, machine, next_at);
CREATE INDEX deliveries_by_report ON deliveries (report_id);
