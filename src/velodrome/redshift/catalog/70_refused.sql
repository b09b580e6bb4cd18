-- Functions that wait, lock, store large objects, read files or other sessions' texts, which Redshift has not: no client calls them, not even
-- by the text of a procedure's EXECUTE, which only the server inside sees.
-- https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-functions.html
DO $$
DECLARE
    refused regprocedure;
BEGIN
    FOR refused IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
          AND proname ~ ('^(pg_sleep(_for|_until)?|pg_(try_)?advisory_.*|pg_notify|pg_export_snapshot|loread|lowrite'
              || '|lo_(creat|create|open|close|lseek|lseek64|tell|tell64|truncate|truncate64|unlink|import|export|get|put'
              || '|from_bytea)|pg_stat_get_activity|pg_stat_get_backend_activity|pg_read_(binary_)?file|pg_ls_.*|pg_stat_file)$')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', refused);
    END LOOP;
END
$$;

-- What Redshift has no statements for is not made by the text of an EXECUTE either, which is put together while a
-- procedure runs: https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html
CREATE OR REPLACE FUNCTION velodrome.refuse_ddl() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'SQL command "%" not supported on Redshift tables.', TG_TAG USING ERRCODE = '0A000';
    END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_refuse_ddl;
CREATE EVENT TRIGGER velodrome_refuse_ddl ON ddl_command_start WHEN TAG IN (
    'CREATE INDEX', 'ALTER INDEX', 'DROP INDEX', 'REINDEX', 'CREATE TYPE', 'ALTER TYPE', 'DROP TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'DROP DOMAIN',
    'CREATE TRIGGER', 'ALTER TRIGGER', 'DROP TRIGGER', 'CREATE SEQUENCE', 'ALTER SEQUENCE', 'DROP SEQUENCE', 'CREATE RULE', 'ALTER RULE', 'DROP RULE',
    'CREATE AGGREGATE', 'ALTER AGGREGATE', 'DROP AGGREGATE', 'CREATE OPERATOR', 'ALTER OPERATOR', 'DROP OPERATOR', 'CREATE OPERATOR CLASS',
    'CREATE OPERATOR FAMILY', 'CREATE CAST', 'DROP CAST', 'CREATE CONVERSION', 'CREATE COLLATION', 'CREATE STATISTICS', 'CREATE PUBLICATION',
    'CREATE TEXT SEARCH CONFIGURATION', 'CREATE TEXT SEARCH DICTIONARY', 'CREATE EXTENSION', 'DROP EXTENSION', 'SECURITY LABEL'
) EXECUTE FUNCTION velodrome.refuse_ddl();

-- A text in pieces, as the server's own lexer takes it apart: what quotes something or is a comment is one, and so is a word.
-- A dollar in a word quotes nothing, and beyond ASCII all are letters.
CREATE OR REPLACE FUNCTION velodrome.lexed(sent text) RETURNS SETOF text LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    rest text := sent;
    piece text;
    behind text;
BEGIN
    WHILE rest <> '' LOOP
        piece := substring(rest from '^\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$');
        IF piece IS NOT NULL THEN  -- a body, up to where its tag stands again
            behind := substr(rest, length(piece) + 1);
            piece := piece || left(behind, CASE strpos(behind, piece) WHEN 0 THEN length(behind) ELSE strpos(behind, piece) + length(piece) - 1 END);
        ELSE
            piece := substring(rest from '^(?:[eE]?''(?:[^''\\]|\\.)*''|"(?:[^"]|"")*"|--[^\n\r]*|/\*(?:[^*]|\*+[^*/])*\*+/'
                || '|[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*|[^"''$/A-Za-z_\u0080-\U0010ffff-]+|.)');
        END IF;
        RETURN NEXT piece;
        rest := substr(rest, length(piece) + 1);
    END LOOP;
END $$;

-- A text without what it quotes and without comments. Piece by piece takes long, and only dollars need it.
CREATE OR REPLACE FUNCTION velodrome.unquoted(sent text) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT CASE WHEN strpos(sent, '$') = 0
        THEN regexp_replace(sent, '(?:e?''(?:[^''\\]|\\.)*'')|"[^"]*"|--[^\n\r]*|/\*(?:[^*]|\*+[^*/])*\*+/', ' ', 'gi')
        ELSE (SELECT string_agg(CASE WHEN piece ~ '^(?:[eE]?''.|".|--|/\*.|\$.*\$)' THEN ' ' ELSE piece END, '' ORDER BY n)
            FROM velodrome.lexed(sent) WITH ORDINALITY p(piece, n))
    END
