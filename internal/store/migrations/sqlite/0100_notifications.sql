-- What notifications must remember: configuration, silences, alerts, what was said to whom, and messages on their way. Each row is a
-- document of the room that owns it, with the revision of the whole in which it last changed, so that every instance follows the others
-- by asking for what is newer. A body of NULL says that the document was removed. Times are microseconds since the epoch.
CREATE TABLE notification_documents (
    kind     TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    body     BLOB,
    PRIMARY KEY (kind, id)
);
CREATE INDEX notification_documents_by_revision ON notification_documents (revision);
-- One row: the last revision, the one up to which removed documents are forgotten, and which instance speaks for all until when. The
-- fence grows with each owner.
CREATE TABLE notification_owner (
    id       INTEGER NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    purged   INTEGER NOT NULL,
    owner    TEXT    NOT NULL,
    fence    INTEGER NOT NULL,
    until    INTEGER NOT NULL
);
INSERT INTO notification_owner (id, revision, purged, owner, fence, until) VALUES (1, 0, 0, '', 0, 0);
