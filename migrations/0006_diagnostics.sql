-- diagnostics
CREATE TABLE diagnostics (
    model_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    tournament_id TEXT NOT NULL,
    artifact TEXT NOT NULL,
    job_id TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    answers BYTEA NOT NULL,
    era_count BIGINT NOT NULL,
    eras BYTEA NOT NULL,
    report TEXT NOT NULL,
    queued_us BIGINT NOT NULL,
    done_us BIGINT NOT NULL,
    PRIMARY KEY (model_id, dataset)
);
CREATE UNIQUE INDEX diagnostics_by_job ON diagnostics (job_id);
CREATE INDEX diagnostics_by_state ON diagnostics (state, queued_us);
CREATE INDEX diagnostics_by_tournament ON diagnostics (tournament_id, era_count);
