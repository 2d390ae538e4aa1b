-- Runs of a model that failed in a row, through no fault of ours.
ALTER TABLE models ADD COLUMN strikes BIGINT NOT NULL DEFAULT 0;
