-- SHOW and the svv_ views about other databases of this warehouse: asked there, as the same user, by a connection that
-- ends with the answer. https://docs.aws.amazon.com/redshift/latest/dg/cross-database-overview.html
CREATE EXTENSION IF NOT EXISTS dblink SCHEMA velodrome;
DO $$
DECLARE
    member regprocedure;
BEGIN
    FOR member IN
        SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'dblink'
        WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', member);
        IF (SELECT prosecdef FROM pg_catalog.pg_proc WHERE oid = member) THEN
            EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', member);
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION velodrome.conninfo_value(value text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN chr(39) || regexp_replace(value, '([' || chr(39) || chr(92) || chr(92) || '])', chr(92) || chr(92) || chr(92) || '1', 'g') || chr(39);

-- Databases that a client may enter; this one is among them.
CREATE OR REPLACE VIEW velodrome.databases AS
SELECT d.datname FROM pg_catalog.pg_database d
WHERE d.datallowconn AND NOT d.datistemplate AND d.datname <> 'postgres'
    AND pg_catalog.has_database_privilege(velodrome.session_role(), d.oid, 'CONNECT');
GRANT SELECT ON velodrome.databases TO PUBLIC;

-- How the server reaches a database of its own as the session's user.
CREATE OR REPLACE FUNCTION velodrome.address_of(database text) RETURNS text LANGUAGE sql STABLE
RETURN format('host=%s port=%s dbname=%s user=%s', velodrome.conninfo_value(velodrome.socket_folder()), current_setting('port'),
    velodrome.conninfo_value(database), velodrome.conninfo_value(velodrome.session_role()));

-- What a view or a SHOW of the warehouse's own answers in another database. Who asks has his own rights there, so it is
-- no matter who calls this; what it asks is made here, of names that are known.
CREATE OR REPLACE FUNCTION velodrome.answer_of(database text, source text, arguments text[]) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    address text := velodrome.address_of(database);
    columns text;
    called text;
BEGIN
    IF source !~ '^(show|here)_[a-z_]+$' OR NOT EXISTS (SELECT FROM velodrome.databases WHERE datname = database) THEN
        RAISE EXCEPTION 'permission denied for database %', database USING ERRCODE = '42501';
    ELSIF arguments IS NULL THEN
        called := format('velodrome.%I', source);
        columns := (
            SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = called::regclass AND attnum > 0 AND NOT attisdropped
        );
    ELSE
        SELECT format('velodrome.%I(%s)', source, (
                SELECT string_agg(format('%s::%s', coalesce(quote_literal(a), 'NULL'), format_type(p.proargtypes[place - 1], NULL)), ', ' ORDER BY place)
                FROM unnest(arguments) WITH ORDINALITY u (a, place)
            )), regexp_replace(pg_get_function_result(p.oid), '^TABLE\((.*)\)$', '\1')
            INTO STRICT called, columns FROM pg_proc p
            WHERE p.pronamespace = 'velodrome'::regnamespace AND p.proname = source AND p.pronargs - p.pronargdefaults <= cardinality(arguments);
    END IF;
    BEGIN
        RETURN QUERY EXECUTE format('SELECT * FROM velodrome.dblink(%L, %L) AS answer (%s)', address, 'SELECT * FROM ' || called, columns);
    EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
        RETURN;  -- dropped in the meantime
    END;
END $$;

-- For each SHOW that a database is named in: the function that asks it there, or here.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT p.oid, p.proname, p.pronargs, p.pronargdefaults, pg_get_function_result(p.oid) AS result,
            (SELECT string_agg(format('%I %s', p.proargnames[place], format_type(t, NULL)), ', ' ORDER BY place)
                FROM unnest(p.proargtypes) WITH ORDINALITY u (t, place) WHERE place <= p.pronargs - p.pronargdefaults) AS parameters,
            (SELECT string_agg('$' || place, ', ' ORDER BY place) FROM generate_series(1, p.pronargs - p.pronargdefaults) place) AS numbers,
            (SELECT string_agg(CASE place WHEN 1 THEN 'NULL' ELSE format('$%s::text', place) END, ', ' ORDER BY place)
                FROM generate_series(1, p.pronargs - p.pronargdefaults) place) AS texts
        FROM pg_proc p WHERE p.pronamespace = 'velodrome'::regnamespace AND p.proname ~ '^show_' AND p.proargnames[1] = 'database'
            AND p.proname <> 'show_grants_on_database'
    LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS velodrome.asked_%s', found.proname);
        EXECUTE format($text$
            CREATE FUNCTION velodrome.asked_%1$s(%2$s) RETURNS %3$s LANGUAGE plpgsql STABLE AS $body$
            #variable_conflict use_column
            DECLARE
                elsewhere text := velodrome.other_database($1);
            BEGIN
                IF elsewhere IS NULL THEN
                    RETURN QUERY SELECT * FROM velodrome.%1$s(%4$s);
                ELSIF elsewhere <> '' THEN
                    RETURN QUERY SELECT * FROM velodrome.answer_of(elsewhere, %5$L, ARRAY[%6$s]) AS answer (%7$s);
                END IF;
            END $body$ $text$,
            found.proname, found.parameters, found.result, found.numbers, found.proname, found.texts,
            regexp_replace(found.result, '^TABLE\((.*)\)$', '\1'));
    END LOOP;
END $$;

-- CREATE and DROP of schemas and tables in another database, as the same user, who could as well log in there
-- (sql/elsewhere.py).
CREATE OR REPLACE PROCEDURE velodrome.run_elsewhere(database text, statement text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_database WHERE datname = database AND datallowconn AND NOT datistemplate AND datname <> 'postgres') THEN
        RAISE EXCEPTION 'database "%" does not exist', database USING ERRCODE = '3D000';
    ELSIF NOT EXISTS (SELECT FROM velodrome.databases WHERE datname = database) THEN
        RAISE EXCEPTION 'permission denied for database %', database USING ERRCODE = '42501';
    ELSIF statement !~* '^(create|drop)\s+(schema|table)\s' THEN
        RAISE EXCEPTION 'not a statement for another database' USING ERRCODE = '42601';
    END IF;
    PERFORM velodrome.dblink_exec(velodrome.address_of(database), statement);
END $$;
