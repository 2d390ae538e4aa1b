-- predictions: the answers of requests that carried an idempotency key, kept for a day of wall time.
CREATE TABLE idempotency_keys (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (account_id, name)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_us);
