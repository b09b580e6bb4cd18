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
-- Since when, and which columns it had when it was last looked at: by their number, NULL where one was dropped.
ALTER TABLE velodrome.table_notes ADD COLUMN IF NOT EXISTS created timestamp;
ALTER TABLE velodrome.table_notes ADD COLUMN IF NOT EXISTS column_names text[];
-- Whether its identity column was declared NOT NULL: for the server inside each one is, on Redshift only then.
ALTER TABLE velodrome.table_notes ADD COLUMN IF NOT EXISTS identity_not_null boolean NOT NULL DEFAULT false;
-- PostgreSQL knows nothing of these constraints: numbers of their own, far above those that it gives out.
CREATE SEQUENCE IF NOT EXISTS velodrome.constraint_numbers START 4000000000 MAXVALUE 4294967000;
ALTER TABLE velodrome.constraint_notes ADD COLUMN IF NOT EXISTS number bigint NOT NULL DEFAULT nextval('velodrome.constraint_numbers');
ALTER TABLE velodrome.constraint_notes ADD COLUMN IF NOT EXISTS referenced oid;
CREATE UNIQUE INDEX IF NOT EXISTS constraint_notes_number ON velodrome.constraint_notes (number);
CREATE INDEX IF NOT EXISTS constraint_notes_referenced ON velodrome.constraint_notes (referenced);
GRANT SELECT ON velodrome.table_notes, velodrome.constraint_notes TO PUBLIC;

