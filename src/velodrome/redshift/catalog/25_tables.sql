-- CREATE TABLE … (LIKE …): "Distribution style, sort keys, BACKUP, and NULL properties are inherited by LIKE tables",
-- primary and foreign keys are not: https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html
CREATE OR REPLACE FUNCTION velodrome.inherit_layout(made oid, parent oid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO velodrome.table_notes AS t (relid, diststyle, distkey, sortkey_style, sortkey_columns, encodings, backup)
    SELECT made, p.diststyle, p.distkey, p.sortkey_style, p.sortkey_columns, p.encodings, p.backup
    FROM velodrome.table_notes p WHERE p.relid = parent
    AND EXISTS (SELECT FROM pg_class c WHERE c.oid = made AND pg_has_role(session_user, c.relowner, 'USAGE'))
    ON CONFLICT (relid) DO UPDATE SET
        diststyle = coalesce(t.diststyle, excluded.diststyle),
        distkey = CASE WHEN t.diststyle IS NULL THEN excluded.distkey ELSE t.distkey END,
        sortkey_style = coalesce(t.sortkey_style, excluded.sortkey_style),
        sortkey_columns = coalesce(t.sortkey_columns, excluded.sortkey_columns),
        encodings = coalesce(excluded.encodings, '[]') || coalesce(t.encodings, '[]'),
        backup = coalesce(t.backup, excluded.backup)
$$;

-- Columns of a new table have NOT NULL from the server's own of an IDENTITY column, which may be NULL on Redshift.
CREATE OR REPLACE FUNCTION velodrome.make_nullable(made oid, parent oid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET velodrome.inheriting = 'on' AS $$
DECLARE
    found name;
BEGIN
    FOR found IN
        SELECT m.attname FROM pg_attribute m JOIN pg_attribute p ON p.attrelid = parent AND p.attname = m.attname
        WHERE m.attrelid = made AND m.attnum > 0 AND m.attnotnull AND m.attidentity = '' AND p.attnotnull AND NOT velodrome.is_not_null(p)
        AND NOT EXISTS (SELECT FROM velodrome.constraint_notes k WHERE k.relid = made AND k.kind = 'primary key' AND m.attname = ANY (k.columns))
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', velodrome.relation_name(made), found);
    END LOOP;
END $$;

-- The columns of a table that ALTER TABLE APPEND compares; `own` are those that it cannot fill from another table.
CREATE OR REPLACE FUNCTION velodrome.appended_columns(relation oid) RETURNS TABLE (name name, attributes text, own boolean) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN velodrome.is_not_null(a) THEN 'NOT NULL' END,
        'ENCODE ' || velodrome.shown_encoding(relation, a.attname::text, a.atttypid)), a.attidentity = 'a'
    FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE_APPEND.html; its errors are described there, not worded.
CREATE OR REPLACE FUNCTION velodrome.append_table(target oid, source oid, mode text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    said text := format('ALTER TABLE APPEND from "%s" to "%s"', (SELECT relname FROM pg_class WHERE oid = source), (SELECT relname FROM pg_class WHERE oid = target));
    wrong text;
    columns text;
BEGIN
    IF target = source THEN
        RAISE EXCEPTION '%: the tables must be different', said USING ERRCODE = '42809';
    END IF;
    IF EXISTS (SELECT FROM pg_class WHERE oid IN (target, source) AND (relkind <> 'r' OR relpersistence <> 'p')) THEN
        RAISE EXCEPTION '%: both must be permanent tables', said USING ERRCODE = '42809';
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', velodrome.relation_name(source));
    SELECT CASE WHEN (coalesce(t.diststyle, 'auto'), t.distkey) IS DISTINCT FROM (coalesce(s.diststyle, 'auto'), s.distkey) THEN 'distribution styles or keys'
        WHEN (nullif(t.sortkey_style, 'none'), nullif(t.sortkey_columns, '{}')) IS DISTINCT FROM (nullif(s.sortkey_style, 'none'), nullif(s.sortkey_columns, '{}')) THEN 'sort keys' END
        INTO wrong FROM (SELECT 1) one
        LEFT JOIN velodrome.table_notes t ON t.relid = target LEFT JOIN velodrome.table_notes s ON s.relid = source;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%: the tables have different %', said, wrong USING ERRCODE = '42809';
    END IF;
    SELECT string_agg(quote_ident(s.name), ', ') INTO wrong FROM velodrome.appended_columns(source) s JOIN velodrome.appended_columns(target) t USING (name)
        WHERE t.attributes <> s.attributes OR (t.own AND s.own);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%: column % has different attributes in the two tables, or is an identity column of both', said, wrong USING ERRCODE = '42804';
    END IF;
    SELECT string_agg(quote_ident(s.name), ', ') INTO wrong FROM velodrome.appended_columns(source) s
        WHERE s.own OR NOT EXISTS (SELECT FROM velodrome.appended_columns(target) t WHERE t.name = s.name);
    IF wrong IS NOT NULL AND mode <> 'IGNOREEXTRA' THEN
        RAISE EXCEPTION '%: the target has no column for % of the source', said, wrong USING ERRCODE = '42703', HINT = 'Use IGNOREEXTRA to discard what is in it.';
    END IF;
    SELECT string_agg(quote_ident(t.name), ', ') INTO wrong FROM velodrome.appended_columns(target) t
        WHERE t.own OR NOT EXISTS (SELECT FROM velodrome.appended_columns(source) s WHERE s.name = t.name);
    IF wrong IS NOT NULL AND mode <> 'FILLTARGET' THEN
        RAISE EXCEPTION '%: the source has no column for % of the target', said, wrong USING ERRCODE = '42703', HINT = 'Use FILLTARGET to fill it with its default.';
    END IF;
    columns := (SELECT string_agg(quote_ident(t.name), ', ') FROM velodrome.appended_columns(target) t JOIN velodrome.appended_columns(source) s USING (name)
        WHERE NOT t.own AND NOT s.own);
    EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM %s', velodrome.relation_name(target), columns, velodrome.relation_name(source));
    EXECUTE format('TRUNCATE %s', velodrome.relation_name(source));
END $$;

CREATE OR REPLACE FUNCTION velodrome.then_table() RETURNS event_trigger LANGUAGE plpgsql SET standard_conforming_strings = on AS $$
DECLARE
    sent text := coalesce(current_query(), '');
    command record;
    note jsonb;
    parent oid;
BEGIN
    IF current_setting('velodrome.inheriting', true) = 'on' OR strpos(sent, '"like": ') = 0 AND strpos(sent, '"append": ') = 0 THEN
        RETURN;
    END IF;
    FOR command IN
        SELECT c.objid, r.relname, r.relpersistence, (SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid = r.relnamespace) AS nspname
        FROM pg_event_trigger_ddl_commands() c JOIN pg_class r ON r.oid = c.objid WHERE c.object_type = 'table'
    LOOP
        FOR note IN
            SELECT m[1]::jsonb FROM regexp_matches(sent, '/\*velodrome:(.*?):velodrome\*/', 'g') m
            WHERE m[1]::jsonb -> 'table' ->> -1 = command.relname AND coalesce(m[1]::jsonb -> 'table' ->> -2, command.nspname) = command.nspname
        LOOP
            CONTINUE WHEN NOT note ? 'like';
            parent := to_regclass(note ->> 'like');
            PERFORM velodrome.inherit_layout(command.objid, parent) WHERE command.relpersistence <> 't';
            PERFORM velodrome.make_nullable(command.objid, parent);
        END LOOP;
        FOR note IN
            SELECT n FROM velodrome.view_notes() n
            WHERE n ? 'append' AND n ->> 'relation' = command.relname AND coalesce(nullif(n ->> 'schema', ''), command.nspname) = command.nspname
        LOOP
            IF to_regclass(note ->> 'append') IS NULL THEN
                RAISE EXCEPTION 'relation "%" does not exist', replace(note ->> 'append', '"', '') USING ERRCODE = '42P01';
            END IF;
            PERFORM velodrome.append_table(command.objid, to_regclass(note ->> 'append'), note ->> 'mode');
        END LOOP;
    END LOOP;
END $$;
-- Named to come after the one that notes the layout of a table.
DROP EVENT TRIGGER IF EXISTS velodrome_then_table;
CREATE EVENT TRIGGER velodrome_then_table ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION velodrome.then_table();
