-- What happened, as the gateway has written it (history.py): one line a record, in files that all databases read. A line
-- that is not all there, because it is being written or the writer was killed, has no '.' at its end. The
-- views over them show a user's own records, and all of them to who may see that:
-- https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_system-tables.html#c_visibility-of-data
CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA velodrome;
DO $$
DECLARE
    kind text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'velodrome_history') THEN
        CREATE SERVER velodrome_history FOREIGN DATA WRAPPER file_fdw;
    END IF;
    -- One column for the whole line: control characters, which no line holds, stand for what would divide it.
    FOREACH kind IN ARRAY ARRAY['queries.log', 'queries.old', 'running.log', 'sessions.log', 'sessions.old',
                                'load_files.log', 'load_files.old', 'load_errors.log', 'load_errors.old'] LOOP
        EXECUTE format(
            'CREATE FOREIGN TABLE IF NOT EXISTS velodrome.%I (line text) SERVER velodrome_history OPTIONS '
            '(filename %L, format ''csv'', delimiter E''\x01'', quote E''\x02'', escape E''\x02'')',
            'history_' || replace(kind, '.', '_'), 'velodrome_history/' || kind);
        EXECUTE format('REVOKE ALL ON velodrome.%I FROM PUBLIC', 'history_' || replace(kind, '.', '_'));
    END LOOP;
END $$;

-- Who sees what only superusers see: superusers, and who has the system permission (sys:monitor has it).
-- https://docs.aws.amazon.com/redshift/latest/dg/r_roles-system-privileges.html
CREATE OR REPLACE FUNCTION velodrome.sees_system() RETURNS boolean LANGUAGE sql STABLE
RETURN velodrome.is_superuser() OR velodrome.has_system_privilege('ACCESS SYSTEM TABLE');
-- Who sees others' rows, too, where all see their own: https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html,
-- SYSLOG ACCESS UNRESTRICTED.
CREATE OR REPLACE FUNCTION velodrome.sees_all() RETURNS boolean LANGUAGE sql STABLE
RETURN velodrome.sees_system() OR coalesce((
    SELECT velodrome.kept(rolconfig, 'syslog_access') = 'UNRESTRICTED' FROM pg_catalog.pg_roles WHERE oid = velodrome.caller()
), false);

-- What every process does now, for who may see it. What users are made with is in the text that the server inside runs,
-- which Redshift shows as '***'; so clients may not call the functions that tell it as it is (70_refused.sql).
CREATE OR REPLACE FUNCTION velodrome.activity() RETURNS SETOF pg_catalog.pg_stat_activity LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    all_ boolean := velodrome.sees_all();
    one pg_catalog.pg_stat_activity;
BEGIN
    FOR one IN SELECT * FROM pg_catalog.pg_stat_activity LOOP
        IF one.usename = 'rdsdb' THEN
            one.query := '';
        ELSIF NOT all_ AND one.usesysid IS DISTINCT FROM velodrome.caller() THEN
            one.query := '<insufficient privilege>';
            one.state := NULL;
            one.wait_event := NULL;
            one.wait_event_type := NULL;
            one.xact_start := NULL;
            one.query_start := NULL;
            one.state_change := NULL;
            one.client_addr := NULL;
            one.client_port := NULL;
            one.client_hostname := NULL;
            one.backend_start := NULL;
            one.backend_xid := NULL;
            one.backend_xmin := NULL;
        ELSE
            one.query := regexp_replace(one.query, '(velodrome\.(?:create|alter)_user\([^,]*, ).*', '\1''***'')', 'g');
        END IF;
        RETURN NEXT one;
    END LOOP;
END $$;

-- The relation of this database that a statement's text named; NULL for a name that is of another one, or none.
CREATE OR REPLACE FUNCTION velodrome.relation_here(written text) RETURNS regclass LANGUAGE sql STABLE
RETURN (
    SELECT CASE WHEN cardinality(parts) < 3 THEN to_regclass(written)
        WHEN cardinality(parts) = 3 AND lower(btrim(parts[1], '"')) = current_database() THEN to_regclass(parts[2] || '.' || parts[3])
    END FROM (SELECT ARRAY(SELECT m[1] FROM regexp_matches(written, '("(?:[^"]|"")*"|[^."]+)', 'g') m) AS parts) names
);

