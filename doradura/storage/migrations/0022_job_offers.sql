-- The card that a job comes from: the job may start from what the card's probe found. NULL for every other job.
ALTER TABLE jobs ADD COLUMN offer_id BIGINT;
