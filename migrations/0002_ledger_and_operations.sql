-- ledger
CREATE TABLE ledger_entries (
    block_hash TEXT NOT NULL,
    log_index BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    vault TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (block_hash, log_index)
);
CREATE TABLE ledger_postings (
    block_hash TEXT NOT NULL,
    log_index BIGINT NOT NULL,
    account TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (block_hash, log_index, account),
    FOREIGN KEY (block_hash, log_index) REFERENCES ledger_entries (block_hash, log_index)
);
CREATE INDEX ledger_postings_by_account ON ledger_postings (account, amount);
CREATE TABLE ledger_balances (
    account TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    vault TEXT NOT NULL,
    model_index BIGINT NOT NULL,
    balance BIGINT NOT NULL
);
CREATE INDEX ledger_balances_by_vault ON ledger_balances (vault, kind);

-- settlement
ALTER TABLE intents ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN last_error TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN next_try_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN closed_us BIGINT NOT NULL DEFAULT 0;
CREATE INDEX intents_by_end ON intents (closed_us);
ALTER TABLE batches ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE leases ADD COLUMN taken_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN renewed_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nonces ADD COLUMN balance_wei TEXT NOT NULL DEFAULT '';
ALTER TABLE nonces ADD COLUMN balance_us BIGINT NOT NULL DEFAULT 0;
