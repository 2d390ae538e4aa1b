-- receipts: what hosted models ran on, answered and cost, signed
CREATE TABLE run_rounds (
    round_id TEXT PRIMARY KEY REFERENCES rounds (id),
    features TEXT NOT NULL REFERENCES feature_blocks (digest),
    names TEXT NOT NULL,
    models_root TEXT NOT NULL,
    input_root TEXT NOT NULL,
    opened_us BIGINT NOT NULL,
    seed TEXT NOT NULL,
    receipts_root TEXT NOT NULL,
    last_sequence BIGINT NOT NULL,
    sealed_us BIGINT NOT NULL
);
CREATE TABLE run_round_models (
    round_id TEXT NOT NULL REFERENCES run_rounds (round_id),
    model_id TEXT NOT NULL,
    artifact TEXT NOT NULL,
    canonical TEXT NOT NULL,
    PRIMARY KEY (round_id, model_id)
);
CREATE TABLE run_runtimes (
    digest TEXT PRIMARY KEY,
    description TEXT NOT NULL
);
CREATE TABLE run_receipts (
    sequence BIGINT PRIMARY KEY,
    round_id TEXT NOT NULL REFERENCES run_rounds (round_id),
    model_id TEXT NOT NULL,
    status TEXT NOT NULL,
    cpu_ms BIGINT NOT NULL,
    finished_us BIGINT NOT NULL,
    runner TEXT NOT NULL,
    runtime TEXT NOT NULL,
    outputs BYTEA NOT NULL,
    hash TEXT NOT NULL,
    signature TEXT NOT NULL,
    signer TEXT NOT NULL
);
CREATE INDEX run_receipts_by_round ON run_receipts (round_id, model_id);
CREATE INDEX run_receipts_by_model ON run_receipts (model_id, sequence);
CREATE TABLE run_sequence (
    id BIGINT PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO run_sequence (id, last) VALUES (1, 0);
