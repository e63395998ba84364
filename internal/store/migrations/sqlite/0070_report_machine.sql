-- The machine that wrote the file of a report, '' = not known: folders of reports need not be shared.
ALTER TABLE reports ADD COLUMN machine TEXT NOT NULL DEFAULT '';
