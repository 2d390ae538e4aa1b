-- Sealed predictions, and what a receipt says of the stake.
--
-- A row with a seal and without a salt is sealed: its probabilities and its ask mean nothing. The
-- row that opens it is a later one with the same seal, the salt, and the index that the seal was
-- made with (4294967295 for a model without a place in the vault).
ALTER TABLE predictions ADD COLUMN stake_counted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE predictions ADD COLUMN seal TEXT NOT NULL DEFAULT '';
ALTER TABLE predictions ADD COLUMN salt TEXT NOT NULL DEFAULT '';
ALTER TABLE predictions ADD COLUMN seal_index BIGINT NOT NULL DEFAULT 0;
-- The lock asks whether a seal is still closed, the writer whether anybody else is staked; neither
-- may read the whole round.
CREATE INDEX predictions_sealed ON predictions (round_id, model_id, sequence)
    WHERE seal <> '' AND salt = '';
CREATE INDEX predictions_staked ON predictions (round_id, model_id) WHERE stake_counted > 0;
