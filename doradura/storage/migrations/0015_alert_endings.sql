-- Ends that nobody posts, and alerts that fire again and again.
ALTER TABLE alert_incidents ADD COLUMN ending TEXT NOT NULL DEFAULT '';       -- '' told, 'unheard' or 'dismissed'
ALTER TABLE alert_incidents ADD COLUMN dismissed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_incidents ADD COLUMN first_ms BIGINT;                       -- the first of several firings
ALTER TABLE alert_incidents ADD COLUMN unrung INTEGER NOT NULL DEFAULT 0;     -- 1: fires again, and no phone rang for it yet
CREATE INDEX alert_incidents_unrung ON alert_incidents (card_id) WHERE unrung = 1;

-- How many alerts Alertmanager left out of the notice that a card stands for (truncatedAlerts).
ALTER TABLE alert_cards ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0;

-- What Alertmanager's own list says of an incident.
CREATE TABLE alert_sightings (
    incident_id BIGINT NOT NULL PRIMARY KEY,
    source_ms BIGINT,                       -- the start of the Alertmanager whose list had it last; NULL: none ever did
    missing_ms BIGINT NOT NULL DEFAULT 0,   -- how long it has been missing since, added up look by look
    loose INTEGER NOT NULL DEFAULT 0        -- 1: nothing proves that it fires, or that it ended; admins may dismiss it
);

-- The Alertmanagers that have answered, by their start: one that was there already when another listed an incident is not
-- that one restarted.
CREATE TABLE alert_sources (
    started_ms BIGINT NOT NULL PRIMARY KEY,
    answered_ms BIGINT NOT NULL             -- its own clock, when it last answered
);

-- Firing notices that came so soon after the end that they may be older than it. They are decided when the time is over.
CREATE TABLE alert_doubts (
    incident_id BIGINT NOT NULL PRIMARY KEY,
    notice TEXT NOT NULL,                   -- JSON
    due_ms BIGINT NOT NULL
);
