-- The live files of an hour that share a generation, not 0, were compacted together: no identity is among them twice.
ALTER TABLE lake_files ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- When the file was replaced, microseconds since the epoch.
ALTER TABLE lake_files ADD COLUMN superseded_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX lake_files_superseded ON lake_files (superseded_at) WHERE state = 'superseded';

-- The version of each hour that its compacted files were made of. An hour whose version is another has loose files.
CREATE TABLE hour_compactions (
    hour           INTEGER NOT NULL PRIMARY KEY, -- seconds since the epoch
    compacted_from INTEGER NOT NULL,
    compacted_at   INTEGER NOT NULL  -- microseconds since the epoch
);
