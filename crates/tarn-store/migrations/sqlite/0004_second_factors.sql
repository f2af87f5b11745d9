-- What stands beside a password: the secret of a code generator, and codes for the day on which that is lost.
CREATE TABLE second_factors (
    user_id        BIGINT PRIMARY KEY REFERENCES users (owner_id) ON DELETE CASCADE,
    sealed         BLOB   NOT NULL,                   -- the secret, encrypted
    created_at     BIGINT NOT NULL,
    confirmed_at   BIGINT,                            -- since when a code is asked for; NULL: begun, not in force
    last_step      BIGINT NOT NULL DEFAULT 0,         -- of the newest code that was taken: it and older ones are used up
    wrong_codes    BIGINT NOT NULL DEFAULT 0,         -- since the last right one, from wherever
    last_wrong_at  BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE recovery_codes (
    user_id  BIGINT NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    hash     BLOB   NOT NULL CHECK (length(hash) = 32),
    used_at  BIGINT,                                  -- NULL: not yet
    PRIMARY KEY (user_id, hash)
);

-- Wrong passwords, so that a restart does not begin counting anew. metadata/guesses.rs says how many rows there are at most.
CREATE TABLE guesses (
    account  BLOB   NOT NULL,                         -- keyed hash of the name that was tried; empty: whatever the name
    source   TEXT   NOT NULL,                         -- an IPv4 address, or the first of an IPv6 network of 64 bits
    count    BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    PRIMARY KEY (account, source)
);
CREATE INDEX guesses_last_at ON guesses (last_at);
