-- How the look at a link ended, for the reports; and what the card of one of several links says of it.
ALTER TABLE offers ADD COLUMN site TEXT NOT NULL DEFAULT 'other';
ALTER TABLE offers ADD COLUMN looked_ms BIGINT;                     -- when the look ended
ALTER TABLE offers ADD COLUMN reason TEXT;                          -- why the link was refused; NULL: it was not
ALTER TABLE offers ADD COLUMN number INTEGER NOT NULL DEFAULT 0;    -- which of its message's links; 0: the only one
ALTER TABLE offers ADD COLUMN guessed INTEGER NOT NULL DEFAULT 0;   -- 1: it came without a scheme, so that https is a guess
CREATE INDEX offers_refused ON offers (looked_ms, site, reason) WHERE reason IS NOT NULL;
