-- Browsers in which a user signed in. Of the secret in the cookie only the hash is kept.
CREATE TABLE sessions (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    hash                BLOB   NOT NULL UNIQUE CHECK (length(hash) = 32),   -- SHA-256 of the secret
    user_id             BIGINT NOT NULL REFERENCES users (owner_id) ON DELETE CASCADE,
    credential_version  BIGINT NOT NULL,              -- the user's when the session began: with another one it does not count
    created_at          BIGINT NOT NULL,
    last_used_at        BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    proved_at           BIGINT NOT NULL,              -- when the password was last given
    address             TEXT   NOT NULL,              -- where it began
    agent               TEXT   NOT NULL               -- what the browser called itself then
);
CREATE INDEX sessions_user ON sessions (user_id, last_used_at);
CREATE INDEX sessions_expired ON sessions (expires_at);
