-- Sets of identifiers are JSON arrays in a text, of which this makes rows as SQLite's json_each does.
CREATE FUNCTION json_each(identifiers TEXT) RETURNS TABLE (value BIGINT) LANGUAGE SQL IMMUTABLE STRICT
    AS $$ SELECT CAST(element AS BIGINT) FROM json_array_elements_text(CAST(identifiers AS JSON)) AS elements (element) $$;

INSERT INTO origin (made_at) VALUES (CAST(EXTRACT(EPOCH FROM date_trunc('second', now())) AS BIGINT) * 1000000);

-- In a small repository all indexes that begin with `repository_id` cost the same, and the planner takes the one made last. These two find
-- a single file and come last, so a plan kept while the repository grows never reads all of its files.
ALTER TABLE package_files DROP CONSTRAINT package_files_repository_id_sequence_key;
ALTER TABLE package_files ADD CONSTRAINT package_files_key UNIQUE (repository_id, sequence);
DROP INDEX package_files_live;
CREATE UNIQUE INDEX package_files_live ON package_files (repository_id, file_name, arch) WHERE removed_at IS NULL;
