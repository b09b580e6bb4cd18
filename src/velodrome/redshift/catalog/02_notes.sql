-- What Redshift knows of a table beyond PostgreSQL: one row per table, one per informational constraint. The gateway
-- puts it as JSON into a comment behind the DDL statement; the event trigger reads it there, in the same transaction.
CREATE TABLE IF NOT EXISTS velodrome.table_notes (
    relid oid PRIMARY KEY,
    diststyle text,
    distkey text,
    sortkey_style text,
    sortkey_columns text[],
    encodings jsonb,
    backup boolean
);
CREATE TABLE IF NOT EXISTS velodrome.constraint_notes (
    relid oid NOT NULL,
    kind text NOT NULL,
    name text,
    columns text[] NOT NULL,
    referenced_table text[],
    referenced_columns text[]
);
CREATE INDEX IF NOT EXISTS constraint_notes_relid ON velodrome.constraint_notes (relid);
GRANT SELECT ON velodrome.table_notes, velodrome.constraint_notes TO PUBLIC;

CREATE OR REPLACE FUNCTION velodrome.strings(list jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT
RETURN ARRAY(SELECT jsonb_array_elements_text(list));

CREATE OR REPLACE FUNCTION velodrome.note_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    sent text := current_query();
    command record;
    found text;
    note jsonb;
BEGIN
    IF sent IS NULL OR strpos(sent, '/*velodrome:') = 0 THEN
        RETURN;
    END IF;
    FOR command IN
        SELECT c.objid, r.relname, n.nspname FROM pg_event_trigger_ddl_commands() c
        JOIN pg_class r ON r.oid = c.objid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE c.object_type = 'table'
    LOOP
        FOR found IN SELECT m[1] FROM regexp_matches(sent, '/\*velodrome:(.*?):velodrome\*/', 'g') m LOOP
            note := found::jsonb;
            CONTINUE WHEN note -> 'table' ->> -1 <> command.relname
                OR (jsonb_array_length(note -> 'table') > 1 AND note -> 'table' ->> -2 <> command.nspname);
            INSERT INTO velodrome.table_notes AS t VALUES (
                command.objid, note ->> 'diststyle', note ->> 'distkey', note -> 'sortkey' ->> 'style',
                velodrome.strings(note -> 'sortkey' -> 'columns'), note -> 'encode', note ->> 'backup' <> 'no'
            ) ON CONFLICT (relid) DO UPDATE SET
                diststyle = coalesce(excluded.diststyle, t.diststyle),
                distkey = CASE WHEN excluded.diststyle IS NULL THEN t.distkey ELSE excluded.distkey END,
                sortkey_style = coalesce(excluded.sortkey_style, t.sortkey_style),
                sortkey_columns = coalesce(excluded.sortkey_columns, t.sortkey_columns),
                encodings = coalesce(t.encodings, '[]') || coalesce(excluded.encodings, '[]');
            INSERT INTO velodrome.constraint_notes
                SELECT command.objid, c ->> 'kind', nullif(c ->> 'name', ''), velodrome.strings(c -> 'columns'),
                    velodrome.strings(c -> 'table'), velodrome.strings(c -> 'referenced')
                FROM jsonb_array_elements(note -> 'constraints') c;
        END LOOP;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION velodrome.forget_dropped() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM velodrome.table_notes WHERE relid IN (SELECT objid FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table');
    DELETE FROM velodrome.constraint_notes WHERE relid IN (SELECT objid FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table');
END $$;

DROP EVENT TRIGGER IF EXISTS velodrome_note_ddl;
CREATE EVENT TRIGGER velodrome_note_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'ALTER TABLE')
    EXECUTE FUNCTION velodrome.note_ddl();
DROP EVENT TRIGGER IF EXISTS velodrome_forget_dropped;
CREATE EVENT TRIGGER velodrome_forget_dropped ON sql_drop EXECUTE FUNCTION velodrome.forget_dropped();

-- What a COPY is about to write to: one row per column of its target, in the order in which the files give them.
CREATE OR REPLACE FUNCTION velodrome.copy_target(target text, listed text)
RETURNS TABLE (name text, type text, modifier int, identity text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    relation oid := to_regclass(target);
    wanted text[] := CASE WHEN listed = '' THEN NULL ELSE velodrome.strings(listed::jsonb) END;
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION 'Cannot COPY into nonexistent table %', replace(split_part(target, '.', -1), '"', '') USING ERRCODE = '42P01';
    END IF;
    RETURN QUERY
        SELECT a.attname::text, a.atttypid::regtype::text, a.atttypmod, a.attidentity::text FROM pg_attribute a
        WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND (wanted IS NULL OR a.attname = ANY (wanted))
        ORDER BY coalesce(array_position(wanted, a.attname::text), a.attnum);
END $$;
