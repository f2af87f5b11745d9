-- What the tables are for stands in the file of the same number for SQLite.

CREATE TABLE certificates (
    directory TEXT COLLATE "C" NOT NULL,
    names TEXT COLLATE "C" NOT NULL,
    chain TEXT COLLATE "C" NOT NULL,
    private_key BYTEA NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    PRIMARY KEY (directory, names)
);

CREATE TABLE failed_orders (
    directory TEXT COLLATE "C" NOT NULL,
    names TEXT COLLATE "C" NOT NULL,
    failures BIGINT NOT NULL CHECK (failures > 0),
    failed_at BIGINT NOT NULL,
    PRIMARY KEY (directory, names)
);

CREATE TABLE acme_accounts (
    directory TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    credentials BYTEA NOT NULL,
    PRIMARY KEY (directory, email)
);

CREATE TABLE acme_challenges (
    name TEXT COLLATE "C" PRIMARY KEY,
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    ends_at BIGINT NOT NULL
);
