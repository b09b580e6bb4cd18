-- The text of an EXECUTE that is put together while a procedure runs: the gateway is asked what it becomes (dynamic.py),
-- by a connection that is kept. https://docs.aws.amazon.com/redshift/latest/dg/c_PLpgSQL-statements.html
CREATE OR REPLACE FUNCTION velodrome.asked_gateway(question text) RETURNS TABLE (sqlstate_ text, message_ text, hint_ text, text_ text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
BEGIN
    IF 'velodrome gateway' <> ALL (coalesce(velodrome.dblink_get_connections(), '{}')) THEN
        PERFORM velodrome.dblink_connect('velodrome gateway',
            format('host=%s port=1 dbname=gateway user=gateway', velodrome.conninfo_value(velodrome.socket_folder())));
    END IF;
    RETURN QUERY SELECT * FROM velodrome.dblink('velodrome gateway', question) t(a text, b text, c text, d text);
END $$;

CREATE OR REPLACE FUNCTION velodrome.dynamic(sent text) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    answer record;
BEGIN
    IF sent IS NULL THEN
        RETURN NULL;  -- PL/pgSQL's own error
    END IF;
    SELECT * INTO answer FROM velodrome.asked_gateway(json_build_object(
        'text', sent, 'database', current_database(), 'sensitive', current_setting('scram_iterations') = '4097'
    )::text);  -- which carries enable_case_sensitive_identifier: sql/parameters.py
    IF answer.hint_ <> '' THEN
        RAISE EXCEPTION USING ERRCODE = answer.sqlstate_, MESSAGE = answer.message_, HINT = answer.hint_;
    ELSIF answer.sqlstate_ IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = answer.sqlstate_, MESSAGE = answer.message_;
    END IF;
    RETURN answer.text_;
END $$;

-- What earlier versions had in its place.
DROP FUNCTION IF EXISTS velodrome.refused_routine(oid), velodrome.refused_relation(oid), velodrome.name_inside(text),
    velodrome.with_names_inside(text);