CREATE OR REPLACE FUNCTION velodrome.micros(value text) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
RETURN timestamp '1970-01-01' + value::bigint * interval '1 microsecond';
CREATE OR REPLACE FUNCTION velodrome.lines(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN translate(CASE WHEN strpos(value, '\') > 0 THEN unistr(value) ELSE value END, E'\x1e\x1d', E'\n\r');
CREATE OR REPLACE FUNCTION velodrome.elapsed(first timestamp, last timestamp) RETURNS bigint LANGUAGE sql STABLE
RETURN (extract(epoch FROM coalesce(last, clock_timestamp() AT TIME ZONE 'UTC') - first) * 1000000)::bigint;
-- A statement without what differs from one to the next: literals, case and blanks.
CREATE OR REPLACE FUNCTION velodrome.generic(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT COST 1000
RETURN lower(regexp_replace(regexp_replace(value, '''[^'']*''|\y\d+(\.\d+)?\y', '?', 'g'), '\s+', ' ', 'g'));

-- Whose records the asking user sees. The name of who is gone has no id any more: 0.
CREATE OR REPLACE VIEW velodrome.visible_users AS
SELECT rolname::text AS name, oid::bigint::int AS id FROM pg_roles;

-- One row per statement, the running ones too (ended and status are NULL).
CREATE OR REPLACE VIEW velodrome.queries WITH (security_barrier) AS
SELECT f[1]::bigint AS query, coalesce(u.id, 0) AS userid, velodrome.lines(f[2]) AS username, velodrome.lines(f[3]) AS database, f[4]::int AS pid,
    f[5]::bigint AS xid, velodrome.lines(f[6]) AS label, velodrome.micros(f[7]) AS started,
    CASE WHEN done THEN velodrome.micros(f[8]) END AS ended, f[9]::bigint AS rows, f[10] AS tag, f[11] AS code,
    velodrome.lines(f[12]) AS error, f[13] AS kind, velodrome.lines(f[14]) AS text,
    CASE WHEN NOT done THEN 'running' WHEN f[11] = '' THEN 'success' WHEN f[11] = '57014' THEN 'canceled' ELSE 'failed' END AS status
FROM (
    SELECT string_to_array(line, E'\x1f') AS f, done FROM (
        SELECT line, true AS done FROM velodrome.history_queries_old
        UNION ALL SELECT line, true FROM velodrome.history_queries_log
        UNION ALL SELECT line, false FROM velodrome.history_running_log
    ) all_lines OFFSET 0
) fields
LEFT JOIN velodrome.visible_users u ON u.name = velodrome.lines(f[2])
WHERE array_length(f, 1) = 15 AND f[15] = '.' AND (velodrome.lines(f[2]) = current_user OR (SELECT velodrome.sees_all()));

-- One row per event of a session: 'initiating session', 'authenticated', 'disconnecting session', …
CREATE OR REPLACE VIEW velodrome.session_events WITH (security_barrier) AS
SELECT f[1] AS event, velodrome.micros(f[2]) AS happened, f[3]::int AS pid, velodrome.lines(f[4]) AS username, coalesce(u.id, 0) AS userid,
    velodrome.lines(f[5]) AS database, f[6] AS host, f[7] AS port, f[8] AS method, f[9]::bigint AS lasted, f[10] AS tls, velodrome.lines(f[11]) AS application,
    velodrome.lines(f[12]) AS driver, velodrome.lines(f[13]) AS platform, f[14]::int AS protocol, velodrome.micros(f[15]) AS started, f[16]::bigint AS xid
FROM (
    SELECT string_to_array(line, E'\x1f') AS f FROM (
        SELECT line FROM velodrome.history_sessions_old UNION ALL SELECT line FROM velodrome.history_sessions_log
    ) all_lines OFFSET 0
) fields
LEFT JOIN velodrome.visible_users u ON u.name = velodrome.lines(f[4])
WHERE array_length(f, 1) = 17 AND f[17] = '.' AND (velodrome.lines(f[4]) = current_user OR (SELECT velodrome.sees_all()));

-- One row per file that a COPY has read, one per row or file that it could not load.
CREATE OR REPLACE VIEW velodrome.load_files WITH (security_barrier) AS
SELECT f[1]::bigint AS query, coalesce(u.id, 0) AS userid, velodrome.lines(f[3]) AS database, f[4]::int AS pid, f[5]::bigint AS xid,
    velodrome.lines(f[6]) AS "table",
    coalesce(CASE WHEN velodrome.lines(f[3]) = current_database() THEN velodrome.relation_here(velodrome.lines(f[7])) END::oid::bigint::int, 0) AS relation,
    f[8] AS format, velodrome.lines(f[9]) AS source, velodrome.lines(f[10]) AS file, f[11]::bigint AS rows,
    f[12]::bigint AS bytes, velodrome.micros(f[13]) AS started, velodrome.micros(f[14]) AS ended, f[15]::int AS status
FROM (
    SELECT string_to_array(line, E'\x1f') AS f FROM (
        SELECT line FROM velodrome.history_load_files_old UNION ALL SELECT line FROM velodrome.history_load_files_log
    ) all_lines OFFSET 0
) fields
LEFT JOIN velodrome.visible_users u ON u.name = velodrome.lines(f[2])
WHERE array_length(f, 1) = 16 AND f[16] = '.' AND (velodrome.lines(f[2]) = current_user OR (SELECT velodrome.sees_all()));
CREATE OR REPLACE VIEW velodrome.load_errors WITH (security_barrier) AS
SELECT f[1]::bigint AS query, coalesce(u.id, 0) AS userid, velodrome.lines(f[3]) AS database, f[4]::int AS pid, f[5]::bigint AS xid,
    velodrome.lines(f[6]) AS "table",
    coalesce(CASE WHEN velodrome.lines(f[3]) = current_database() THEN velodrome.relation_here(velodrome.lines(f[7])) END::oid::bigint::int, 0) AS relation,
    f[8] AS format, velodrome.lines(f[9]) AS source, velodrome.micros(f[10]) AS happened,
    velodrome.lines(f[11]) AS file, f[12]::bigint AS line, velodrome.lines(f[13]) AS "column", f[14] AS type, f[15] AS length, f[16]::int AS position,
    velodrome.lines(f[17]) AS raw_line, velodrome.lines(f[18]) AS raw_value, f[19]::int AS code,
    velodrome.lines(f[20]) AS reason
FROM (
    SELECT string_to_array(line, E'\x1f') AS f FROM (
        SELECT line FROM velodrome.history_load_errors_old UNION ALL SELECT line FROM velodrome.history_load_errors_log
    ) all_lines OFFSET 0
) fields
LEFT JOIN velodrome.visible_users u ON u.name = velodrome.lines(f[2])
WHERE array_length(f, 1) = 21 AND f[21] = '.' AND (velodrome.lines(f[2]) = current_user OR (SELECT velodrome.sees_all()));

-- Texts in pieces, as the views of texts have them; a line's end is written as \n there.
CREATE OR REPLACE FUNCTION velodrome.pieces(value text, size int) RETURNS TABLE (sequence int, piece text)
LANGUAGE sql IMMUTABLE STRICT ROWS 2 AS $$
    SELECT number, substr(value, number * size + 1, size) FROM generate_series(0, greatest(length(value) - 1, 0) / size) number
$$;
CREATE OR REPLACE FUNCTION velodrome.one_line(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN replace(replace(replace(value, '\', '\\'), E'\r', '\r'), E'\n', '\n');
-- Whether a kind of statement is a query in Redshift's sense: what STL_QUERY lists, and STL_UTILITYTEXT does not.
CREATE OR REPLACE FUNCTION velodrome.is_query(kind text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
RETURN kind IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY', 'UNLOAD', 'CTAS');

-- The last statement of this session before the one that asks:
-- https://docs.aws.amazon.com/redshift/latest/dg/PG_LAST_QUERY_ID.html, …/PG_LAST_COPY_ID.html, …/PG_LAST_COPY_COUNT.html,
-- …/PG_LAST_UNLOAD_ID.html, …/PG_LAST_UNLOAD_COUNT.html. -1 where there is none.
CREATE OR REPLACE VIEW velodrome.own_queries AS
SELECT q.query, q.kind, q.rows FROM velodrome.queries q
WHERE q.ended IS NOT NULL AND q.code = '' AND q.pid = pg_backend_pid()
    AND q.started >= (SELECT backend_start AT TIME ZONE 'UTC' - interval '1 second' FROM velodrome.activity() WHERE pid = pg_backend_pid());
GRANT SELECT ON velodrome.own_queries TO PUBLIC;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_query_id() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT (SELECT coalesce(max(query), -1) FROM velodrome.own_queries WHERE velodrome.is_query(kind)) $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT (SELECT coalesce(max(query), -1) FROM velodrome.own_queries WHERE kind = 'COPY') $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT coalesce((SELECT rows FROM velodrome.own_queries WHERE kind = 'COPY' ORDER BY query DESC LIMIT 1), 0) $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_id() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT (SELECT coalesce(max(query), -1) FROM velodrome.own_queries WHERE kind = 'UNLOAD') $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_count() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT coalesce((SELECT rows FROM velodrome.own_queries WHERE kind = 'UNLOAD' ORDER BY query DESC LIMIT 1), 0) $$;
