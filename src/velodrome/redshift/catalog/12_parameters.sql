-- The session's parameters beyond PostgreSQL's: velodrome.NAME holds Redshift's parameter NAME (sql/parameters.py).
-- Others of that prefix are what ALTER ROLE … SET keeps of users and roles, which no client may set.
CREATE OR REPLACE FUNCTION velodrome.is_own_parameter(parameter text) RETURNS boolean LANGUAGE sql STABLE
RETURN parameter = ANY (string_to_array(current_setting('velodrome.parameters', true), ','))
    AND parameter NOT IN ('parameters', 'administrator', 'system_privileges', 'owner', 'external_id', 'syslog_access');

-- What a user may have as a default of his sessions: Redshift's parameters, and variables with a dot in their name.
CREATE OR REPLACE FUNCTION velodrome.is_parameter(parameter text) RETURNS boolean LANGUAGE sql STABLE
RETURN velodrome.is_own_parameter(parameter)
    OR (parameter ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$' AND parameter !~ '^(velodrome|plpgsql)\.')
    OR parameter IN ('search_path', 'datestyle', 'timezone', 'statement_timeout', 'extra_float_digits', 'client_encoding',
        'client_min_messages', 'application_name', 'default_transaction_read_only', 'intervalstyle');

CREATE OR REPLACE FUNCTION velodrome.parameter_inside(parameter text) RETURNS text LANGUAGE sql STABLE
RETURN CASE WHEN parameter = 'enable_case_sensitive_identifier' THEN 'scram_iterations'
    WHEN velodrome.is_own_parameter(parameter) THEN 'velodrome.' || parameter ELSE parameter END;

-- The one that the server inside keeps as another of its own, which it reports changes of (sql/parameters.py).
CREATE OR REPLACE FUNCTION velodrome.case_inside(parameter text, setting text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN parameter <> 'enable_case_sensitive_identifier' THEN setting WHEN setting::boolean THEN '4097' ELSE '4096' END;
CREATE OR REPLACE FUNCTION velodrome.case_shown(parameter text, setting text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN parameter <> 'enable_case_sensitive_identifier' THEN setting WHEN setting = '4097' THEN 'on' ELSE 'off' END;

-- Times are shown in milliseconds, as a number: https://docs.aws.amazon.com/redshift/latest/dg/r_statement_timeout.html
CREATE OR REPLACE FUNCTION velodrome.shown(parameter text, missing_ok boolean DEFAULT false) RETURNS text LANGUAGE sql STABLE STRICT
RETURN CASE parameter WHEN 'statement_timeout' THEN (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'statement_timeout')
    WHEN 'is_superuser' THEN CASE WHEN velodrome.is_superuser() THEN 'on' ELSE 'off' END
    ELSE velodrome.case_shown(parameter, pg_catalog.current_setting(velodrome.parameter_inside(parameter), missing_ok)) END;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SHOW.html
CREATE OR REPLACE FUNCTION velodrome.show_all() RETURNS TABLE (name text, setting text) LANGUAGE sql STABLE AS $$
    SELECT parameter, velodrome.shown(parameter) FROM (
        SELECT unnest(string_to_array(current_setting('velodrome.parameters'), ',')) AS parameter
        UNION ALL VALUES ('datestyle'), ('extra_float_digits'), ('search_path'), ('statement_timeout'), ('timezone'),
            ('client_encoding'), ('client_min_messages'), ('application_name'), ('intervalstyle'), ('default_transaction_read_only')
    ) all_of_them ORDER BY parameter
$$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_CURRENT_SETTING.html, …/r_SET_CONFIG.html
CREATE OR REPLACE FUNCTION velodrome.current_setting(parameter text) RETURNS text LANGUAGE sql STABLE STRICT
RETURN velodrome.shown(lower(parameter));
CREATE OR REPLACE FUNCTION velodrome.current_setting(parameter text, missing_ok boolean) RETURNS text LANGUAGE sql STABLE STRICT
RETURN velodrome.shown(lower(parameter), missing_ok);
CREATE OR REPLACE FUNCTION velodrome.set_config(parameter text, setting text, is_local boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF lower(parameter) IN ('role', 'session_authorization', 'standard_conforming_strings', 'backslash_quote', 'session_replication_role', 'scram_iterations')
        OR starts_with(lower(parameter), 'velodrome.') THEN
        RAISE EXCEPTION 'unrecognized configuration parameter "%"', parameter USING ERRCODE = '42704';
    END IF;
    RETURN velodrome.case_shown(lower(parameter),
        pg_catalog.set_config(velodrome.parameter_inside(lower(parameter)), velodrome.case_inside(lower(parameter), setting), is_local));
END $$;

-- Run before SET SESSION AUTHORIZATION: https://docs.aws.amazon.com/redshift/latest/dg/r_SET_SESSION_AUTHORIZATION.html
CREATE OR REPLACE PROCEDURE velodrome.expect_session_user(name text) LANGUAGE plpgsql AS $$
DECLARE
    found oid := velodrome.find_role('user', name);
BEGIN
    IF name = 'rdsdb' OR (name <> session_user AND NOT velodrome.is_superuser((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))) THEN
        RAISE EXCEPTION 'permission denied to set session authorization' USING ERRCODE = '42501';
    END IF;
END $$;
