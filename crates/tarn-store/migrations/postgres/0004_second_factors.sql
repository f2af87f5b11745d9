-- What the tables are for stands in the file of the same number for SQLite.

CREATE TABLE second_factors (
    user_id BIGINT PRIMARY KEY REFERENCES users (owner_id) ON DELETE CASCADE,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    last_step BIGINT NOT NULL DEFAULT 0,
    wrong_codes BIGINT NOT NULL DEFAULT 0,
    last_wrong_at BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE recovery_codes (
    user_id BIGINT NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    used_at BIGINT,
    PRIMARY KEY (user_id, hash)
);

CREATE TABLE guesses (
    account BYTEA NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (account, source)
);
CREATE INDEX guesses_last_at ON guesses (last_at);
