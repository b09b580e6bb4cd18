-- Views WITH NO SCHEMA BINDING: https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html
-- Each is a view of the server inside that depends on nothing. Its text is kept, and read again whenever something that
-- it reads is made, changed, renamed or dropped; while it cannot be read, a query of the view fails as it does there.
CREATE TABLE IF NOT EXISTS velodrome.late_binding_views (
    relid oid PRIMARY KEY,
    query text NOT NULL,
    source text NOT NULL,
    columns text[] NOT NULL,
    selects text[] NOT NULL,
    reads text[] NOT NULL,
    objects oid[] NOT NULL DEFAULT '{}',
    path text NOT NULL,
    code text,
    message text
);
GRANT SELECT ON velodrome.late_binding_views TO PUBLIC;

-- What a view reads that cannot be built: it fails with the error of the attempt.
CREATE OR REPLACE FUNCTION velodrome.unbound(code text, message text) RETURNS SETOF record LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message;
END $$;

CREATE OR REPLACE FUNCTION velodrome.relation_name(relation oid) RETURNS text LANGUAGE sql STABLE
RETURN (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);

-- Gives a view the columns and the query of another, which is then dropped: what CREATE OR REPLACE VIEW refuses to do
-- when columns change. The view keeps its number, owner, rights and comments; what it reads is not recorded.
-- It is not locked here: a reader locks it and then its tables, who has locked a table comes the other way, and so one of
-- the two would fail. hold_readers() locks before.
CREATE OR REPLACE FUNCTION velodrome.take_over_view(view oid, made oid) RETURNS oid[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    fields text := (SELECT string_agg(attname, ', ') FROM pg_attribute
        WHERE attrelid = 'pg_attribute'::regclass AND attnum > 0 AND attname NOT IN ('attrelid', 'attmissingval'));
    same boolean;
    rights jsonb := (SELECT jsonb_object_agg(attname, attacl::text) FROM pg_attribute WHERE attrelid = view AND attnum > 0 AND attacl IS NOT NULL);
    objects oid[] := ARRAY(
        SELECT DISTINCT refobjid FROM pg_depend WHERE classid = 'pg_rewrite'::regclass AND refobjid <> made
        AND objid = (SELECT oid FROM pg_rewrite WHERE ev_class = made)
    );
BEGIN
    IF EXISTS (
        SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = view AND a.attnum = d.refobjsubid
        LEFT JOIN pg_attribute b ON b.attrelid = made AND b.attnum = a.attnum
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = view AND d.refobjsubid > 0
        AND (b.attname, b.atttypid, b.atttypmod) IS DISTINCT FROM (a.attname, a.atttypid, a.atttypmod)
    ) THEN
        RAISE EXCEPTION 'cannot change number of columns in view' USING ERRCODE = '42P16';
    END IF;
    same := NOT EXISTS (
        SELECT FROM (SELECT * FROM pg_attribute WHERE attrelid = view AND attnum > 0) a
        FULL JOIN (SELECT * FROM pg_attribute WHERE attrelid = made AND attnum > 0) b ON b.attnum = a.attnum
        WHERE (a.attname, a.atttypid, a.atttypmod, a.attcollation) IS DISTINCT FROM (b.attname, b.atttypid, b.atttypmod, b.attcollation)
    );
    IF NOT same THEN
        -- One command each, since after each the number of columns is held against the columns themselves.
        WITH gone AS (DELETE FROM pg_attribute WHERE attrelid = view AND attnum > 0) UPDATE pg_class SET relnatts = 0 WHERE oid = view;
        EXECUTE format(
            'WITH made AS (INSERT INTO pg_attribute (attrelid, %1$s) SELECT $1, %1$s FROM pg_attribute WHERE attrelid = $2 AND attnum > 0)
            UPDATE pg_class SET relnatts = (SELECT relnatts FROM pg_class WHERE oid = $2) WHERE oid = $1', fields
        ) USING view, made;
        UPDATE pg_attribute SET attacl = (rights ->> attname)::aclitem[] WHERE attrelid = view AND rights ? attname::text;
    END IF;
    UPDATE pg_rewrite SET ev_action = (SELECT ev_action FROM pg_rewrite WHERE ev_class = made) WHERE ev_class = view;
    UPDATE pg_class SET relhasrules = true WHERE oid = view;
    DELETE FROM pg_depend WHERE classid = 'pg_rewrite'::regclass AND deptype = 'n' AND refobjid <> view
        AND objid = (SELECT oid FROM pg_rewrite WHERE ev_class = view);
    EXECUTE format('DROP VIEW %s', velodrome.relation_name(made));
    RETURN objects;
END $$;

-- Makes of a view one with the columns that it has, and no rows but an error.
CREATE OR REPLACE FUNCTION velodrome.seal_view(view oid, code text, message text, names text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    columns text := (
        SELECT string_agg(format('NULL::%s%s AS %I', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I.%I', n.nspname, c.collname) END, a.attname), ', ' ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
        WHERE a.attrelid = view AND a.attnum > 0
    );
BEGIN
    IF columns IS NULL THEN
        columns := (SELECT string_agg(format('NULL::varchar AS %I', name), ', ' ORDER BY number)
            FROM (SELECT DISTINCT ON (name) name, number FROM unnest(names) WITH ORDINALITY u (name, number) ORDER BY name, number) u);
    END IF;
    EXECUTE format('CREATE VIEW velodrome.late_%s AS SELECT %s FROM velodrome.unbound(%L, %L) AS nothing (nothing int)', view, columns, code, message);
    PERFORM velodrome.take_over_view(view, format('velodrome.late_%s', view)::regclass);
END $$;

-- Reads a view's text again. The text comes from a client and is read with the rights of the server's owner, which must
-- not make it more than one statement: no semicolon is in it (the gateway writes those of literals as escapes).
CREATE OR REPLACE FUNCTION velodrome.bind_view(view oid, creating boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' SET standard_conforming_strings = off AS $$
DECLARE
    late velodrome.late_binding_views;
    made text := format('velodrome.late_%s', view);
    columns text;
    found_code text;
    found_message text;
    read oid[];
BEGIN
    SELECT * INTO late FROM velodrome.late_binding_views WHERE relid = view FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;  -- dropped in the meantime
    ELSIF strpos(late.query, chr(59)) > 0 THEN
        RAISE EXCEPTION 'not the text of a view' USING ERRCODE = '42601';
    END IF;
    columns := (SELECT '(' || string_agg(quote_ident(name), ', ') || ')' FROM unnest(late.columns) name);
    BEGIN
        -- In front and behind, so that nothing of a client's takes the place of what the event triggers call.
        PERFORM set_config('search_path', concat_ws(', ', 'pg_catalog', nullif(late.path, ''), 'pg_temp'), true);
        EXECUTE format('CREATE VIEW %s %s AS ', made, columns) || late.query;
        PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
        read := velodrome.take_over_view(view, made::regclass);
    EXCEPTION WHEN OTHERS THEN  -- kept, and given to whoever reads the view
        GET STACKED DIAGNOSTICS found_code = RETURNED_SQLSTATE, found_message = MESSAGE_TEXT;
        IF creating AND found_code IN ('42601', '0A000') THEN
            RAISE EXCEPTION USING ERRCODE = found_code, MESSAGE = found_message;
        END IF;
    END;
    PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
    IF found_code IS NOT NULL THEN
        -- A view over a view that cannot be read fails for the same reason.
        SELECT code, message INTO found_code, found_message FROM (
            SELECT l.code, l.message, 0 AS rank FROM velodrome.late_binding_views l
            JOIN pg_class c ON c.oid = l.relid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE l.code IS NOT NULL AND l.relid <> view AND n.nspname || '.' || c.relname = ANY (late.reads)
            UNION ALL SELECT found_code, found_message, 1
        ) reasons ORDER BY rank LIMIT 1;
        PERFORM velodrome.seal_view(view, found_code, found_message, coalesce(nullif(late.columns, '{}'), late.selects));
    END IF;
    UPDATE velodrome.late_binding_views SET code = found_code, message = found_message, objects = coalesce(read, objects) WHERE relid = view;
END $$;
REVOKE EXECUTE ON FUNCTION velodrome.seal_view, velodrome.take_over_view, velodrome.bind_view FROM PUBLIC;

-- Binds every view that reads one of these again, and what reads those.
CREATE OR REPLACE FUNCTION velodrome.bind_readers(changed oid[], names text[], depth int DEFAULT 0) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    found oid;
BEGIN
    FOR found IN
        SELECT l.relid FROM velodrome.late_binding_views l JOIN pg_class c ON c.oid = l.relid
        WHERE l.objects && changed OR l.reads && names ORDER BY l.relid
    LOOP
        PERFORM velodrome.bind_view(found);
        IF depth < 20 THEN
            PERFORM velodrome.bind_readers(ARRAY[found], ARRAY[velodrome.plain_name(found)], depth + 1);
        END IF;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION velodrome.bind_readers FROM PUBLIC;

CREATE OR REPLACE FUNCTION velodrome.plain_name(relation oid) RETURNS text LANGUAGE sql STABLE
RETURN (SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);

-- The notes that the gateway has put behind the statements of a text.
CREATE OR REPLACE FUNCTION velodrome.view_notes() RETURNS SETOF jsonb LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    sent text := current_query();
BEGIN
    IF strpos(sent, '/*velodrome-view:') > 0 THEN
        RETURN QUERY SELECT m[1]::jsonb FROM regexp_matches(sent, '/\*velodrome-view:(.*?):velodrome\*/', 'g') m;
    END IF;
END $$;

-- CREATE OR REPLACE VIEW … WITH NO SCHEMA BINDING: the old view steps aside until the new one has been read.
CREATE OR REPLACE FUNCTION velodrome.set_view_aside(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    old oid := (SELECT oid FROM pg_class WHERE oid = to_regclass(name) AND relkind = 'v' AND pg_has_role(session_user, relowner, 'USAGE'));
BEGIN
    PERFORM set_config('velodrome.replaced', coalesce(old::text, ''), true);
    IF old IS NOT NULL THEN
        EXECUTE format('ALTER VIEW %s RENAME TO %I', name, 'velodrome_replaced_' || old);
    END IF;
END $$;

-- Whether the functions of this file are at work themselves; nobody else can make it so.
CREATE OR REPLACE FUNCTION velodrome.at_work() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(current_setting('velodrome.binding', true) = 'on', false) AND rolsuper FROM pg_roles WHERE rolname = current_user
$$;

-- An event trigger runs with the path of the session, where a user's function may fit better than the server's own: it
-- hands on what it needs of the path to a function with one of its own.
CREATE OR REPLACE FUNCTION velodrome.before_create_view() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM velodrome.set_views_aside(pg_catalog.current_schema());
END $$;
CREATE OR REPLACE FUNCTION velodrome.set_views_aside(first_schema name) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    note jsonb;
BEGIN
    IF NOT velodrome.at_work() THEN
        PERFORM set_config('velodrome.replaced', '', true);
        FOR note IN SELECT n FROM velodrome.view_notes() n WHERE n ? 'replace' LOOP
            -- A name without a schema is the first one's of the session's search path.
            PERFORM velodrome.set_view_aside(velodrome.relation_name(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relname = note ->> 'relation' AND n.nspname = coalesce(nullif(note ->> 'schema', ''), first_schema);
        END LOOP;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION velodrome.created_view(view oid, note jsonb, path text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    replaced oid := nullif(current_setting('velodrome.replaced', true), '')::oid;
    old_name text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = view AND relkind = 'v' AND pg_has_role(session_user, relowner, 'USAGE')) THEN
        RAISE EXCEPTION 'permission denied' USING ERRCODE = '42501';
    END IF;
    -- Anybody can set that, to the number of any view: what set_view_aside() has not put aside is not touched.
    replaced := (SELECT oid FROM pg_class WHERE oid = replaced AND relkind = 'v' AND relname = 'velodrome_replaced_' || replaced
        AND pg_has_role(session_user, relowner, 'USAGE'));
    DELETE FROM velodrome.late_binding_views WHERE relid IN (view, replaced);
    IF note IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO velodrome.late_binding_views (relid, query, source, columns, selects, reads, path) VALUES (
        view, note ->> 'query', note ->> 'source', velodrome.strings(note -> 'columns'), velodrome.strings(note -> 'selects'),
        velodrome.strings(note -> 'reads'), path
    );
    PERFORM velodrome.bind_view(view, true);
    IF replaced IS NOT NULL THEN
        old_name := (SELECT relname FROM pg_class WHERE oid = view);
        UPDATE velodrome.late_binding_views SET relid = replaced,
            objects = velodrome.take_over_view(replaced, view) || objects WHERE relid = view;
        EXECUTE format('ALTER VIEW %s RENAME TO %I', velodrome.relation_name(replaced), old_name);
        PERFORM set_config('velodrome.replaced', '', true);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION velodrome.after_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM velodrome.note_changes(pg_catalog.current_setting('search_path'), pg_catalog.current_schema());
END $$;
CREATE OR REPLACE FUNCTION velodrome.note_changes(path text, first_schema name) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    command record;
    note jsonb;
    changed oid[] := '{}';
    names text[] := '{}';
BEGIN
    IF velodrome.at_work() THEN
        RETURN;
    END IF;
    FOR command IN SELECT objid, object_type, command_tag FROM pg_event_trigger_ddl_commands() LOOP
        IF command.command_tag = 'CREATE VIEW' THEN
            SELECT n INTO note FROM velodrome.view_notes() n JOIN pg_class c ON c.oid = command.objid
                WHERE n ->> 'relation' = c.relname AND (n ->> 'schema' = '' OR n ->> 'schema' = (SELECT nspname FROM pg_catalog.pg_namespace WHERE oid = c.relnamespace));
            IF note IS NOT NULL OR EXISTS (SELECT FROM velodrome.late_binding_views WHERE relid = command.objid) THEN
                PERFORM velodrome.created_view(command.objid, note, path);
            END IF;
            names := names || (SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE note IS NOT NULL AND c.relname = note ->> 'relation' AND n.nspname = coalesce(nullif(note ->> 'schema', ''), first_schema));
        END IF;
        IF command.object_type = 'schema' THEN
            changed := changed || ARRAY(SELECT oid FROM pg_class WHERE relnamespace = command.objid);
            names := names || ARRAY(SELECT velodrome.plain_name(oid) FROM pg_class WHERE relnamespace = command.objid);
        ELSE
            changed := changed || command.objid;
            names := names || velodrome.plain_name(command.objid);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM velodrome.late_binding_views) THEN
        PERFORM velodrome.bind_readers_of(changed, array_remove(names, NULL));
    END IF;
END $$;

-- Anybody may have views read again: nothing changes by it but what is wrong.
CREATE OR REPLACE FUNCTION velodrome.bind_readers_of(changed oid[], names text[]) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$ SELECT velodrome.bind_readers(changed, names) $$;

-- Whether a statement names a relation: with its schema, or with none. What it gives a new name to is another one.
CREATE OR REPLACE FUNCTION velodrome.names_relation(sent text, schema name, relation name) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT strpos(lower(sent), relation) > 0 AND (
        plain ~ ('\m' || quoted[1] || '"?\s*\.\s*"?' || quoted[2] || '\M') OR plain ~ ('(^|[^."\w])"?' || quoted[2] || '\M')
    ) FROM (SELECT regexp_replace(lower(sent), '\mrename\s+to\s+("[^"]*"|\w+)', '', 'g') AS plain,
        ARRAY[regexp_replace(schema, '(\W)', '\\\1', 'g'), regexp_replace(relation, '(\W)', '\\\1', 'g')] AS quoted) AS text
$$;

-- Before a table or view changes or goes, the late-binding views over it are locked, as a reader would: the outermost
-- first, and before the table. Readers then wait for the end of the transaction and see what there is then. Which
-- tables these are is told by the statement's text, in which their names stand.
CREATE OR REPLACE FUNCTION velodrome.lock_readers(sent text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' SET standard_conforming_strings = on AS $$
DECLARE
    found oid;
BEGIN
    FOR found IN
        WITH RECURSIVE named AS (
            SELECT c.oid, n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'v', 'm') AND n.nspname || '.' || c.relname IN (SELECT unnest(reads) FROM velodrome.late_binding_views)
            AND pg_has_role(session_user, c.relowner, 'USAGE')
            AND (velodrome.names_relation(sent, n.nspname, c.relname) OR (strpos(lower(sent), n.nspname) > 0 AND sent ~* '\mschema\M'))
        ), over (relid, depth) AS (
            SELECT l.relid, 1 FROM velodrome.late_binding_views l JOIN named ON named.oid = ANY (l.objects) OR named.name = ANY (l.reads)
            UNION
            SELECT l.relid, depth + 1 FROM over JOIN velodrome.late_binding_views l ON over.relid = ANY (l.objects) WHERE depth < 20
        )
        SELECT relid FROM over JOIN pg_class c ON c.oid = relid GROUP BY relid ORDER BY max(depth) DESC, relid
    LOOP
        EXECUTE format('ALTER VIEW %s RESET (security_barrier)', velodrome.relation_name(found));
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION velodrome.hold_readers() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT velodrome.at_work() AND EXISTS (SELECT FROM velodrome.late_binding_views) THEN
        PERFORM velodrome.lock_readers(current_query());
    END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_hold_readers;
CREATE EVENT TRIGGER velodrome_hold_readers ON ddl_command_start WHEN TAG IN (
    'ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER SCHEMA', 'DROP TABLE', 'DROP VIEW', 'DROP MATERIALIZED VIEW', 'DROP SCHEMA'
) EXECUTE FUNCTION velodrome.hold_readers();

CREATE OR REPLACE FUNCTION velodrome.forget_dropped_views() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM velodrome.late_binding_views l WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.relid)
$$;

CREATE OR REPLACE FUNCTION velodrome.after_drop() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF velodrome.at_work() OR NOT EXISTS (SELECT FROM velodrome.late_binding_views) THEN
        RETURN;
    END IF;
    PERFORM velodrome.forget_dropped_views();
    PERFORM velodrome.bind_readers_of(array_agg(objid), coalesce(array_agg(schema_name || '.' || object_name) FILTER (WHERE schema_name IS NOT NULL), '{}'))
        FROM pg_event_trigger_dropped_objects() WHERE objsubid = 0 HAVING count(*) > 0;
END $$;

DROP EVENT TRIGGER IF EXISTS velodrome_before_create_view;
CREATE EVENT TRIGGER velodrome_before_create_view ON ddl_command_start WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION velodrome.before_create_view();
DROP EVENT TRIGGER IF EXISTS velodrome_after_ddl;
CREATE EVENT TRIGGER velodrome_after_ddl ON ddl_command_end WHEN TAG IN (
    'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'CREATE FUNCTION',
    'ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER FUNCTION', 'ALTER SCHEMA'
) EXECUTE FUNCTION velodrome.after_ddl();
DROP EVENT TRIGGER IF EXISTS velodrome_after_drop;
CREATE EVENT TRIGGER velodrome_after_drop ON sql_drop EXECUTE FUNCTION velodrome.after_drop();

-- https://docs.aws.amazon.com/redshift/latest/dg/PG_GET_LATE_BINDING_VIEW_COLS.html
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_late_binding_view_cols()
RETURNS TABLE (view_schema name, view_name name, col_name name, col_type varchar, col_num int) LANGUAGE sql STABLE AS $$
    SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)::varchar, a.attnum::int
    FROM velodrome.late_binding_views l JOIN pg_catalog.pg_class c ON c.oid = l.relid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE l.code IS NULL ORDER BY 1, 2, 5
$$;

-- A view shows the text that it was made from where Redshift keeps that, and none of the names of this server.
CREATE OR REPLACE FUNCTION velodrome.view_text(view oid) RETURNS text LANGUAGE internal STABLE STRICT PARALLEL RESTRICTED AS 'pg_get_viewdef';
CREATE OR REPLACE FUNCTION velodrome.view_text(view oid, pretty boolean) RETURNS text LANGUAGE internal STABLE STRICT PARALLEL RESTRICTED AS 'pg_get_viewdef_ext';
CREATE OR REPLACE FUNCTION velodrome.view_definition(view oid, pretty boolean) RETURNS text LANGUAGE sql STABLE
RETURN coalesce(
    (SELECT l.source FROM velodrome.late_binding_views l WHERE l.relid = view),
    replace(CASE WHEN pretty IS NULL THEN velodrome.view_text(view) ELSE velodrome.view_text(view, pretty) END, 'velodrome.', '')
);
-- The server calls a function of its own by its number, whatever its text says: these are so plain that the planner puts
-- their text in the place of the call.
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_viewdef(oid) RETURNS text LANGUAGE sql STABLE RETURN velodrome.view_definition($1, NULL);
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_viewdef(oid, boolean) RETURNS text LANGUAGE sql STABLE RETURN velodrome.view_definition($1, $2);
