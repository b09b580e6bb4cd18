-- The most that a schema may hold, in megabytes. The gateway puts it into a comment behind CREATE SCHEMA, in a procedure
-- into a parameter; the event trigger reads it there. It is kept and shown, and stops nothing.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_SCHEMA.html
CREATE TABLE IF NOT EXISTS velodrome.schema_quotas (schema oid PRIMARY KEY, megabytes int NOT NULL);
GRANT SELECT ON velodrome.schema_quotas TO PUBLIC;

CREATE OR REPLACE FUNCTION velodrome.set_schema_quota(named oid, quota bigint) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM velodrome.schema_quotas WHERE schema = named;
    IF quota NOT BETWEEN 1 AND 2147483647 THEN
        RAISE EXCEPTION 'invalid quota %', quota USING ERRCODE = '22023';
    ELSIF quota IS NOT NULL THEN
        INSERT INTO velodrome.schema_quotas VALUES (named, quota);
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION velodrome.set_schema_quota FROM PUBLIC;

CREATE OR REPLACE FUNCTION velodrome.note_schema() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    set_ text := current_setting('velodrome.schema_quota', true);
    sent text := concat(current_query(), '/*velodrome-quota:' || nullif(set_, '') || ':velodrome*/');
BEGIN
    PERFORM velodrome.set_schema_quota(n.oid, (note ->> 'megabytes')::bigint)
        FROM pg_event_trigger_ddl_commands() c JOIN pg_namespace n ON n.oid = c.objid,
            regexp_matches(sent, '/\*velodrome-quota:(.*?):velodrome\*/', 'g') m, LATERAL (SELECT m[1]::jsonb AS note)
        WHERE c.command_tag = 'CREATE SCHEMA' AND note ->> 'schema' = n.nspname;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_note_schema;
CREATE EVENT TRIGGER velodrome_note_schema ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA') EXECUTE FUNCTION velodrome.note_schema();

CREATE OR REPLACE FUNCTION velodrome.forget_schema() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM velodrome.schema_quotas q USING pg_event_trigger_dropped_objects() d WHERE d.object_type = 'schema' AND d.objid = q.schema;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_forget_schema;
CREATE EVENT TRIGGER velodrome_forget_schema ON sql_drop WHEN TAG IN ('DROP SCHEMA') EXECUTE FUNCTION velodrome.forget_schema();

-- https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_SCHEMA.html: "You must be a database superuser to set and change a
-- schema quota."
CREATE OR REPLACE PROCEDURE velodrome.alter_schema_quota(name text, quota bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid := (SELECT oid FROM pg_namespace WHERE nspname = name AND nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('velodrome', 'information_schema'));
BEGIN
    IF found IS NULL THEN
        RAISE EXCEPTION 'schema "%" does not exist', name USING ERRCODE = '3F000';
    ELSIF NOT velodrome.is_superuser() THEN
        RAISE EXCEPTION 'must be superuser to alter the quota of schema %', name USING ERRCODE = '42501';
    END IF;
    PERFORM velodrome.set_schema_quota(found, quota);
END $$;
