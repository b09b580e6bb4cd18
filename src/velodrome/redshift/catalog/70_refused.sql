-- What the gateway refuses (sql/foreign.py) is out of reach as well for a text that it should not have seen.

-- Functions that wait, lock, store large objects, run texts, read files or other sessions' texts, which Redshift has not.
-- https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-functions.html
DO $$
DECLARE
    refused regprocedure;
BEGIN
    FOR refused IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
          AND proname ~ ('^(pg_sleep(_for|_until)?|pg_(try_)?advisory_.*|pg_notify|pg_export_snapshot|loread|lowrite'
              || '|lo_(creat|create|open|close|lseek|lseek64|tell|tell64|truncate|truncate64|unlink|import|export|get|put'
              || '|from_bytea)|(query|cursor|table|schema|database)_to_xml.*|ts_stat|ts_rewrite|pg_stat_get_activity|pg_stat_get_backend_activity|pg_read_(binary_)?file|pg_ls_.*|pg_stat_file)$')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', refused);
    END LOOP;
END
$$;

-- What Redshift has no statements for: https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html
CREATE OR REPLACE FUNCTION velodrome.refuse_ddl() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'SQL command "%" not supported on Redshift tables.', TG_TAG USING ERRCODE = '0A000';
    END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_refuse_ddl;
CREATE EVENT TRIGGER velodrome_refuse_ddl ON ddl_command_start WHEN TAG IN (
    'CREATE INDEX', 'ALTER INDEX', 'DROP INDEX', 'REINDEX', 'CREATE TYPE', 'ALTER TYPE', 'DROP TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'DROP DOMAIN',
    'CREATE TRIGGER', 'ALTER TRIGGER', 'DROP TRIGGER', 'CREATE SEQUENCE', 'ALTER SEQUENCE', 'DROP SEQUENCE', 'CREATE RULE', 'ALTER RULE', 'DROP RULE',
    'CREATE AGGREGATE', 'ALTER AGGREGATE', 'DROP AGGREGATE', 'CREATE OPERATOR', 'ALTER OPERATOR', 'DROP OPERATOR', 'CREATE OPERATOR CLASS',
    'CREATE OPERATOR FAMILY', 'CREATE CAST', 'DROP CAST', 'CREATE CONVERSION', 'CREATE COLLATION', 'CREATE STATISTICS', 'CREATE PUBLICATION',
    'CREATE TEXT SEARCH CONFIGURATION', 'CREATE TEXT SEARCH DICTIONARY', 'CREATE EXTENSION', 'DROP EXTENSION', 'SECURITY LABEL'
) EXECUTE FUNCTION velodrome.refuse_ddl();

-- A text without what it quotes and without comments, but for what dollars quote.
CREATE OR REPLACE FUNCTION velodrome.unquoted(sent text) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
RETURN regexp_replace(sent, '(?:e?''(?:[^''\\]|\\.)*'')|"[^"]*"|--[^\n\r]*|/\*(?:[^*]|\*+[^*/])*\*+/', ' ', 'gi');

-- No function has the name of a built-in one: Redshift would call that.
-- https://docs.aws.amazon.com/redshift/latest/dg/udf-naming-udfs.html
CREATE OR REPLACE FUNCTION velodrome.refuse_made() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    taken name := (
        SELECT p.proname FROM pg_event_trigger_ddl_commands() c JOIN pg_proc p ON c.classid = 'pg_proc'::regclass AND p.oid = c.objid
        WHERE p.prokind = 'f' AND p.pronamespace <> 'pg_velodrome_rls'::regnamespace
            AND EXISTS (SELECT FROM pg_proc b WHERE b.pronamespace = 'pg_catalog'::regnamespace AND b.proname = p.proname) LIMIT 1
    );
BEGIN
    IF taken IS NOT NULL AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'function name "%" is the name of a built-in function', taken USING ERRCODE = '0A000';
    END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_refuse_made;
CREATE EVENT TRIGGER velodrome_refuse_made ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION', 'ALTER FUNCTION')
EXECUTE FUNCTION velodrome.refuse_made();
