-- The queue's order is charged by the time that jobs really used of a place, on a clock that only work moves.

ALTER TABLE jobs ADD COLUMN charged_ms BIGINT NOT NULL DEFAULT 0;  -- what the user's order was charged for it so far
ALTER TABLE jobs ADD COLUMN used_ms BIGINT NOT NULL DEFAULT 0;     -- time of a place it used since it was last queued
ALTER TABLE jobs ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;   -- how often it gave its place up for somebody else
UPDATE jobs SET charged_ms = 60000 WHERE state IN ('waiting', 'running', 'sending');

CREATE TABLE queue_clock (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    virtual_ms BIGINT NOT NULL          -- where in the queue's order somebody who has nothing queued begins
);
INSERT INTO queue_clock (one, virtual_ms) SELECT 1, COALESCE(MAX(queue_ms), 0) FROM users;

DROP INDEX jobs_waiting;
CREATE INDEX jobs_waiting ON jobs (place, job_id) WHERE state = 'waiting';
