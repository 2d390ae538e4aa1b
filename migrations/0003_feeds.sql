-- prices: what candles need of a trade, and what the connection log says
ALTER TABLE ticks ADD COLUMN quantity_e8 BIGINT NOT NULL DEFAULT 0;
CREATE TABLE feed_gaps (
    venue TEXT NOT NULL,
    asset TEXT NOT NULL,
    found_us BIGINT NOT NULL,
    from_us BIGINT NOT NULL,
    to_us BIGINT NOT NULL,
    reason TEXT NOT NULL,
    filled_us BIGINT NOT NULL,
    PRIMARY KEY (venue, asset, found_us)
);
CREATE INDEX feed_gaps_by_time ON feed_gaps (asset, to_us);
CREATE TABLE feed_clocks (
    venue TEXT NOT NULL,
    measured_us BIGINT NOT NULL,
    offset_us BIGINT NOT NULL,
    PRIMARY KEY (venue, measured_us)
);
CREATE TABLE round_features (
    round_id TEXT PRIMARY KEY REFERENCES rounds (id),
    frozen_us BIGINT NOT NULL,
    digest TEXT NOT NULL,
    reason TEXT NOT NULL
);
