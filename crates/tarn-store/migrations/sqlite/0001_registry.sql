-- All times are microseconds since 1970. Identifiers are never given out twice (AUTOINCREMENT): caches are keyed by
-- them, and the row that comes after a deleted one must not be taken for it.

-- Users and organisations: the owners of packages.
CREATE TABLE owners (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT   NOT NULL CHECK (kind IN ('user', 'organisation')),
    name        TEXT   NOT NULL,
    name_lower  TEXT   NOT NULL UNIQUE,
    visibility  TEXT   NOT NULL CHECK (visibility IN ('public', 'limited', 'private')),
    versions    TEXT   CHECK (versions IN ('strict', 'lenient')),   -- NULL: the server's rule holds
    created_at  BIGINT NOT NULL
);

CREATE TABLE users (
    owner_id            BIGINT  PRIMARY KEY REFERENCES owners (id) ON DELETE CASCADE,
    password_hash       TEXT,                         -- NULL: signs in by tokens only
    credential_version  BIGINT  NOT NULL DEFAULT 1,   -- moves on when what the user signs in with changes
    admin               BOOLEAN NOT NULL DEFAULT FALSE,
    disabled            BOOLEAN NOT NULL DEFAULT FALSE
);

-- Of a user, or of an organisation: then it belongs to no person.
CREATE TABLE tokens (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id      BIGINT  NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    label         TEXT    NOT NULL,
    hash          BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),   -- SHA-256 of the token
    scopes        TEXT    NOT NULL,                   -- separated by commas, sorted
    limits        TEXT    NOT NULL,                   -- owner/branch/repository, separated by spaces; empty: none
    networks      TEXT    NOT NULL,                   -- in CIDR form, separated by spaces; empty: from anywhere
    created_by    BIGINT  REFERENCES users (owner_id) ON DELETE SET NULL,   -- NULL: the command line, or one who is gone
    created_at    BIGINT  NOT NULL,
    expires_at    BIGINT,
    last_used_at  BIGINT,
    UNIQUE (owner_id, label)
);
CREATE INDEX tokens_created_by ON tokens (created_by);
CREATE INDEX tokens_expired ON tokens (expires_at) WHERE expires_at IS NOT NULL;

-- Tokens that were imported from a forge, until their text is known (metadata/foreign_tokens.rs). A row stays when its token is
-- gone, so that a second import does not bring a revoked token back.
CREATE TABLE foreign_tokens (
    hash        TEXT   PRIMARY KEY,                   -- PBKDF2-HMAC-SHA256 of the token, 10,000 rounds, 50 bytes in hex
    salt        TEXT   NOT NULL,
    last_eight  TEXT   NOT NULL,                      -- characters of the token
    token_id    BIGINT REFERENCES tokens (id) ON DELETE SET NULL   -- NULL: its text is known by now, or it was revoked
);
CREATE INDEX foreign_tokens_last_eight ON foreign_tokens (last_eight) WHERE token_id IS NOT NULL;
CREATE INDEX foreign_tokens_token ON foreign_tokens (token_id) WHERE token_id IS NOT NULL;

-- What imports brought, by the name that it has in the forge or in the index (metadata/imports.rs). A row stays when what it became is
-- deleted, so that a later run does not bring it back.
CREATE TABLE imported (
    kind      TEXT   NOT NULL CHECK (kind IN ('account', 'team', 'member', 'package', 'rule', 'webhook')),
    name      TEXT   NOT NULL,
    owner_id  BIGINT NOT NULL,                        -- of an account, what it became; else whose it is
    PRIMARY KEY (kind, name, owner_id)
);

CREATE TABLE signing_keys (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id    BIGINT NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    name        TEXT   NOT NULL,                      -- the file name in /etc/apk/keys
    algorithm   TEXT   NOT NULL CHECK (algorithm IN ('rsa', 'ec-p256')),
    public_pem  TEXT   NOT NULL,
    sealed      BLOB   NOT NULL,                      -- the private key, encrypted
    state       TEXT   NOT NULL CHECK (state IN ('active', 'retired')),
    created_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,                      -- when its state last changed: metadata/signing_keys.rs says how
    UNIQUE (owner_id, name)
);

-- A text that only the sealing key of this database opens (metadata/survey.rs): a wrong key is found before it seals anything.
CREATE TABLE sealing_check (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    sealed  BLOB    NOT NULL
);

-- Without a reference to their owner: the row of an owner goes at once, those of the packages in batches (table removals).
CREATE TABLE repositories (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id       BIGINT NOT NULL,
    branch         TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    generation     BIGINT NOT NULL,                   -- moves on by one with every change of its packages
    last_sequence  BIGINT NOT NULL,                   -- of the newest package file
    changed_at     BIGINT NOT NULL,                   -- of the newest generation; always later than the one
                                                      -- before, and than any change of the owner's keys before it
    UNIQUE (owner_id, branch, name)
);

-- When this database was made, by the clock of the machine: blobs from before then are another's. The identifier is written
-- beside the blobs of a store that others can reach too, so that two registries don't share one.
CREATE TABLE origin (made_at BIGINT NOT NULL, identifier TEXT);
INSERT INTO origin (made_at) VALUES (CAST(strftime('%s', 'now') AS INTEGER) * 1000000);

