-- What the buttons under an alert need: what it is at Alertmanager, and where Prometheus shows it.
ALTER TABLE alert_incidents ADD COLUMN labels TEXT NOT NULL DEFAULT '';     -- JSON, exact; '' where they are not known
ALTER TABLE alert_incidents ADD COLUMN generator TEXT NOT NULL DEFAULT '';  -- generatorURL

-- Who has taken an incident on: no reminder is sent for it from then on.
CREATE TABLE alert_acknowledgements (
    incident_id BIGINT NOT NULL PRIMARY KEY REFERENCES alert_incidents (incident_id),
    by_name TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);

-- The silence of an incident. It is written down before Alertmanager is asked for it, so that what a kill or a lost
-- answer leaves there is found by its mark, and is not made twice.
CREATE TABLE alert_silences (
    incident_id BIGINT NOT NULL PRIMARY KEY REFERENCES alert_incidents (incident_id),
    mark TEXT NOT NULL,                 -- stands in the silence's comment
    silence_id TEXT,                    -- Alertmanager's; NULL until it is known
    by_name TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE INDEX alert_silences_until ON alert_silences (until_ms);
