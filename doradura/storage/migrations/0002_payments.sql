-- Money. A row of these tables is never deleted, whoever leaves: the counters of /metrics are read from them and never fall.

-- What was paid in Stars: a row a charge, written in one transaction with what it buys. Telegram repeats its messages; the key
-- makes the second one harmless.
CREATE TABLE ledger (
    telegram_payment_charge_id TEXT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    plan TEXT NOT NULL,
    stars BIGINT NOT NULL CHECK (stars > 0),
    subscription_id TEXT NOT NULL,      -- the first charge of the subscription this one pays for: its own, unless it renews
    paid_ms BIGINT NOT NULL,
    refunded_ms BIGINT                  -- when all of it went back; Telegram knows no part of it
);
CREATE INDEX ledger_subscription ON ledger (subscription_id);
CREATE INDEX ledger_user ON ledger (user_id, paid_ms);

-- What was bought. A renewal moves the end, a refund ends it at once; a person may hold several.
CREATE TABLE subscriptions (
    subscription_id TEXT NOT NULL PRIMARY KEY REFERENCES ledger (telegram_payment_charge_id),
    user_id BIGINT NOT NULL,
    plan TEXT NOT NULL,
    recurring INTEGER NOT NULL CHECK (recurring IN (0, 1)),  -- 1: Telegram charges again each month
    started_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    ended_ms BIGINT,                    -- ended before its time, by a refund
    cancelled_ms BIGINT,                -- since when it is not to be renewed; empty again when the person thinks better of it
    cancellations INTEGER NOT NULL DEFAULT 0  -- how often it was cancelled
);
CREATE INDEX subscriptions_user ON subscriptions (user_id, expires_ms);
CREATE INDEX subscriptions_expiry ON subscriptions (expires_ms) WHERE ended_ms IS NULL;

-- Payments that did not go as they must; each is told to the admins.
CREATE TABLE payment_failures (
    failure_id BIGINT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    telegram_payment_charge_id TEXT,    -- where there is one
    user_id BIGINT,
    detail TEXT NOT NULL DEFAULT '',
    failed_ms BIGINT NOT NULL
);
CREATE INDEX payment_failures_reason ON payment_failures (reason);
