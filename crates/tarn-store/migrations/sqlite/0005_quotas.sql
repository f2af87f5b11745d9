-- What an owner has now: the files of the newest generation of every repository, a noarch file counted once. Moved in the
-- transaction that adds or removes a file, so no rows are counted to learn whether another one may come.
CREATE TABLE owner_usage (
    owner_id  BIGINT PRIMARY KEY REFERENCES owners (id) ON DELETE CASCADE,
    bytes     BIGINT NOT NULL CHECK (bytes >= 0),
    packages  BIGINT NOT NULL CHECK (packages >= 0)
);
INSERT INTO owner_usage (owner_id, bytes, packages)
    SELECT repositories.owner_id, SUM(package_files.size), COUNT(*)
    FROM repositories JOIN package_files ON package_files.repository_id = repositories.id
    WHERE package_files.removed_at IS NULL GROUP BY repositories.owner_id;

-- The limits of an owner who has others than the server's. NULL: the server's.
CREATE TABLE quotas (
    owner_id   BIGINT  PRIMARY KEY REFERENCES owners (id) ON DELETE CASCADE,
    unlimited  BOOLEAN NOT NULL,                      -- no limit on bytes and packages at all
    bytes      BIGINT  CHECK (bytes >= 0),            -- of all files together
    packages   BIGINT  CHECK (packages >= 0),         -- how many files
    upload     BIGINT  CHECK (upload > 0),            -- bytes of one file
    CHECK (NOT unlimited OR (bytes IS NULL AND packages IS NULL))
);

-- Which files go by themselves. Removed are those older than `days`, but of each name and architecture in a repository
-- the newest `keep` versions stay.
CREATE TABLE expiry_rules (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id    BIGINT NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    pattern     TEXT   NOT NULL,                      -- branch/repository; `*` stands for every one
    days        BIGINT NOT NULL CHECK (days > 0),
    keep        BIGINT NOT NULL CHECK (keep >= 0),
    created_at  BIGINT NOT NULL,
    UNIQUE (owner_id, pattern)
);
