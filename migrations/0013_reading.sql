-- predictions: a model's own, newest first
CREATE INDEX predictions_by_model ON predictions (model_id, sequence);
