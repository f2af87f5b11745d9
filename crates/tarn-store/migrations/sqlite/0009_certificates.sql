-- The certificate of the server, where an authority issues it by ACME: rows, so that all servers on one database share it.

CREATE TABLE certificates (
    directory TEXT NOT NULL,
    names TEXT NOT NULL,
    chain TEXT NOT NULL,
    private_key BLOB NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    PRIMARY KEY (directory, names)
);

-- Orders that failed since the last that did not.
CREATE TABLE failed_orders (
    directory TEXT NOT NULL,
    names TEXT NOT NULL,
    failures BIGINT NOT NULL CHECK (failures > 0),
    failed_at BIGINT NOT NULL,
    PRIMARY KEY (directory, names)
);

CREATE TABLE acme_accounts (
    directory TEXT NOT NULL,
    email TEXT NOT NULL,
    credentials BLOB NOT NULL,
    PRIMARY KEY (directory, email)
);

-- What the authority asks the servers for while an order is under way.
CREATE TABLE acme_challenges (
    name TEXT PRIMARY KEY,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    ends_at BIGINT NOT NULL
);
