-- What Redshift knows of a procedure or function beyond PostgreSQL: the text of its body as the client wrote it, and the
-- numbers behind each argument's type, DECIMAL(10, 5). The gateway puts both into a comment behind the statement
-- (sql/routine.py); the event trigger reads them there.
CREATE TABLE IF NOT EXISTS velodrome.routine_notes (routine oid PRIMARY KEY, body text NOT NULL);
ALTER TABLE velodrome.routine_notes ADD COLUMN IF NOT EXISTS sizes jsonb;
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
            SELECT routine.oid, n ->> 'text', n -> 'sizes' FROM unnest(notes) n WHERE n -> 'name' ->> -1 = routine.proname LIMIT 1
            ON CONFLICT ON CONSTRAINT routine_notes_pkey DO UPDATE SET body = excluded.body, sizes = excluded.sizes;
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

-- Procedures that were made before OUT arguments had a mark (06_types.sql) are made again with it.
CREATE OR REPLACE PROCEDURE velodrome.mark_procedures() LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on SET check_function_bodies = off AS $$
DECLARE
    old record;
    given text;
    marked text;
    definition text;
    made regprocedure;
    held record;
BEGIN
    FOR old IN
        SELECT p.*, obj_description(p.oid, 'pg_proc') AS remarks FROM pg_proc p
        WHERE prokind = 'p' AND pronargdefaults > 0 AND pronamespace <> 'velodrome'::regnamespace AND velodrome.mark_place(proargtypes) IS NULL
    LOOP
        SELECT concat_ws(', ', string_agg(a.text, ', ' ORDER BY a.place) FILTER (WHERE NOT a.is_out), 'velodrome_out anyenum DEFAULT NULL::velodrome.out_mark',
                string_agg(a.text || ' DEFAULT NULL', ', ' ORDER BY a.place) FILTER (WHERE a.is_out))
            INTO marked FROM (
                SELECT u.place, u.place > old.pronargs - old.pronargdefaults AS is_out,
                    concat_ws(' ', CASE u.mode WHEN 'b' THEN 'INOUT' ELSE 'IN' END, quote_ident(nullif(u.name, '')), format_type(u.type, NULL)) AS text
                FROM unnest(old.proallargtypes, old.proargmodes, old.proargnames) WITH ORDINALITY u (type, mode, name, place)
            ) a;
        given := pg_get_function_arguments(old.oid);
        definition := pg_get_functiondef(old.oid);
        EXECUTE overlay(definition PLACING marked FROM position('(' || given || ')' IN definition) + 1 FOR length(given));
        SELECT p.oid INTO made FROM pg_proc p WHERE p.proname = old.proname AND p.pronamespace = old.pronamespace AND p.oid <> old.oid
            AND velodrome.unmarked((p.proargtypes::oid[])[0:], p.proargtypes) = (old.proargtypes::oid[])[0:];
        EXECUTE format('ALTER PROCEDURE %s OWNER TO %I', made, pg_get_userbyid(old.proowner));
        EXECUTE format('REVOKE ALL ON PROCEDURE %s FROM PUBLIC', made);
        FOR held IN SELECT * FROM aclexplode(coalesce(old.proacl, acldefault('f', old.proowner))) a WHERE a.grantee <> old.proowner LOOP
            EXECUTE format('GRANT EXECUTE ON PROCEDURE %s TO %s%s', made, CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END,
                CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' END);
        END LOOP;
        EXECUTE format('COMMENT ON PROCEDURE %s IS %L', made, old.remarks);
        INSERT INTO velodrome.routine_notes SELECT made, n.body, n.sizes FROM velodrome.routine_notes n WHERE n.routine = old.oid
            ON CONFLICT ON CONSTRAINT routine_notes_pkey DO UPDATE SET body = excluded.body, sizes = excluded.sizes;
        EXECUTE format('DROP PROCEDURE %s', old.oid::regprocedure);
    END LOOP;
END $$;

DROP EVENT TRIGGER IF EXISTS velodrome_note_routine;
CREATE EVENT TRIGGER velodrome_note_routine ON ddl_command_end WHEN TAG IN ('CREATE PROCEDURE', 'CREATE FUNCTION') EXECUTE FUNCTION velodrome.note_routine();
DROP EVENT TRIGGER IF EXISTS velodrome_forget_routine;
CREATE EVENT TRIGGER velodrome_forget_routine ON sql_drop EXECUTE FUNCTION velodrome.forget_routine();
CALL velodrome.mark_procedures();

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
            AND (velodrome.signature(p.prokind, p.proargtypes, p.pronargdefaults)::oid[])[0:] = wanted
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