$$;

-- And without what stands in parentheses, which are nested.
CREATE OR REPLACE FUNCTION velodrome.outside_parentheses(plain text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rest text := plain;
    inner_ones CONSTANT text := '\([^()]*\)';
BEGIN
    WHILE rest ~ inner_ones LOOP
        rest := regexp_replace(rest, inner_ones, ' ', 'g');
    END LOOP;
    RETURN rest;
END $$;

-- What such a text has made is looked at as well, since its words can be put in many ways: a function is one SELECT of an
-- expression, whose name no built-in one has (Redshift would call that), a table has columns and keys that bind nobody.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_FUNCTION.html, …/udf-naming-udfs.html
CREATE OR REPLACE FUNCTION velodrome.refused_routine(routine oid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT CASE
        WHEN l.lanname <> CASE p.prokind WHEN 'p' THEN 'plpgsql' ELSE 'sql' END THEN format('language "%s" is not supported', l.lanname)
        WHEN p.prokind = 'p' THEN NULL
        -- A policy of row-level security, in a schema where only those make functions who may make policies.
        WHEN p.pronamespace = 'pg_velodrome_rls'::regnamespace AND p.prosqlbody IS NOT NULL
            AND EXISTS (SELECT FROM velodrome.rls_policies r WHERE r.name = p.proname) THEN NULL
        WHEN p.prosecdef THEN 'SECURITY DEFINER is not supported for functions'
        WHEN p.prosqlbody IS NOT NULL OR velodrome.unquoted(p.prosrc) !~* '^\s*select\M' OR velodrome.unquoted(p.prosrc) ~ ';\s*\S'
            OR velodrome.outside_parentheses(velodrome.unquoted(p.prosrc)) ~* '\m(from|into|where|group|having|order|limit|union|intersect|except)\M' THEN 'The body of a SQL function must be one SELECT of an expression'
        WHEN EXISTS (SELECT FROM pg_proc b WHERE b.pronamespace = 'pg_catalog'::regnamespace AND b.proname = p.proname)
            THEN format('function name "%s" is the name of a built-in function', p.proname)
    END FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid = routine
$$;
CREATE OR REPLACE FUNCTION velodrome.refused_relation(relation oid) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT CASE
        WHEN r.relpersistence = 'u' THEN 'UNLOGGED tables are not supported'
        WHEN r.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits WHERE r.oid IN (inhrelid, inhparent)) THEN 'Inherited and partitioned tables are not supported'
        WHEN EXISTS (SELECT FROM pg_constraint WHERE conrelid = r.oid AND contype IN ('c', 'x')) THEN 'CHECK and EXCLUDE constraints are not supported'
        WHEN EXISTS (SELECT FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid AND d.deptype = 'a') THEN 'SERIAL columns are not supported'
        ELSE (SELECT format('Column "%s.%s" has unsupported type "%s".', r.relname, a.attname, format_type(a.atttypid, NULL))
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = r.oid AND r.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
                AND (t.typcategory = 'A' OR (t.typtype <> 'b' AND t.oid NOT IN ('pg_catalog.intervaly2m'::regtype, 'pg_catalog.intervald2s'::regtype)) OR t.typname IN ('json', 'jsonb', 'xml', 'uuid', 'money', 'inet', 'cidr')) LIMIT 1)
    END FROM pg_class r WHERE r.oid = relation AND r.relkind IN ('r', 'p')
$$;
CREATE OR REPLACE FUNCTION velodrome.refuse_made() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
    refused text;
    keys text;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOR made IN SELECT DISTINCT classid, objid FROM pg_event_trigger_ddl_commands() LOOP
        refused := CASE made.classid WHEN 'pg_proc'::regclass THEN velodrome.refused_routine(made.objid)
            WHEN 'pg_class'::regclass THEN velodrome.refused_relation(made.objid) END;
        IF refused IS NOT NULL THEN
            RAISE EXCEPTION '%', refused USING ERRCODE = '0A000';
        END IF;
        -- "Uniqueness, primary key, and foreign key constraints are informational only": t_Defining_constraints.html
        keys := (SELECT string_agg(format('DROP CONSTRAINT %I', conname), ', ') FROM pg_constraint
            WHERE made.classid = 'pg_class'::regclass AND conrelid = made.objid AND contype IN ('p', 'u', 'f'));
        IF keys IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s %s', made.objid::regclass, keys);
        END IF;
    END LOOP;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_refuse_made;
CREATE EVENT TRIGGER velodrome_refuse_made ON ddl_command_end WHEN TAG IN (
    'CREATE FUNCTION', 'CREATE PROCEDURE', 'ALTER FUNCTION', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE'
) EXECUTE FUNCTION velodrome.refuse_made();

-- Names in such a text are folded as Redshift folds them, and each long one has its name inside (sql/long_names.py has the
-- same rule): the server would cut it, and mean another table.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_enable_case_sensitive_identifier.html
CREATE OR REPLACE FUNCTION velodrome.folded(name text, quoted boolean) RETURNS text LANGUAGE sql STABLE
RETURN CASE WHEN quoted AND current_setting('scram_iterations') = '4097' THEN name  -- which carries that setting: sql/parameters.py
    ELSE translate(name, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') END;
CREATE OR REPLACE FUNCTION velodrome.name_inside(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    beginning text := left(name, 29);
BEGIN
    IF octet_length(name) <= 63 THEN
        RETURN name;
    ELSIF octet_length(name) > 127 THEN
        RAISE EXCEPTION 'identifier "%" is too long; at most 127 bytes are allowed', name USING ERRCODE = '42622';
    END IF;
    WHILE octet_length(beginning) > 29 LOOP
        beginning := left(beginning, -1);
    END LOOP;
    RETURN beginning || CASE WHEN name ~ '^[a-z_][a-z0-9_]*$' THEN '_velo' ELSE '~velo' END || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 16);
END $$;
CREATE OR REPLACE FUNCTION velodrome.with_names_inside(sent text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    made text := '';
    piece text;
    name text;
BEGIN
    FOR piece IN SELECT velodrome.lexed(sent) LOOP
        name := CASE WHEN piece ~ '^"(?:[^"]|"")*"$' THEN velodrome.folded(replace(substr(piece, 2, length(piece) - 2), '""', '"'), true)
            WHEN piece ~ '^[A-Za-z_\u0080-\U0010ffff]' THEN velodrome.folded(piece, false) END;
        made := made || CASE WHEN piece LIKE '"%' THEN '"' || replace(velodrome.name_inside(name), '"', '""') || '"'
            WHEN octet_length(name) > 63 THEN ' ' || quote_ident(velodrome.name_inside(name)) || ' ' ELSE piece END;
    END LOOP;
    RETURN made;
END $$;

-- GRANT and REVOKE in such a text with their grantees as they are called inside (10_users.sql; sql/grants.py has the same
-- rule): https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html
CREATE OR REPLACE FUNCTION velodrome.names_in(list text) RETURNS text[] LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT array_agg(velodrome.folded(CASE WHEN m[1] LIKE '"%' THEN replace(substr(m[1], 2, length(m[1]) - 2), '""', '"') ELSE m[1] END, m[1] LIKE '"%'))
    FROM regexp_matches(list, '("(?:[^"]|"")+"|[\w$]+(?::\w+)?)', 'g') m
$$;
CREATE OR REPLACE FUNCTION velodrome.with_grantees_inside(sent text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    members text[] := regexp_match(sent,
        '^\s*(grant|revoke)\s+(admin\s+option\s+for\s+)?role\s+(.*?)\s+(?:to|from)\s+(.*?)(\s+with\s+admin\s+option)?[\s;]*$', 'is');
    parts text[] := regexp_match(sent, '^(\s*(?:grant|revoke|alter\s+default\s+privileges)\M.*\m(?:to|from)\s+)(.*)$', 'is');
    grantee text[];
    made text;
BEGIN
    IF members IS NOT NULL THEN
        RETURN format('CALL velodrome.change_role_members(%L, %L, %L, %L)', lower(members[1]),
            velodrome.names_in(regexp_replace(members[3], '\mrole\s+', '', 'gi')),
            (SELECT jsonb_object_agg(kind, names) FROM (
                SELECT CASE WHEN g ~* '^\s*role\s' THEN 'role' ELSE 'user' END AS kind, jsonb_agg((velodrome.names_in(regexp_replace(g, '^\s*role\s', '', 'i')))[1]) AS names
                FROM regexp_split_to_table(members[4], ',') g GROUP BY 1) k),
            members[2] IS NOT NULL OR members[5] IS NOT NULL);
    ELSIF parts IS NULL THEN
        RETURN sent;
    END IF;
    made := parts[2];
    FOR grantee IN SELECT m FROM regexp_matches(parts[2], '(?:^|,)\s*((group|role)\s+("(?:[^"]|"")+"|[\w$]+(?::\w+)?))', 'gi') m LOOP
        made := replace(made, grantee[1], quote_ident(
            (SELECT rolname FROM pg_roles WHERE oid = velodrome.find_role(lower(grantee[2]), (velodrome.names_in(grantee[3]))[1]))));
    END LOOP;
    RETURN parts[1] || made;
END $$;

-- The text of an EXECUTE in a procedure, which is run if each of its statements begins as one of Redshift's does (what
-- LISTEN, DO or LOAD would do, no event trigger sees) and none of them names this schema, but for the functions that the
-- gateway puts in the place of Redshift's.
CREATE OR REPLACE FUNCTION velodrome.dynamic(sent text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    plain text := velodrome.unquoted(sent);
    inside text;
    word text;
BEGIN
    FOR word IN SELECT m[1] FROM regexp_matches(plain, '(?:^|;)\s*(\w+)', 'g') m LOOP
        IF upper(word) NOT IN (
            'SELECT', 'WITH', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'CREATE', 'DROP', 'ALTER', 'TRUNCATE', 'SET', 'RESET', 'REFRESH',
            'ANALYZE', 'ANALYSE', 'GRANT', 'REVOKE', 'COMMENT', 'CALL', 'DECLARE', 'FETCH', 'CLOSE', 'LOCK', 'COMMIT', 'ROLLBACK', 'SHOW', 'EXPLAIN',
            'PREPARE', 'EXECUTE', 'DEALLOCATE'
        ) THEN
            RAISE EXCEPTION 'syntax error at or near "%"', word USING ERRCODE = '42601';
        END IF;
    END LOOP;
    word := (regexp_match(plain, '\m(on\s+conflict|returning|create\s+policy|alter\s+policy|drop\s+policy)\M', 'i'))[1];
    IF word IS NOT NULL THEN
        RAISE EXCEPTION 'syntax error at or near "%"', split_part(word, ' ', 1) USING ERRCODE = '42601';
    END IF;
    word := (regexp_match(plain, '\m(?:set|reset)\s+(?:(?:session|local)\s+)?(standard_conforming_strings|backslash_quote|session_replication_role|scram_iterations)\M', 'i'))[1];
    IF word IS NOT NULL THEN  -- the gateway counts on them: sql/settings.py
        RAISE EXCEPTION 'changing % is not supported by this local warehouse', word USING ERRCODE = '0A000';
    END IF;
    IF sent ~* '\mu&["'']' THEN  -- whose escapes could spell any name
        RAISE EXCEPTION 'syntax error at or near "&"' USING ERRCODE = '42601';
    END IF;
    IF strpos(sent, '"') > 0 THEN  -- a name in quotes is one, too
        plain := (SELECT string_agg(CASE WHEN piece LIKE '"%' THEN ' ' || regexp_replace(btrim(piece, '"'), '\W', '_', 'g') || ' '
            ELSE velodrome.unquoted(piece) END, '' ORDER BY n) FROM velodrome.lexed(sent) WITH ORDINALITY p(piece, n));
    END IF;
    IF sent ~* '\msearch_path\M.*\mvelodrome\M' OR plain ~* '\mvelodrome\s*\.' AND (plain ~* '(^|;)\s*(set|call|alter|drop|create|grant|revoke|comment)\M'
        OR EXISTS (SELECT FROM regexp_matches(plain, '\mvelodrome\s*\.\s*(\w+)?', 'gi') m WHERE NOT EXISTS (
            SELECT FROM pg_proc WHERE pronamespace = 'velodrome'::regnamespace AND proname = lower(m[1]) AND prokind <> 'p' HAVING NOT bool_or(prosecdef)
        ))) THEN
        RAISE EXCEPTION 'permission denied for schema velodrome' USING ERRCODE = '42501';
    END IF;
    inside := CASE WHEN plain ~* '^\s*(grant|revoke|alter\s+default)\M' AND plain ~* '\m(group|role)\M' THEN velodrome.with_grantees_inside(sent) ELSE sent END;
    -- Token by token takes long: only where one could be a long name, a bare one or one in quotes, or have to be folded.
    IF inside ~ '"[^"]*[A-Z][^"]*"' OR EXISTS (SELECT FROM regexp_matches(inside, '[\w$]{16,}', 'g') m WHERE octet_length(m[1]) > 63)
        OR strpos(inside, '"') > 0 AND EXISTS (SELECT FROM unnest(string_to_array(replace(inside, '""', '..'), '"')) u WHERE octet_length(u) > 63) THEN
        RETURN velodrome.with_names_inside(inside);
    END IF;
    RETURN inside;
END $$;
