-- What Redshift knows of a procedure or function beyond PostgreSQL: the text of its body as the client wrote it. The
-- gateway puts it into a comment behind the statement (sql/routine.py); the event trigger reads it there.
CREATE TABLE IF NOT EXISTS velodrome.routine_notes (routine oid PRIMARY KEY, body text NOT NULL);
GRANT SELECT ON velodrome.routine_notes TO PUBLIC;

CREATE OR REPLACE FUNCTION velodrome.note_routine() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    notes jsonb[] := ARRAY(SELECT m[1]::jsonb FROM regexp_matches(current_query(), '/\*velodrome-routine:(.*?):velodrome\*/', 'g') m);
    routine record;
BEGIN
    FOR routine IN
        SELECT p.oid, p.proname, p.prokind, p.proacl FROM pg_event_trigger_ddl_commands() c JOIN pg_proc p ON p.oid = c.objid
        WHERE c.classid = 'pg_proc'::regclass AND p.pronamespace <> 'velodrome'::regnamespace
    LOOP
        INSERT INTO velodrome.routine_notes
            SELECT routine.oid, n ->> 'text' FROM unnest(notes) n WHERE n -> 'name' ->> -1 = routine.proname LIMIT 1
            ON CONFLICT ON CONSTRAINT routine_notes_pkey DO UPDATE SET body = excluded.body;
        -- A new procedure is its owner's alone, unlike a function: stored-procedure-security-and-privileges.html
        IF routine.prokind = 'p' AND routine.proacl IS NULL THEN
            EXECUTE format('REVOKE EXECUTE ON PROCEDURE %s FROM PUBLIC', routine.oid::regprocedure);
        END IF;
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION velodrome.forget_routine() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM velodrome.routine_notes n USING pg_event_trigger_dropped_objects() d WHERE d.classid = 'pg_proc'::regclass AND d.objid = n.routine;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_note_routine;
CREATE EVENT TRIGGER velodrome_note_routine ON ddl_command_end WHEN TAG IN ('CREATE PROCEDURE', 'CREATE FUNCTION') EXECUTE FUNCTION velodrome.note_routine();
DROP EVENT TRIGGER IF EXISTS velodrome_forget_routine;
CREATE EVENT TRIGGER velodrome_forget_routine ON sql_drop EXECUTE FUNCTION velodrome.forget_routine();

-- The type that a client wrote, perhaps with the argument's name in front; NULL if there is none.
CREATE OR REPLACE FUNCTION velodrome.argument_type(written text) RETURNS oid LANGUAGE plpgsql STABLE
SET standard_conforming_strings = on AS $$
DECLARE
    bare text := regexp_replace(written, '\(\s*max\s*\)', '', 'i');
BEGIN
    RETURN to_regtype(bare)::oid;
EXCEPTION WHEN syntax_error THEN
    RETURN to_regtype(regexp_replace(bare, '^\S+\s+', ''))::oid;
END $$;

-- OUT parameters are no part of a procedure's signature (inside they are the ones with a default); NULL if there is none.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_PROCEDURE.html
CREATE OR REPLACE FUNCTION velodrome.find_procedure(name text[], arguments text[]) RETURNS regprocedure LANGUAGE plpgsql STABLE AS $$
DECLARE
    wanted oid[] := ARRAY(SELECT velodrome.argument_type(a) FROM unnest(arguments) a);
BEGIN
    RETURN (
        SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prokind = 'p' AND p.proname = name[array_length(name, 1)]
            AND CASE array_length(name, 1) WHEN 1 THEN n.nspname = ANY (current_schemas(false)) ELSE n.nspname = name[array_length(name, 1) - 1] END
            AND (p.proargtypes::oid[])[0:p.pronargs - p.pronargdefaults - 1] = wanted
        ORDER BY array_position(current_schemas(false), n.nspname) LIMIT 1
    );
END $$;

-- A statement about a procedure, with its whole signature in; done with the caller's rights.
CREATE OR REPLACE PROCEDURE velodrome.on_procedure(before text, name text[], arguments text[], behind text, if_exists boolean)
LANGUAGE plpgsql AS $$
DECLARE
    found regprocedure := velodrome.find_procedure(name, arguments);
    shown text := format('%s(%s)', array_to_string(name, '.'), array_to_string(arguments, ', '));
BEGIN
    IF found IS NOT NULL THEN
        EXECUTE format('%s %s %s', before, found, behind);
    ELSIF if_exists THEN
        RAISE NOTICE 'procedure % does not exist, skipping', shown;
    ELSE
        RAISE EXCEPTION 'procedure % does not exist', shown USING ERRCODE = '42883';
    END IF;
END $$;
DROP PROCEDURE IF EXISTS velodrome.drop_procedure(text[], text[], boolean);

-- In SQL that a procedure puts together nothing becomes COALESCE: https://docs.aws.amazon.com/redshift/latest/dg/r_NVL_function.html
CREATE OR REPLACE FUNCTION pg_catalog.nvl(anycompatible, anycompatible) RETURNS anycompatible LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, $2)';
CREATE OR REPLACE FUNCTION pg_catalog.nvl(anycompatible, anycompatible, anycompatible) RETURNS anycompatible LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, $2, $3)';