CREATE OR REPLACE FUNCTION velodrome.strings(list jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT
RETURN ARRAY(SELECT jsonb_array_elements_text(list));

CREATE OR REPLACE FUNCTION velodrome.name_list(names text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN (SELECT string_agg(quote_ident(n), ', ') FROM unnest(names) n);

-- The columns of a table by number.
CREATE OR REPLACE FUNCTION velodrome.column_names(relation oid) RETURNS text[] LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT array_agg(CASE WHEN NOT a.attisdropped THEN a.attname::text END ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0
);

-- Whether Redshift holds a column for NOT NULL: an identity column is that only if declared so, or a primary key's.
CREATE OR REPLACE FUNCTION velodrome.is_not_null(column_ pg_catalog.pg_attribute) RETURNS boolean LANGUAGE sql STABLE
RETURN column_.attnotnull AND (
    column_.attidentity = ''
    OR EXISTS (SELECT FROM velodrome.table_notes t WHERE t.relid = column_.attrelid AND t.identity_not_null)
    OR EXISTS (
        SELECT FROM velodrome.constraint_notes k
        WHERE k.relid = column_.attrelid AND k.kind = 'primary key' AND column_.attname = ANY (k.columns)
    )
);

-- The number of each of these columns.
CREATE OR REPLACE FUNCTION velodrome.column_numbers(relation oid, names text[]) RETURNS smallint[] LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT array_agg(a.attnum ORDER BY w.place) FROM unnest(names) WITH ORDINALITY AS w (name, place)
    JOIN pg_attribute a ON a.attrelid = relation AND a.attname = w.name AND NOT a.attisdropped
);

-- A column that was renamed since keeps its keys and encoding; a constraint goes with a column of it.
CREATE OR REPLACE FUNCTION velodrome.follow_columns(relation oid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    earlier text[] := (SELECT column_names FROM velodrome.table_notes WHERE relid = relation);
    now_ text[] := velodrome.column_names(relation);
    key text;
BEGIN
    FOR i IN 1 .. coalesce(cardinality(earlier), 0) LOOP
        CONTINUE WHEN earlier[i] IS NULL OR now_[i] IS NOT DISTINCT FROM earlier[i];
        IF now_[i] IS NULL THEN
            -- https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html
            SELECT CASE WHEN distkey = earlier[i] THEN 'distkey' WHEN earlier[i] = ANY (sortkey_columns) THEN 'sortkey' END
                INTO key FROM velodrome.table_notes WHERE relid = relation;
            IF key IS NOT NULL THEN
                RAISE EXCEPTION 'cannot drop % column "%"', key, earlier[i] USING ERRCODE = '0A000';
            END IF;
            DELETE FROM velodrome.constraint_notes WHERE relid = relation AND earlier[i] = ANY (columns);
            DELETE FROM velodrome.constraint_notes WHERE referenced = relation AND earlier[i] = ANY (referenced_columns);
        ELSE
            UPDATE velodrome.constraint_notes SET columns = array_replace(columns, earlier[i], now_[i])
                WHERE relid = relation AND earlier[i] = ANY (columns);
            UPDATE velodrome.constraint_notes SET referenced_columns = array_replace(referenced_columns, earlier[i], now_[i])
                WHERE referenced = relation AND earlier[i] = ANY (referenced_columns);
        END IF;
        UPDATE velodrome.table_notes SET
            distkey = CASE WHEN distkey = earlier[i] THEN now_[i] ELSE distkey END,
            sortkey_columns = array_remove(array_replace(sortkey_columns, earlier[i], now_[i]), NULL),
            encodings = (
                SELECT jsonb_agg(CASE WHEN e ->> 0 = earlier[i] THEN jsonb_build_array(now_[i], e ->> 1) ELSE e END)
                FROM jsonb_array_elements(encodings) e
            )
        WHERE relid = relation;
    END LOOP;
    UPDATE velodrome.table_notes SET column_names = now_ WHERE relid = relation AND column_names IS DISTINCT FROM now_;
END $$;

-- Types that an encoding is for: https://docs.aws.amazon.com/redshift/latest/dg/c_Compression_encodings.html
CREATE OR REPLACE FUNCTION velodrome.encoding_fits(encoding text, type oid) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN type = ANY (CASE encoding
    WHEN 'az64' THEN '{int2,int4,int8,numeric,date,timestamp,timestamptz,time,timetz}'::regtype[]
    WHEN 'bytedict' THEN '{int2,int4,int8,numeric,float4,float8,bpchar,varchar,text,date,timestamp,timestamptz,time,timetz}'::regtype[]
    WHEN 'delta' THEN '{int2,int4,int8,numeric,date,timestamp}'::regtype[]
    WHEN 'delta32k' THEN '{int4,int8,numeric,date,timestamp}'::regtype[]
    WHEN 'lzo' THEN '{int2,int4,int8,numeric,bpchar,varchar,text,date,timestamp,timestamptz,time,timetz}'::regtype[]
    WHEN 'mostly8' THEN '{int2,int4,int8,numeric}'::regtype[]
    WHEN 'mostly16' THEN '{int4,int8,numeric}'::regtype[]
    WHEN 'mostly32' THEN '{int8,numeric}'::regtype[]
    WHEN 'text255' THEN '{varchar,text}'::regtype[]
    WHEN 'text32k' THEN '{varchar,text}'::regtype[]
    ELSE ARRAY[type]
END);

-- Refuses a layout that names what the table has not.
CREATE OR REPLACE FUNCTION velodrome.check_layout(relation oid) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    notes velodrome.table_notes := (SELECT n FROM velodrome.table_notes n WHERE relid = relation);
    wrong text := (
        SELECT k FROM unnest(notes.sortkey_columns || notes.distkey) k
        WHERE k IS NOT NULL AND k <> ALL (array_remove(notes.column_names, NULL)) LIMIT 1
    );
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'column "%" named in % does not exist', wrong,
            CASE wrong WHEN notes.distkey THEN 'DISTKEY' ELSE 'SORTKEY' END USING ERRCODE = '42703';
    END IF;
    SELECT e ->> 0 INTO wrong FROM jsonb_array_elements(notes.encodings) e
        JOIN pg_attribute a ON a.attrelid = relation AND a.attname = e ->> 0 AND NOT velodrome.encoding_fits(e ->> 1, a.atttypid) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'invalid encoding type specified for column "%"', wrong USING ERRCODE = '0A000';
    END IF;
END $$;

-- A constraint's name if it was given none: t_pkey, t_column_key, t_column_fkey, with a number where that is taken.
CREATE OR REPLACE FUNCTION velodrome.constraint_name(relation oid, kind text, columns text[]) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stem text := (SELECT relname FROM pg_class WHERE oid = relation) || CASE WHEN kind = 'primary key' THEN '' ELSE '_' || columns[1] END
        || CASE kind WHEN 'primary key' THEN '_pkey' WHEN 'unique' THEN '_key' ELSE '_fkey' END;
    found text := stem;
    next int := 0;
BEGIN
    WHILE EXISTS (SELECT FROM velodrome.constraint_notes c WHERE c.relid = relation AND c.name = found) LOOP
        next := next + 1;
        found := stem || next;
    END LOOP;
    RETURN found;
END $$;

CREATE OR REPLACE FUNCTION velodrome.note_constraint(relation oid, c jsonb, schemas name[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys text[] := velodrome.strings(c -> 'columns');
    target text[] := velodrome.strings(c -> 'table');
    other oid;
    other_keys text[] := velodrome.strings(c -> 'referenced');
BEGIN
    IF cardinality(velodrome.column_numbers(relation, keys)) IS DISTINCT FROM cardinality(keys) THEN
        RAISE EXCEPTION 'column "%" named in key does not exist',
            (SELECT k FROM unnest(keys) k WHERE velodrome.column_numbers(relation, ARRAY[k]) IS NULL LIMIT 1) USING ERRCODE = '42703';
    END IF;
    IF c ->> 'kind' = 'primary key' AND EXISTS (
        SELECT FROM velodrome.constraint_notes n WHERE n.relid = relation AND n.kind = 'primary key'
    ) THEN
        RAISE EXCEPTION 'multiple primary keys for table "%" are not allowed', (SELECT relname FROM pg_class WHERE oid = relation)
            USING ERRCODE = '42P16';
    END IF;
    IF target IS NOT NULL THEN
        other := velodrome.table_of_client(target, schemas);
        IF other IS NULL THEN
            RAISE EXCEPTION 'relation "%" does not exist', array_to_string(target, '.') USING ERRCODE = '42P01';
        END IF;
        IF coalesce(cardinality(other_keys), 0) = 0 THEN
            other_keys := (SELECT n.columns FROM velodrome.constraint_notes n WHERE n.relid = other AND n.kind = 'primary key');
            IF other_keys IS NULL THEN
                RAISE EXCEPTION 'there is no primary key for referenced table "%"', target[cardinality(target)] USING ERRCODE = '42704';
            END IF;
        ELSIF NOT EXISTS (
            SELECT FROM velodrome.constraint_notes n WHERE n.relid = other AND n.kind IN ('primary key', 'unique')
            AND n.columns @> other_keys AND n.columns <@ other_keys
        ) THEN
            RAISE EXCEPTION 'there is no unique constraint matching given keys for referenced table "%"', target[cardinality(target)]
                USING ERRCODE = '42830';
        END IF;
    END IF;
    INSERT INTO velodrome.constraint_notes (relid, kind, name, columns, referenced_table, referenced_columns, referenced) VALUES (
        relation, c ->> 'kind', coalesce(nullif(c ->> 'name', ''), velodrome.constraint_name(relation, c ->> 'kind', keys)),
        keys, target, other_keys, other
    );
END $$;

-- A table by the name that a client gave it, who looks it up in these schemas.
CREATE OR REPLACE FUNCTION velodrome.table_of_client(parts text[], schemas name[]) RETURNS oid LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = parts[cardinality(parts)]
    AND (n.nspname = parts[cardinality(parts) - 1] OR cardinality(parts) = 1 AND n.nspname = ANY (schemas))
    ORDER BY array_position(schemas, n.nspname) LIMIT 1
);

-- Runs with the rights and the search path of the client, which the other one is told.
CREATE OR REPLACE FUNCTION velodrome.note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM velodrome.note_tables(pg_catalog.current_schemas(true));
END $$;

-- Fails where no event trigger runs, so that nobody can call it.
CREATE OR REPLACE FUNCTION velodrome.note_tables(schemas name[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    sent text := coalesce(current_query(), '');
    command record;
    text_ text;
    note jsonb;
BEGIN
    FOR command IN
        SELECT DISTINCT c.objid, c.command_tag, r.relname, n.nspname FROM pg_event_trigger_ddl_commands() c
        JOIN pg_class r ON r.oid = c.objid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE c.object_type IN ('table', 'table column', 'materialized view') AND r.relkind IN ('r', 'm') AND r.relpersistence <> 't' AND n.nspname <> 'velodrome'
    LOOP
        INSERT INTO velodrome.table_notes (relid, created, column_names) VALUES (
            command.objid, CASE WHEN command.command_tag <> 'ALTER TABLE' THEN statement_timestamp()::timestamp END,
            velodrome.column_names(command.objid)
        ) ON CONFLICT DO NOTHING;
        PERFORM velodrome.follow_columns(command.objid);
        FOR text_ IN SELECT m[1] FROM regexp_matches(sent, '/\*velodrome:(.*?):velodrome\*/', 'g') m LOOP
            note := text_::jsonb;
            CONTINUE WHEN note -> 'table' ->> -1 <> command.relname
                OR (jsonb_array_length(note -> 'table') > 1 AND note -> 'table' ->> -2 <> command.nspname);
            UPDATE velodrome.table_notes t SET
                diststyle = coalesce(note ->> 'diststyle', t.diststyle),
                distkey = CASE WHEN note ->> 'diststyle' IS NULL THEN t.distkey ELSE note ->> 'distkey' END,
                sortkey_style = coalesce(note -> 'sortkey' ->> 'style', t.sortkey_style),
                sortkey_columns = coalesce(velodrome.strings(note -> 'sortkey' -> 'columns'), t.sortkey_columns),
                encodings = coalesce(t.encodings, '[]') || coalesce(note -> 'encode', '[]'),
                backup = coalesce(note ->> 'backup' <> 'no', t.backup),
                identity_not_null = t.identity_not_null OR note ? 'identity_not_null'
            WHERE t.relid = command.objid;
            PERFORM velodrome.check_layout(command.objid);
            PERFORM velodrome.note_constraint(command.objid, c, schemas) FROM jsonb_array_elements(note -> 'constraints') c
                ORDER BY c ->> 'kind' = 'foreign key';
            IF note ? 'drop_constraint' THEN
                DELETE FROM velodrome.constraint_notes WHERE relid = command.objid AND name = note ->> 'drop_constraint';
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'constraint "%" does not exist', note ->> 'drop_constraint' USING ERRCODE = '42704';
                END IF;
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION velodrome.forget_dropped() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    blocking record;
    gone oid[] := ARRAY(SELECT objid FROM pg_event_trigger_dropped_objects() WHERE object_type IN ('table', 'materialized view') AND objsubid = 0);
BEGIN
    IF cardinality(gone) > 0 THEN
        -- https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_TABLE.html
        SELECT k.name, k.relid::regclass::text AS holder, (
                SELECT d.object_name FROM pg_event_trigger_dropped_objects() d WHERE d.objid = k.referenced AND d.object_type = 'table'
            ) AS target INTO blocking
            FROM velodrome.constraint_notes k
            WHERE k.referenced = ANY (gone) AND k.relid <> ALL (gone) AND coalesce(current_query(), '') !~* '\mcascade\M' LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'cannot drop table % because other objects depend on it', blocking.target USING ERRCODE = '2BP01',
                DETAIL = format('constraint %s on table %s depends on table %s', blocking.name, blocking.holder, blocking.target),
                HINT = 'Use DROP ... CASCADE to drop the dependent objects too.';
        END IF;
        DELETE FROM velodrome.table_notes WHERE relid = ANY (gone);
        DELETE FROM velodrome.constraint_notes WHERE relid = ANY (gone) OR referenced = ANY (gone);
    END IF;
END $$;

DROP EVENT TRIGGER IF EXISTS velodrome_note_ddl;
CREATE EVENT TRIGGER velodrome_note_ddl ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE MATERIALIZED VIEW', 'CREATE SCHEMA')
    EXECUTE FUNCTION velodrome.note_ddl();
DROP EVENT TRIGGER IF EXISTS velodrome_forget_dropped;
CREATE EVENT TRIGGER velodrome_forget_dropped ON sql_drop EXECUTE FUNCTION velodrome.forget_dropped();

-- What earlier versions did not note.
UPDATE velodrome.constraint_notes SET name = velodrome.constraint_name(relid, kind, columns) WHERE name IS NULL;
UPDATE velodrome.constraint_notes SET referenced = velodrome.table_of_client(referenced_table, ARRAY['public'::name])
    WHERE referenced_table IS NOT NULL AND referenced IS NULL;
UPDATE velodrome.table_notes SET column_names = velodrome.column_names(relid) WHERE column_names IS NULL;
INSERT INTO velodrome.table_notes (relid, column_names)
    SELECT c.oid, velodrome.column_names(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname <> 'velodrome'
    ON CONFLICT DO NOTHING;

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
