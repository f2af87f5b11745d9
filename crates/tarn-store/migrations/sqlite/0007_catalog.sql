-- The versions that an owner has now, one row each, whatever the branches, repositories and architectures of their
-- files: what listings and searches read, so that they never walk through the files. metadata/catalog.rs keeps it in
-- the transactions that record and remove files.
CREATE TABLE package_versions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,   -- a later one is a newer version
    owner_id     BIGINT NOT NULL,                     -- perhaps one who is gone: then the row goes too (table removals)
    name         TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    description  TEXT   NOT NULL,                     -- of the file recorded last
    creator_id   BIGINT,                              -- who uploaded the first file; perhaps one who is gone
    created_at   BIGINT NOT NULL,                     -- of the first file
    files        BIGINT NOT NULL CHECK (files >= 0),  -- how many there are; a row goes with the last one
    UNIQUE (owner_id, name, version)
);
-- The last of an owner without looking at others.
CREATE INDEX package_versions_owner ON package_versions (owner_id, id);
-- By the time that pages show: what is imported keeps the time at which it was published.
CREATE INDEX package_versions_newest ON package_versions (created_at, id);
CREATE INDEX package_versions_newest_of_owner ON package_versions (owner_id, created_at, id);
CREATE INDEX package_versions_name ON package_versions (owner_id, name, id);
-- Of all owners by name: a search finds a name whatever its age.
CREATE INDEX package_versions_search ON package_versions (LOWER(name), id DESC);

-- What contains a text, by every three characters of it. No positions (detail=none): metadata/catalog/search.rs compares what it
-- finds with the text itself.
CREATE VIRTUAL TABLE package_search USING fts5 (
    name, description, content = 'package_versions', content_rowid = 'id', tokenize = 'trigram', detail = 'none'
);
-- FTS5 adds a segment with each transaction, and by itself merges many of them at once now and then: some 40 ms, in which nothing else
-- is written. Here each few rows merge a few pages; all in all as much.
INSERT INTO package_search (package_search, rank) VALUES ('automerge', 0);
CREATE TRIGGER package_search_merge_added AFTER INSERT ON package_versions WHEN new.id % 2 = 0
BEGIN
    INSERT INTO package_search (package_search, rank) VALUES ('merge', 16);
END;
CREATE TRIGGER package_search_merge_removed AFTER DELETE ON package_versions WHEN old.id % 32 = 0
BEGIN
    INSERT INTO package_search (package_search, rank) VALUES ('merge', 16);
END;
CREATE TRIGGER package_search_add AFTER INSERT ON package_versions
BEGIN
    INSERT INTO package_search (rowid, name, description) VALUES (new.id, new.name, new.description);
END;
CREATE TRIGGER package_search_remove AFTER DELETE ON package_versions
BEGIN
    INSERT INTO package_search (package_search, rowid, name, description) VALUES ('delete', old.id, old.name, old.description);
END;
CREATE TRIGGER package_search_change AFTER UPDATE OF description ON package_versions WHEN new.description <> old.description
BEGIN
    INSERT INTO package_search (package_search, rowid, name, description) VALUES ('delete', old.id, old.name, old.description);
    INSERT INTO package_search (rowid, name, description) VALUES (new.id, new.name, new.description);
END;

INSERT INTO package_versions (owner_id, name, version, description, creator_id, created_at, files)
SELECT repositories.owner_id, package_files.name, package_files.version, '', MIN(package_files.uploader_id),
       MIN(package_files.created_at), COUNT(*)
FROM package_files JOIN repositories ON repositories.id = package_files.repository_id
WHERE package_files.removed_at IS NULL
GROUP BY repositories.owner_id, package_files.name, package_files.version
ORDER BY MIN(package_files.id);

-- The names that the files of the newest generation have, provide and want, without versions: by these pages find what needs what.
-- metadata/relations.rs keeps them in the transactions that record and remove files.
CREATE TABLE package_names (
    owner_id       BIGINT NOT NULL,                   -- the repository's
    repository_id  BIGINT NOT NULL,
    kind           TEXT   NOT NULL CHECK (kind IN ('origin', 'provides', 'depends', 'install_if', 'recommends', 'replaces')),
    name           TEXT   NOT NULL,                   -- a package provides its own name, too
    bounds         TEXT   NOT NULL,                   -- what it says of the version: '', '=1.2', or '>=1.2 <2'; '' also where there are more than eight
    file_id        BIGINT NOT NULL REFERENCES package_files (id) ON DELETE CASCADE,
    PRIMARY KEY (owner_id, kind, name, repository_id, file_id)
) WITHOUT ROWID;
CREATE INDEX package_names_file ON package_names (file_id, kind, name);
