-- events: what happened, numbered without gaps; webhooks: who is told by a request, and how that went
CREATE TABLE event_sequence (
    id BIGINT PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO event_sequence (id, last) VALUES (1, 0);
CREATE TABLE events (
    sequence BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    tournament_id TEXT NOT NULL,
    round_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX events_by_time ON events (at_us);
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    url TEXT NOT NULL,
    tournaments TEXT NOT NULL,
    kinds TEXT NOT NULL,
    secret TEXT NOT NULL,
    old_secret TEXT NOT NULL,
    old_until_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    position BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    failing_since_us BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    disabled_us BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX webhooks_by_account ON webhooks (account_id);
CREATE INDEX webhooks_due ON webhooks (disabled_us, next_us);
CREATE TABLE webhook_deliveries (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id),
    number BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    attempted_us BIGINT NOT NULL,
    took_us BIGINT NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (webhook_id, number),
    UNIQUE (webhook_id, message_id)
);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, state, next_us);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (created_us);
