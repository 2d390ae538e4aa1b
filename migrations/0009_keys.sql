-- Keys with a name, an end, a last use, addresses and a rotation; wallets that sign; session keys.

-- accounts
-- `operator`: by hand on the server; `api`, `wallet`: by anybody.
ALTER TABLE accounts ADD COLUMN opened_by TEXT NOT NULL DEFAULT 'operator';
CREATE UNIQUE INDEX accounts_by_wallet ON accounts (wallet) WHERE wallet <> '';
ALTER TABLE api_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
-- 0: it does not expire.
ALTER TABLE api_keys ADD COLUMN expires_us BIGINT NOT NULL DEFAULT 0;
-- When a rotation ends it; 0: none does.
ALTER TABLE api_keys ADD COLUMN retires_us BIGINT NOT NULL DEFAULT 0;
-- To the minute; 0: never used.
ALTER TABLE api_keys ADD COLUMN used_us BIGINT NOT NULL DEFAULT 0;
-- Addresses and blocks, separated by commas; empty: any.
ALTER TABLE api_keys ADD COLUMN addresses TEXT NOT NULL DEFAULT '';
-- The first key of its rotations; empty: it is the first.
ALTER TABLE api_keys ADD COLUMN family TEXT NOT NULL DEFAULT '';
CREATE INDEX api_keys_by_account ON api_keys (account_id, created_us);
CREATE TABLE session_keys (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    address TEXT NOT NULL,
    expires_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    revoked_us BIGINT NOT NULL,
    PRIMARY KEY (account_id, address)
);
CREATE TABLE request_nonces (
    wallet TEXT NOT NULL,
    nonce TEXT NOT NULL,
    until_us BIGINT NOT NULL,
    PRIMARY KEY (wallet, nonce)
);
CREATE INDEX request_nonces_by_time ON request_nonces (until_us);

-- predictions
-- The highest nonce that was signed for this model and round up to this row; -1: none.
ALTER TABLE predictions ADD COLUMN nonce BIGINT NOT NULL DEFAULT -1;
