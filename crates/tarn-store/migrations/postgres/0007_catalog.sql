-- What contains a text, by every three characters of it. The extension comes with PostgreSQL (postgresql-contrib), and its owner of the
-- database may make it. Without it a search looks at all versions.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    -- New entries gather in a pending list, and the publish that fills it merges it. At the default of 4 MB that takes 40 ms or more; so
    -- 512 kB.
    CREATE INDEX package_versions_trigrams ON package_versions USING gin (LOWER(name) gin_trgm_ops, LOWER(description) gin_trgm_ops)
        WITH (gin_pending_list_limit = 512);
EXCEPTION WHEN undefined_file OR undefined_object OR feature_not_supported OR insufficient_privilege THEN
    RAISE NOTICE 'without the extension pg_trgm searches look at all versions';
END
$$;
