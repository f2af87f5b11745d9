-- Whom to tell when an owner's packages change.
CREATE TABLE webhooks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id    BIGINT  NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    url         TEXT    NOT NULL,
    seed        BLOB    NOT NULL UNIQUE CHECK (length(seed) = 16),   -- random: the sealed secret is bound to it, and the
                                                      -- identifiers of deliveries are made from it
    sealed      BLOB    NOT NULL,                     -- the secret that signs, encrypted
    events      TEXT    NOT NULL,                     -- separated by commas, sorted
    active      BOOLEAN NOT NULL,
    created_at  BIGINT  NOT NULL
);
CREATE INDEX webhooks_owner ON webhooks (owner_id);

-- The outbox and the log in one. A row is written in the transaction that publishes or deletes the package. Those of a webhook
-- that is gone are not sent, and are deleted in batches (table removals).
CREATE TABLE webhook_deliveries (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id       BIGINT NOT NULL,
    event            TEXT   NOT NULL,
    facts            TEXT   NOT NULL,                 -- what happened, as JSON; the message is rendered when it is sent
    state            TEXT   NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts         BIGINT NOT NULL DEFAULT 0,
    next_attempt_at  BIGINT,                          -- while pending; during an attempt, when another may begin
    last_attempt_at  BIGINT,
    last_status      BIGINT,                          -- of the last answer; NULL: there was none
    last_error       TEXT,                            -- for people: why the last attempt failed
    created_at       BIGINT NOT NULL,
    finished_at      BIGINT,
    CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
    CHECK ((state = 'pending') = (finished_at IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_queue ON webhook_deliveries (webhook_id, next_attempt_at, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (webhook_id, id);
-- Which of a webhook's messages are the last that ended, however many wait.
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (webhook_id, id) WHERE state <> 'pending';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;
