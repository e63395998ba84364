-- How many requests an hour has, and how many of them its own rows complete: with feedback and a business event of the same request_id.
-- NULL = nobody has counted: the hour was folded before.
ALTER TABLE hour_builds ADD COLUMN requests INTEGER;
ALTER TABLE hour_builds ADD COLUMN complete INTEGER;
