-- One text for SQLite and PostgreSQL: BIGINT, TEXT and BYTEA only. Times are microseconds UTC,
-- amounts are 1e-9 token, prices 1e-8, scores 1e-9, probabilities ppm; numbers that may outgrow
-- 63 bits are decimal text. Owners of the tables: README.md beside this file.

-- accounts
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    wallet TEXT NOT NULL,
    is_operator BIGINT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    secret_hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    revoked_us BIGINT NOT NULL
);

-- rounds
CREATE TABLE tournaments (
    id TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    rule_hash TEXT NOT NULL,
    chain_key TEXT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE TABLE rounds (
    id TEXT PRIMARY KEY,
    tournament_id TEXT NOT NULL REFERENCES tournaments (id),
    start_us BIGINT NOT NULL,
    state TEXT NOT NULL,
    due_us BIGINT NOT NULL,
    void_reason TEXT NOT NULL,
    UNIQUE (tournament_id, start_us)
);
CREATE INDEX rounds_by_due ON rounds (due_us);
CREATE INDEX rounds_by_state ON rounds (state, start_us);
CREATE TABLE round_stages (
    round_id TEXT NOT NULL REFERENCES rounds (id),
    stage TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    took_us BIGINT NOT NULL,
    PRIMARY KEY (round_id, stage)
);

-- models
CREATE TABLE artifacts (
    digest TEXT PRIMARY KEY,
    size_bytes BIGINT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE TABLE models (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    tournament_id TEXT NOT NULL REFERENCES tournaments (id),
    name TEXT NOT NULL,
    hosting TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    artifact TEXT NOT NULL,
    card TEXT NOT NULL,
    is_reference BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    UNIQUE (tournament_id, name)
);

-- runners
CREATE TABLE runners (
    name TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    version TEXT NOT NULL,
    runtime TEXT NOT NULL,
    sandbox TEXT NOT NULL,
    seen_us BIGINT NOT NULL
);
CREATE TABLE feature_blocks (
    digest TEXT PRIMARY KEY,
    row_count BIGINT NOT NULL,
    column_count BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE TABLE runner_jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    round_id TEXT NOT NULL,
    features TEXT NOT NULL REFERENCES feature_blocks (digest),
    deadline_us BIGINT NOT NULL,
    lease_runner TEXT NOT NULL,
    lease_until_us BIGINT NOT NULL,
    done_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX runner_jobs_open ON runner_jobs (done_us, deadline_us);
CREATE TABLE runner_job_models (
    job_id TEXT NOT NULL REFERENCES runner_jobs (id),
    model_id TEXT NOT NULL,
    artifact TEXT NOT NULL,
    status TEXT NOT NULL,
    detail TEXT NOT NULL,
    cpu_ms BIGINT NOT NULL,
    wall_ms BIGINT NOT NULL,
    PRIMARY KEY (job_id, model_id)
);

-- prices
CREATE TABLE ticks (
    asset TEXT NOT NULL,
    venue TEXT NOT NULL,
    trade_id BIGINT NOT NULL,
    price BIGINT NOT NULL,
    venue_time_us BIGINT NOT NULL,
    receive_time_us BIGINT NOT NULL,
    PRIMARY KEY (asset, venue, trade_id)
);
CREATE INDEX ticks_by_time ON ticks (asset, venue_time_us);
CREATE TABLE candles (
    asset TEXT NOT NULL,
    open_time_us BIGINT NOT NULL,
    open BIGINT NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    close BIGINT NOT NULL,
    volume_e8 BIGINT NOT NULL,
    PRIMARY KEY (asset, open_time_us)
);
CREATE TABLE resolutions (
    round_id TEXT PRIMARY KEY REFERENCES rounds (id),
    tournament_id TEXT NOT NULL,
    start_us BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    p0 BIGINT NOT NULL,
    p1 BIGINT NOT NULL,
    return_e12 BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    evidence_hash TEXT NOT NULL,
    resolved_us BIGINT NOT NULL
);
CREATE INDEX resolutions_by_tournament ON resolutions (tournament_id, start_us);

-- stakes
CREATE TABLE stake_accounts (
    vault TEXT NOT NULL,
    model_index BIGINT NOT NULL,
    tournament_key TEXT NOT NULL,
    model_key TEXT NOT NULL,
    model_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    deposited BIGINT NOT NULL,
    withdrawn BIGINT NOT NULL,
    stake_delta BIGINT NOT NULL,
    pool_reward BIGINT NOT NULL,
    PRIMARY KEY (vault, model_index)
);
CREATE INDEX stake_accounts_by_model ON stake_accounts (model_id);
CREATE INDEX stake_accounts_by_key ON stake_accounts (model_key, owner);
CREATE TABLE pools (
    vault TEXT PRIMARY KEY,
    funded BIGINT NOT NULL,
    used BIGINT NOT NULL
);
CREATE TABLE withdrawal_requests (
    vault TEXT NOT NULL,
    model_index BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    matures_us BIGINT NOT NULL,
    PRIMARY KEY (vault, model_index)
);
CREATE TABLE reservations (
    round_id TEXT NOT NULL REFERENCES rounds (id),
    model_id TEXT NOT NULL REFERENCES models (id),
    at_risk BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    PRIMARY KEY (round_id, model_id)
);
CREATE INDEX reservations_by_model ON reservations (model_id, reserved);

-- predictions
CREATE TABLE predictions (
    sequence BIGINT PRIMARY KEY,
    round_id TEXT NOT NULL REFERENCES rounds (id),
    model_id TEXT NOT NULL REFERENCES models (id),
    posted_ppm BIGINT NOT NULL,
    counted_ppm BIGINT NOT NULL,
    ask BIGINT NOT NULL,
    received_us BIGINT NOT NULL,
    receipt TEXT NOT NULL
);
CREATE INDEX predictions_by_round ON predictions (round_id, model_id, sequence);
CREATE TABLE counted_predictions (
    round_id TEXT NOT NULL REFERENCES rounds (id),
    model_id TEXT NOT NULL REFERENCES models (id),
    sequence BIGINT NOT NULL,
    model_index BIGINT NOT NULL,
    at_risk BIGINT NOT NULL,
    counted_ppm BIGINT NOT NULL,
    posted_ppm BIGINT NOT NULL,
    PRIMARY KEY (round_id, model_id)
);

-- scores
CREATE TABLE scores (
    round_id TEXT NOT NULL REFERENCES rounds (id),
    model_id TEXT NOT NULL REFERENCES models (id),
    tournament_id TEXT NOT NULL,
    start_us BIGINT NOT NULL,
    counted_ppm BIGINT NOT NULL,
    crowd_ppm BIGINT NOT NULL,
    brier BIGINT NOT NULL,
    log BIGINT NOT NULL,
    correct BIGINT NOT NULL,
    skill_half BIGINT NOT NULL,
    skill_persistence BIGINT NOT NULL,
    skill_crowd BIGINT NOT NULL,
    PRIMARY KEY (round_id, model_id)
);
CREATE INDEX scores_by_model ON scores (model_id, start_us);
CREATE INDEX scores_by_tournament ON scores (tournament_id, start_us);
CREATE TABLE skills (
    model_id TEXT PRIMARY KEY REFERENCES models (id),
    e_half BIGINT NOT NULL,
    e_reference BIGINT NOT NULL,
    v TEXT NOT NULL,
    m_ppm BIGINT NOT NULL,
    staked_rounds BIGINT NOT NULL
);

-- settlement
CREATE TABLE round_locks (
    round_id TEXT PRIMARY KEY REFERENCES rounds (id),
    chain_round TEXT NOT NULL UNIQUE,
    tournament_key TEXT NOT NULL,
    start_us BIGINT NOT NULL,
    total_w BIGINT NOT NULL,
    total_p TEXT NOT NULL,
    top_hash TEXT NOT NULL,
    root TEXT NOT NULL,
    salt TEXT NOT NULL,
    commitment TEXT NOT NULL,
    locked_us BIGINT NOT NULL,
    commit_intent TEXT NOT NULL,
    commit_tx TEXT NOT NULL
);
CREATE INDEX round_locks_by_intent ON round_locks (commit_intent, start_us);
CREATE TABLE payouts (
    round_id TEXT NOT NULL REFERENCES rounds (id),
    model_id TEXT NOT NULL REFERENCES models (id),
    model_index BIGINT NOT NULL,
    at_risk BIGINT NOT NULL,
    counted_ppm BIGINT NOT NULL,
    delta BIGINT NOT NULL,
    PRIMARY KEY (round_id, model_id)
);
CREATE INDEX payouts_by_model ON payouts (model_id);
CREATE TABLE batches (
    id TEXT PRIMARY KEY,
    vault TEXT NOT NULL,
    seq BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    state TEXT NOT NULL,
    prev_root TEXT NOT NULL,
    new_top TEXT NOT NULL,
    new_root TEXT NOT NULL,
    burned BIGINT NOT NULL,
    pool_used BIGINT NOT NULL,
    record_hash TEXT NOT NULL,
    propose_tx TEXT NOT NULL,
    accept_tx TEXT NOT NULL,
    gas_used BIGINT NOT NULL,
    accept_after_us BIGINT NOT NULL,
    dies_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    UNIQUE (vault, seq, attempt)
);
CREATE INDEX batches_by_state ON batches (state, seq);
CREATE TABLE batch_rounds (
    batch_id TEXT NOT NULL REFERENCES batches (id),
    round_id TEXT NOT NULL REFERENCES rounds (id),
    PRIMARY KEY (batch_id, round_id)
);
CREATE INDEX batch_rounds_by_round ON batch_rounds (round_id);
CREATE TABLE batch_changes (
    batch_id TEXT NOT NULL REFERENCES batches (id),
    model_index BIGINT NOT NULL,
    stake_delta BIGINT NOT NULL,
    pool_reward BIGINT NOT NULL,
    PRIMARY KEY (batch_id, model_index)
);
CREATE TABLE intents (
    id TEXT PRIMARY KEY,
    signer TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    recipient TEXT NOT NULL,
    calldata TEXT NOT NULL,
    useless_from_us BIGINT NOT NULL,
    state TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    mined_tx TEXT NOT NULL,
    gas_used BIGINT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX intents_by_state ON intents (state, created_us);
CREATE TABLE attempts (
    intent_id TEXT NOT NULL REFERENCES intents (id),
    number BIGINT NOT NULL,
    signer TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    is_cancel BIGINT NOT NULL,
    gas_limit BIGINT NOT NULL,
    max_fee TEXT NOT NULL,
    tip TEXT NOT NULL,
    raw TEXT NOT NULL,
    tx_hash TEXT NOT NULL UNIQUE,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (intent_id, number)
);
CREATE TABLE nonces (
    signer TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    fence BIGINT NOT NULL,
    until_us BIGINT NOT NULL
);
CREATE TABLE halts (
    id TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    halted_us BIGINT NOT NULL,
    resumed_us BIGINT NOT NULL,
    resume_reason TEXT NOT NULL
);
CREATE TABLE reconciliations (
    id TEXT PRIMARY KEY,
    vault TEXT NOT NULL,
    ledger TEXT NOT NULL,
    chain TEXT NOT NULL,
    equal BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX reconciliations_by_time ON reconciliations (at_us);

-- aggregates
CREATE TABLE aggregates (
    round_id TEXT PRIMARY KEY REFERENCES rounds (id),
    tournament_id TEXT NOT NULL,
    start_us BIGINT NOT NULL,
    model_count BIGINT NOT NULL,
    stake BIGINT NOT NULL,
    pool_ppm BIGINT NOT NULL,
    calibrated_ppm BIGINT NOT NULL,
    low_ppm BIGINT NOT NULL,
    high_ppm BIGINT NOT NULL,
    effective_n_milli BIGINT NOT NULL,
    disagreement_ppm BIGINT NOT NULL,
    pooled_logit_e9 BIGINT NOT NULL,
    intercept_e9 BIGINT NOT NULL,
    slope_e9 BIGINT NOT NULL,
    generated_us BIGINT NOT NULL
);
CREATE INDEX aggregates_by_tournament ON aggregates (tournament_id, start_us);

-- chain
CREATE TABLE chain_blocks (
    number BIGINT PRIMARY KEY,
    hash TEXT NOT NULL,
    parent_hash TEXT NOT NULL,
    time_s BIGINT NOT NULL,
    is_final BIGINT NOT NULL
);
CREATE TABLE chain_events (
    block_hash TEXT NOT NULL,
    log_index BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    block_time_s BIGINT NOT NULL,
    tx_hash TEXT NOT NULL,
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    is_final BIGINT NOT NULL,
    is_applied BIGINT NOT NULL,
    PRIMARY KEY (block_hash, log_index)
);
CREATE INDEX chain_events_to_apply ON chain_events (is_applied, is_final, block_number, log_index);

-- db
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
