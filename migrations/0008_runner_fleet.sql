-- runners: what a runner is and how it has done; who was lent which model of a run; answers compared
ALTER TABLE runner_job_models ADD COLUMN class TEXT NOT NULL DEFAULT '';
CREATE TABLE runner_fleet (
    name TEXT PRIMARY KEY REFERENCES runners (name),
    device TEXT NOT NULL,
    profile TEXT NOT NULL,
    cores BIGINT NOT NULL,
    memory_mb BIGINT NOT NULL,
    workers BIGINT NOT NULL,
    tree_us BIGINT NOT NULL,
    dense_us BIGINT NOT NULL,
    rate_milli BIGINT NOT NULL,
    registered_us BIGINT NOT NULL,
    beat_us BIGINT NOT NULL,
    free_workers BIGINT NOT NULL,
    load_milli BIGINT NOT NULL,
    is_draining BIGINT NOT NULL,
    drain_asked_us BIGINT NOT NULL,
    on_time BIGINT NOT NULL,
    missed BIGINT NOT NULL,
    disagreed BIGINT NOT NULL,
    reputation_ppm BIGINT NOT NULL,
    reputation_us BIGINT NOT NULL
);
CREATE TABLE runner_tries (
    job_id TEXT NOT NULL REFERENCES runner_jobs (id),
    model_id TEXT NOT NULL,
    runner TEXT NOT NULL,
    role TEXT NOT NULL,
    lent_us BIGINT NOT NULL,
    until_us BIGINT NOT NULL,
    answered_us BIGINT NOT NULL,
    is_missed BIGINT NOT NULL,
    is_blamed BIGINT NOT NULL,
    status TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (job_id, model_id, runner)
);
CREATE INDEX runner_tries_open ON runner_tries (answered_us, is_missed, until_us);
CREATE TABLE runner_samples (
    job_id TEXT PRIMARY KEY REFERENCES runner_jobs (id),
    seed TEXT NOT NULL,
    share_ppm BIGINT NOT NULL,
    model_count BIGINT NOT NULL,
    sample_count BIGINT NOT NULL
);
CREATE TABLE runner_comparisons (
    job_id TEXT NOT NULL REFERENCES runner_jobs (id),
    model_id TEXT NOT NULL,
    state TEXT NOT NULL,
    runners TEXT NOT NULL,
    counted_runner TEXT NOT NULL,
    blamed TEXT NOT NULL,
    difference_e9 BIGINT NOT NULL,
    found_us BIGINT NOT NULL,
    settled_us BIGINT NOT NULL,
    PRIMARY KEY (job_id, model_id)
);
CREATE INDEX runner_comparisons_by_state ON runner_comparisons (state, found_us);