-- What may be in the blob store: metadata/blob_facts.rs says how it goes.
CREATE TABLE blobs (
    sha256       BLOB    PRIMARY KEY CHECK (length(sha256) = 32),
    size         BIGINT  NOT NULL,
    created_at   BIGINT  NOT NULL,
    -- Its key in the store is the hash and this number; all smaller numbers are dead.
    place        BIGINT  NOT NULL DEFAULT 0 CHECK (place >= 0),
    -- live: a package file has it, perhaps a deleted one; unneeded: none has it any more, its bytes may be freed; stray:
    -- found in the store and never recorded; dead: its bytes were freed or are about to be, and its key is never used again
    state        TEXT    NOT NULL CHECK (state IN ('live', 'unneeded', 'stray', 'dead')),
    stray_since  BIGINT,
    CHECK ((state = 'stray') = (stray_since IS NOT NULL))
);
CREATE INDEX blobs_unneeded ON blobs (sha256) WHERE state = 'unneeded';

CREATE TABLE package_files (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id  BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    arch           TEXT   NOT NULL,                   -- of the package; may be noarch
    name           TEXT   NOT NULL,
    version        TEXT   NOT NULL,
    file_name      TEXT   NOT NULL,                   -- name-version.apk, compared exactly
    sha256         BLOB   NOT NULL REFERENCES blobs (sha256),
    size           BIGINT NOT NULL,
    sequence       BIGINT NOT NULL,
    added_at       BIGINT NOT NULL,                   -- the generation that has it first
    removed_at     BIGINT,                            -- the generation that has it no more
    deleted_at     BIGINT,                            -- the time of that generation
    uploader_id    BIGINT,                            -- a user, or by a token an organisation; perhaps one who is gone
    created_at     BIGINT NOT NULL,
    downloads      BIGINT NOT NULL DEFAULT 0,
    format         TEXT   NOT NULL CHECK (format IN ('v2', 'v3')),
    identity       BLOB   NOT NULL CHECK (length(identity) IN (20, 32)), -- what apk checks a download with
    index_bytes    BIGINT NOT NULL CHECK (index_bytes >= 0), -- of its record in an index
    -- The long ones last, so that SQLite need not read past them for the others.
    signers        TEXT   NOT NULL,                   -- JSON, metadata/stored_facts.rs: what is known of its own signatures
    facts          TEXT   NOT NULL,                   -- JSON, metadata/stored_facts.rs: what the package says of itself
    UNIQUE (repository_id, sequence),
    CHECK (removed_at > added_at),
    CHECK ((removed_at IS NULL) = (deleted_at IS NULL))
);
-- By file name, not by name and version: two live files that one path would serve can't be, whatever the split.
CREATE UNIQUE INDEX package_files_live ON package_files (repository_id, file_name, arch) WHERE removed_at IS NULL;
CREATE INDEX package_files_index ON package_files (repository_id, arch, sequence);
-- What changed since a generation is found without looking at what did not.
CREATE INDEX package_files_added ON package_files (repository_id, added_at);
CREATE INDEX package_files_removed ON package_files (repository_id, removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX package_files_deleted ON package_files (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX package_files_blob ON package_files (sha256, removed_at);

-- When the packages of one architecture and format last changed, so that no rows are read to learn that nothing happened.
CREATE TABLE index_heads (
    repository_id  BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    arch           TEXT   NOT NULL,
    format         TEXT   NOT NULL CHECK (format IN ('v2', 'v3')), -- of the packages; an index of v3 lists those of v2 too
    generation     BIGINT NOT NULL,                   -- the last that added or removed such a package
    changed_at     BIGINT NOT NULL,                   -- when that was
    published_at   BIGINT NOT NULL,                   -- the latest created_at of its files, of those that were removed since too
    live           BIGINT NOT NULL CHECK (live >= 0), -- how many are there
    bytes          BIGINT NOT NULL CHECK (bytes >= 0),-- of their records together
    history_from   BIGINT NOT NULL DEFAULT 0,         -- what the generations before this one had is not known any more
    PRIMARY KEY (repository_id, arch, format)
);

-- How the newest server renders indexes, and since when one does: at most one row, metadata/indexes.rs.
CREATE TABLE index_rendering (
    version  BIGINT NOT NULL,
    since    BIGINT NOT NULL                          -- later than any change before it
);

-- The last run of each piece of housekeeping, by any server: metadata/job_runs.rs.
CREATE TABLE job_runs (
    job       TEXT   PRIMARY KEY,
    began_at  BIGINT NOT NULL,                        -- by the clock of the server that did it
    took      BIGINT NOT NULL CHECK (took >= 0),      -- microseconds
    done      TEXT,                                   -- what it did; NULL: it failed
    problem   TEXT                                    -- why it failed
);

-- What no client can see any more but still has rows, which are deleted in batches: metadata/removals.rs.
CREATE TABLE removals (
    kind   TEXT   NOT NULL CHECK (kind IN ('owner', 'webhook')),
    id     BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Which of the servers that share this database does a piece of work: metadata/leases.rs.
CREATE TABLE leases (
    name     TEXT   PRIMARY KEY,
    number   BIGINT NOT NULL,                         -- moves on by one each time it is taken
    ends_at  BIGINT NOT NULL,                         -- by the database's clock
    done_at  BIGINT                                   -- when the work was done last, by the clock of a server; NULL: not yet
);
