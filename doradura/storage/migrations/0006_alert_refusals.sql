-- How often Telegram refused a notice in every form. Not its tries: an outage counts as many as it likes of those, and must
-- never be why an alert is given up.
ALTER TABLE alert_outbox ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
