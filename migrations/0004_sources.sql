-- prices: what numeric sources said, kept as long as the evidence that names it
CREATE TABLE source_receipts (
    source TEXT NOT NULL,
    observed_us BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    fetched_us BIGINT NOT NULL,
    price BIGINT NOT NULL,
    value TEXT NOT NULL,
    url TEXT NOT NULL,
    value_at TEXT NOT NULL,
    time_at TEXT NOT NULL,
    time_form TEXT NOT NULL,
    unit TEXT NOT NULL,
    shift TEXT NOT NULL,
    status BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    body_zstd BYTEA NOT NULL,
    PRIMARY KEY (source, observed_us, revision)
);
CREATE INDEX source_receipts_by_body ON source_receipts (sha256);
