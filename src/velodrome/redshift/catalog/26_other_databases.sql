-- Tables of other databases of this warehouse, read as the same user there:
-- https://docs.aws.amazon.com/redshift/latest/dg/cross-database-overview.html
-- The server is its own foreign server. A foreign table is made when a statement names its table, and anew when the
-- columns there have changed. Who reads it is the user that the session is, with the rights that this user has there.
CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA velodrome;

-- What each database says of its relations to the others; read as the owner of the server only.
CREATE OR REPLACE VIEW velodrome.relations_here AS
SELECT n.nspname::text AS schema_name, c.relname::text AS relation_name,
    (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm') AND n.nspname NOT IN ('velodrome', 'pg_toast');
REVOKE ALL ON velodrome.relations_here FROM PUBLIC;

CREATE TABLE IF NOT EXISTS velodrome.reached (local_name text PRIMARY KEY, columns text NOT NULL);

-- Who calls a function that runs with the rights of its owner.
CREATE OR REPLACE FUNCTION velodrome.session_role() RETURNS name LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('role'), 'none'), session_user::text)::name;

-- Where the server listens. A relative folder is its data folder, whose own name may be too long for a socket's address.
CREATE OR REPLACE FUNCTION velodrome.socket_folder() RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN starts_with(btrim(current_setting('unix_socket_directories'), '"'), '/') THEN btrim(current_setting('unix_socket_directories'), '"')
    WHEN octet_length(current_setting('data_directory')) < 85 THEN current_setting('data_directory')
    ELSE '/proc/self/cwd'
END;

CREATE OR REPLACE FUNCTION velodrome.reach(database text, schema text, relation text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' SET standard_conforming_strings = on AS $$
DECLARE
    server text := 'database ' || database;
    listed text := '.' || database;
    caller name := velodrome.session_role();
    found text;
    -- As the translation names it (sql/other_database.py); a dot in a name is none between two.
    plain text := (SELECT string_agg(replace(replace(part, '!', '!!'), '.', '!d'), '.' ORDER BY place)
        FROM unnest(ARRAY[database, schema, relation]) WITH ORDINALITY u (part, place));
    local text := CASE WHEN octet_length(plain) < 64 THEN plain ELSE left(encode(sha256(convert_to(plain, 'UTF8')), 'hex'), 40) END;
    known text := (SELECT r.columns FROM velodrome.reached r WHERE r.local_name = local);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_database WHERE datname = database AND datallowconn AND NOT datistemplate AND datname <> 'postgres') THEN
        RAISE EXCEPTION 'database "%" does not exist', database USING ERRCODE = '3D000';
    ELSIF NOT has_database_privilege(caller, database, 'CONNECT') THEN
        RAISE EXCEPTION 'permission denied for database %', database USING ERRCODE = '42501';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = server) THEN
        PERFORM pg_advisory_xact_lock(1448234095, hashtext(server));
    END IF;
    IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = server) THEN
        EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, fetch_size %L, keep_connections %L)',
            -- Connections that stay would stand in the way of DROP DATABASE.
            server, velodrome.socket_folder(), current_setting('port'), database, '10000', 'false');
        EXECUTE format('CREATE USER MAPPING FOR %I SERVER %I OPTIONS (user %L)', current_user, server, current_user);
        EXECUTE format('CREATE FOREIGN TABLE velodrome.%I (schema_name text, relation_name text, columns text) SERVER %I
            OPTIONS (schema_name %L, table_name %L)', listed, server, 'velodrome', 'relations_here');
    END IF;
    IF caller <> current_user AND NOT EXISTS (SELECT FROM pg_user_mappings WHERE srvname = server AND usename = caller) THEN
        PERFORM pg_advisory_xact_lock(1448234095, hashtext(server));
        EXECUTE format('CREATE USER MAPPING IF NOT EXISTS FOR %I SERVER %I OPTIONS (user %L, password_required %L)', caller, server, caller, 'false');
        -- A mapping must not stand in the way of DROP USER.
        DELETE FROM pg_shdepend WHERE classid = 'pg_user_mapping'::regclass AND refclassid = 'pg_authid'::regclass
            AND refobjid = (SELECT oid FROM pg_authid WHERE rolname = caller);
    END IF;
    EXECUTE format('SELECT columns FROM velodrome.%I WHERE schema_name = $1 AND relation_name = $2', listed) INTO found USING schema, relation;
    IF found IS NULL THEN
        RAISE EXCEPTION 'relation "%.%.%" does not exist', database, schema, relation USING ERRCODE = '42P01';
    END IF;
    IF found IS DISTINCT FROM known THEN
        PERFORM pg_advisory_xact_lock(1448234095, hashtext(local));
        -- Another session may have made it while this one waited.
        IF found = (SELECT r.columns FROM velodrome.reached r WHERE r.local_name = local) THEN
            RETURN;
        END IF;
        EXECUTE format('DROP FOREIGN TABLE IF EXISTS velodrome.%I', local);
        EXECUTE format('CREATE FOREIGN TABLE velodrome.%I (%s) SERVER %I OPTIONS (schema_name %L, table_name %L)', local, found, server, schema, relation);
        EXECUTE format('GRANT SELECT ON velodrome.%I TO PUBLIC', local);
        INSERT INTO velodrome.reached AS r VALUES (local, found) ON CONFLICT ON CONSTRAINT reached_pkey DO UPDATE SET columns = excluded.columns;
        PERFORM velodrome.bind_readers('{}', ARRAY['velodrome.' || local]);
    END IF;
END $$;
