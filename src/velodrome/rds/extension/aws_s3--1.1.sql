-- query_export_to_s3 and table_import_from_s3, streaming through COPY … PROGRAM.
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/postgresql-s3-export-functions.html
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.S3Import.Reference.html
--
-- COPY … PROGRAM needs a right that is as good as a shell, and callers do not have it. Therefore two halves. What is
-- SECURITY INVOKER opens the caller's query and finds his table; what is SECURITY DEFINER runs COPY, and lets no code of
-- anybody's run in its own name:
-- - Export: COPY reads from a function that the caller's half has just made. It is the caller's own and SECURITY DEFINER,
--   so it runs as the caller, and fetches from his cursor, some rows at a time: nothing is put by on the way.
-- - Import: COPY writes into the table itself where nothing of a user's can run while it does (no trigger, policy,
--   domain, …). Else it writes into a temporary table, from which the caller's own INSERT takes the rows.
\echo Use "CREATE EXTENSION aws_s3" to load this file. \quit

CREATE SCHEMA aws_s3;
GRANT USAGE ON SCHEMA aws_s3 TO @extowner@ WITH GRANT OPTION;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'rds_superuser') THEN
        GRANT USAGE ON SCHEMA aws_s3 TO rds_superuser WITH GRANT OPTION;
    END IF;
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What is given as text: column lists and COPY's options
-- ---------------------------------------------------------------------------------------------------------------------

-- 'a, "B c"' → {a,"B c"}
CREATE FUNCTION aws_s3._columns(list text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rest text := btrim(list, E' \t\r\n');
    found text[];
    names text[] := '{}';
BEGIN
    LOOP
        found := regexp_match(rest, '^("(?:[^"]|"")+"|[^",()\s]+)\s*(,\s*|$)');
        IF found IS NULL THEN
            RAISE syntax_error USING MESSAGE = format('invalid column list: %s', list);
        END IF;
        names := names || CASE
            WHEN left(found[1], 1) = '"' THEN replace(substr(found[1], 2, length(found[1]) - 2), '""', '"')
            ELSE lower(found[1])
        END;
        rest := regexp_replace(rest, '^("(?:[^"]|"")+"|[^",()\s]+)\s*(,\s*|$)', '');
        EXIT WHEN found[2] = '';
    END LOOP;
    RETURN names;
END
$$;

-- COPY's options, in parentheses or not, in today's syntax or that of PostgreSQL before 9.0 (`DELIMITER ',' CSV HEADER`):
-- taken apart and written anew, so that nothing of the text reaches COPY as it came. Which of them there are, and what
-- they may be, is COPY's to say.
CREATE FUNCTION aws_s3._copy_options(options text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
    -- A word, a number, a string as SQL has it, a list of columns, or `*`.
    token constant text := '^([A-Za-z_][A-Za-z0-9_-]*|[0-9]+(?:\.[0-9]+)?|[eE]''(?:[^''\\]|''''|\\.)*''|''(?:[^'']|'''')*'''
        '|\((?:"(?:[^"]|"")*"|[^()"])*\)|\*)\s*';
    rest text := btrim(coalesce(options, ''), E' \t\r\n');
    word text;
    name text;
    value text;
    tag text;
    written text[] := '{}';
BEGIN
    IF rest ~ '^\(.*\)$' THEN
        rest := btrim(substr(rest, 2, length(rest) - 2), E' \t\r\n');
    END IF;
    WHILE rest <> '' LOOP
        name := lower(substring(rest FROM '^[A-Za-z_]+'));
        rest := regexp_replace(rest, '^[A-Za-z_]+\s*', '');
        value := NULL;
        IF name IN ('csv', 'text', 'binary') THEN
            value := quote_literal(name);
            name := 'format';
        ELSIF name = 'force' THEN
            word := lower(substring(rest FROM '(?i)^(not\s+null|null|quote)\M'));
            name := 'force_' || regexp_replace(word, '\s+', '_');
            rest := ltrim(substr(rest, length(word) + 1), E' \t\r\n');
            IF rest ~ '^[^(*]' THEN  -- a bare list of columns
                word := substring(rest FROM '^(?:"(?:[^"]|"")+"|\w+)(?:\s*,\s*(?:"(?:[^"]|"")+"|\w+))*');
                rest := '(' || word || ')' || substr(rest, length(word) + 1);
            END IF;
        ELSIF name IN ('delimiter', 'delimiters', 'null', 'quote', 'escape', 'encoding', 'default') THEN
            name := regexp_replace(name, 's$', '');
            rest := regexp_replace(rest, '^as\s+', '', 'i');
        END IF;
        tag := substring(rest FROM '^\$(?:[A-Za-z_]\w*)?\$');
        IF tag IS NOT NULL AND strpos(substr(rest, length(tag) + 1), tag) > 0 THEN
            value := split_part(rest, tag, 2);
            rest := ltrim(substr(rest, length(value) + 2 * length(tag) + 1), E' \t\r\n');
            value := quote_literal(value);
        -- These two may stand alone, and then what follows is the next option.
        ELSIF value IS NULL AND rest ~ '^[^,]' AND (name NOT IN ('header', 'freeze') OR rest !~* '^[a-z_]'
            OR rest ~* '^((true|false|on|off|match)\M|e'')')
        THEN
            word := (regexp_match(rest, token))[1];
            rest := regexp_replace(rest, token, '');
            IF word ~ '^[eE]?''' THEN
                EXECUTE 'SELECT ' || word INTO value;  -- one literal, by the pattern above
                value := quote_literal(value);
            ELSIF left(word, 1) = '(' THEN
                SELECT '(' || string_agg(quote_ident(c), ', ') || ')' INTO value
                FROM unnest(aws_s3._columns(substr(word, 2, length(word) - 2))) AS c;
            ELSIF word = '*' OR word ~ '^[0-9]' THEN  -- `header '1'` is not what `header 1` is
                value := word;
            ELSE
                value := quote_literal(lower(word));  -- a bare word, as every name in SQL
            END IF;
            IF value IS NULL THEN
                name := NULL;
            END IF;
        END IF;
        IF name IS NULL OR rest ~ '^,\s*$' OR rest ~ '^[^,A-Za-z_]' THEN
            RAISE syntax_error USING MESSAGE = format('invalid COPY options: %s', options);
        END IF;
        written := written || (quote_ident(name) || coalesce(' ' || value, ''));
        rest := regexp_replace(rest, '^,\s*', '');
    END LOOP;
    RETURN CASE WHEN written = '{}' THEN '' ELSE '(' || array_to_string(written, ', ') || ')' END;
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The helper program: told by base64 of JSON what to do; it leaves its result in a file
-- ---------------------------------------------------------------------------------------------------------------------

-- `./s3pipe` in the data folder, where COPY's programs run, or the one that `velodrome rds install-extension` made. In the
-- shell's place: a signal to the session must not end what the server waits for while the program goes on.
CREATE FUNCTION aws_s3._run(verb text, call jsonb) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN 'exec ' || CASE WHEN (pg_stat_file('s3pipe', true)).size IS NOT NULL THEN './s3pipe'
    ELSE '''' || replace((SELECT setting FROM pg_config() WHERE name = 'SHAREDIR'), '''', '''\''''') || '''/aws_s3/s3pipe' END
    || ' ' || verb || ' '
    || translate(encode(convert_to((call || jsonb_build_object('backend', pg_backend_pid()))::text, 'UTF8'), 'base64'), E'\n', '');

CREATE FUNCTION aws_s3._result(job uuid) RETURNS json
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
RETURN (SELECT result FROM (SELECT pg_read_file(format('s3pipe.d/%s.json', pg_backend_pid()), 0, 1048576, true)::json) AS file (result)
    WHERE result ->> 'job' = job::text);

CREATE FUNCTION aws_s3._fail(what text, result json) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF result ->> 'hint' IS NOT NULL THEN
        RAISE system_error USING MESSAGE = result ->> 'error', DETAIL = result ->> 'reason', HINT = result ->> 'hint';
    END IF;
    RAISE system_error USING
        MESSAGE = format('could not %s Amazon S3', what),
        DETAIL = format('Amazon S3 client returned ''%s''.', coalesce(result ->> 'error', 'nothing'));
END
$$;

CREATE FUNCTION aws_s3._check_place(bucket text, file_path text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(bucket, '') = '' OR coalesce(file_path, '') = '' THEN
        RAISE null_value_not_allowed USING MESSAGE = 'bucket and file_path must be given';
    END IF;
END
$$;

-- Who calls: the owner of a function that he has just made in his session's own schema. From here until the transaction
-- ends it stays what it is: whoever else would alter it has to wait for this row.
CREATE FUNCTION aws_s3._caller(token text) RETURNS oid
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER FUNCTION pg_temp.%I(int) SECURITY DEFINER', token);
    RETURN (SELECT proowner FROM pg_proc WHERE oid = format('pg_temp.%I(int)', token)::regprocedure);
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Export
-- ---------------------------------------------------------------------------------------------------------------------

-- Opens the query as a cursor, which takes one query that gives rows and nothing else. It is not run yet.
CREATE FUNCTION aws_s3._open(query text, place refcursor, OUT names text[], OUT types oid[])
LANGUAGE plpgsql
SET cursor_tuple_fraction = 1  -- all rows will be fetched
AS $$
DECLARE
    columns record;
BEGIN
    OPEN place FOR EXECUTE query;
    FETCH ABSOLUTE 0 FROM place INTO columns;
    names := ARRAY(SELECT pg_catalog.json_object_keys(pg_catalog.row_to_json(columns)));
    IF pg_catalog.cardinality(names) OPERATOR(pg_catalog.=) 0 THEN
        RAISE syntax_error USING MESSAGE = 'the query must give at least one column';
    ELSIF pg_catalog.current_setting('server_version_num')::int OPERATOR(pg_catalog.>=) 160000 THEN
        EXECUTE pg_catalog.format('PREPARE %I AS %s', place, query);
        SELECT result_types INTO types FROM pg_catalog.pg_prepared_statements WHERE name OPERATOR(pg_catalog.=) place::text;
        EXECUTE pg_catalog.format('DEALLOCATE %I', place);
    ELSE
        EXECUTE pg_catalog.format(
            E'SELECT ARRAY[%s]::pg_catalog.oid[] FROM (SELECT) AS one LEFT JOIN (%s\n) AS query (%s) ON false',
            (SELECT pg_catalog.string_agg(pg_catalog.format('pg_catalog.pg_typeof(c%s)', i), ', ')
                FROM pg_catalog.generate_subscripts(names, 1) AS i),
            pg_catalog.rtrim(query, E' \t\r\n;'),
            (SELECT pg_catalog.string_agg(pg_catalog.format('c%s', i), ', ') FROM pg_catalog.generate_subscripts(names, 1) AS i)
        ) INTO types;
    END IF;
END
$$;

-- How many rows to fetch next: 1,000, fewer of wide ones, fewer shortly before the file is full; 0 ends the file.
CREATE FUNCTION aws_s3._next_batch(file_size bigint) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bytes bigint;
    width bigint;
BEGIN
    PERFORM pg_stat_clear_snapshot();  -- else COPY stays where it was at the first look
    SELECT bytes_processed, bytes_processed / greatest(tuples_processed, 1) + 1 INTO bytes, width
    FROM pg_stat_progress_copy WHERE pid = pg_backend_pid();
    RETURN CASE WHEN current_setting('aws_s3.ended') = 'true' OR bytes >= file_size THEN 0
        ELSE greatest(1, least(1000, 4194304 / width, (file_size - bytes) / width)) END;
END
$$;

CREATE FUNCTION aws_s3._export(
    fetcher text, names text[], types oid[], bucket text, file_path text, region text, options text, kms_key text,
    OUT rows_uploaded bigint, OUT files_uploaded bigint, OUT bytes_uploaded bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET track_activities = on  -- where COPY says how far it is
AS $$
DECLARE
    job uuid := gen_random_uuid();
    call jsonb := jsonb_build_object('job', job, 'bucket', bucket, 'key', file_path, 'region', region, 'kms_key', kms_key);
    copy_options text := aws_s3._copy_options(options);
    -- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/postgresql-s3-export-examples.html
    file_size bigint := pg_size_bytes(coalesce(nullif(current_setting('aws_s3.file_size', true), ''), '6GB'));
    source text;
    got bigint;
    result json;
BEGIN
    PERFORM aws_s3._caller(fetcher);
    SELECT format(
        'WITH RECURSIVE batch (rows) AS (SELECT 100 UNION ALL SELECT aws_s3._next_batch(%s) FROM batch WHERE rows > 0) '
        'SELECT %s FROM batch, LATERAL pg_temp.%I(batch.rows) AS fetched (%s) WHERE batch.rows > 0',
        file_size, string_agg(format('c%s AS %I', place, name), ', ' ORDER BY place), fetcher,
        string_agg(format('c%s %s', place, format_type(type, -1)), ', ' ORDER BY place)
    ) INTO source FROM unnest(names, types) WITH ORDINALITY AS c (name, type, place);
    rows_uploaded := 0;
    files_uploaded := 0;
    PERFORM set_config('aws_s3.ended', 'false', true);
    BEGIN
        LOOP
            files_uploaded := files_uploaded + 1;
            call := call || jsonb_build_object('part', files_uploaded,
                'key', file_path || CASE WHEN files_uploaded > 1 THEN '_part' || files_uploaded ELSE '' END);
            EXECUTE format('COPY (%s) TO PROGRAM %L %s', source, aws_s3._run('put', call), copy_options);
            GET DIAGNOSTICS got = ROW_COUNT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);  -- the fetcher has set the caller's
            rows_uploaded := rows_uploaded + got;
            IF got = 0 AND files_uploaded > 1 THEN  -- the file before was full with the very last row
                EXECUTE format('COPY (SELECT) TO PROGRAM %L', aws_s3._run('giveup', call || jsonb_build_object('first', files_uploaded)));
                files_uploaded := files_uploaded - 1;
                EXIT;
            END IF;
            EXIT WHEN current_setting('aws_s3.ended') = 'true';
        END LOOP;
        -- The helper cannot tell a COPY that has ended from one that broke off: the objects appear only now.
        EXECUTE format('COPY (SELECT) TO PROGRAM %L', aws_s3._run('finish', call || jsonb_build_object('part', files_uploaded)));
        result := aws_s3._result(job);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        EXECUTE format('COPY (SELECT) TO PROGRAM %L', aws_s3._run('giveup', call));
        result := aws_s3._result(job);
        IF result ->> 'error' IS NULL THEN
            RAISE;
        END IF;
    END;
    IF result IS NULL OR result ->> 'error' IS NOT NULL THEN
        PERFORM aws_s3._fail('upload to', result);
    END IF;
    bytes_uploaded := (result ->> 'bytes')::bigint;
END
$$;

CREATE FUNCTION aws_s3.query_export_to_s3(
    query text, s3_info aws_commons._s3_uri_1, options text DEFAULT NULL, kms_key text DEFAULT NULL,
    OUT rows_uploaded bigint, OUT files_uploaded bigint, OUT bytes_uploaded bigint
)
LANGUAGE plpgsql
AS $$
DECLARE
    place refcursor := pg_catalog.concat('aws_s3_export_', pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', ''));
    columns record;
BEGIN
    IF query IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'query must be given';
    END IF;
    PERFORM aws_s3._check_place(s3_info.bucket, s3_info.file_path);
    columns := aws_s3._open(query, place);
    EXECUTE pg_catalog.format(
        'CREATE FUNCTION pg_temp.%I(rows int) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER AS %L', place,
        pg_catalog.format(
            'DECLARE got int; BEGIN '
            'PERFORM pg_catalog.set_config(''search_path'', %L, true); '
            'RETURN QUERY EXECUTE pg_catalog.concat(''FETCH FORWARD '', rows, '' FROM %I''); '
            'GET DIAGNOSTICS got = ROW_COUNT; '
            'PERFORM pg_catalog.set_config(''aws_s3.ended'', (got OPERATOR(pg_catalog.<) rows)::text, true); '
            'END', pg_catalog.current_setting('search_path'), place
        )
    );
    SELECT e.rows_uploaded, e.files_uploaded, e.bytes_uploaded
    INTO rows_uploaded, files_uploaded, bytes_uploaded
    FROM aws_s3._export(place::text, columns.names, columns.types,
        s3_info.bucket, s3_info.file_path, s3_info.region, options, kms_key) AS e;
    EXECUTE pg_catalog.format('DROP FUNCTION pg_temp.%I', place);
    CLOSE place;
END
$$;

CREATE FUNCTION aws_s3.query_export_to_s3(
    query text, bucket text, file_path text, region text DEFAULT NULL, options text DEFAULT NULL, kms_key text DEFAULT NULL,
    OUT rows_uploaded bigint, OUT files_uploaded bigint, OUT bytes_uploaded bigint
)
LANGUAGE sql
AS $$
    SELECT * FROM aws_s3.query_export_to_s3(query, ROW(bucket, file_path, region)::aws_commons._s3_uri_1, options, kms_key)
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Import
-- ---------------------------------------------------------------------------------------------------------------------

-- A domain is read as the type below it, an enum as text; both become themselves with the caller's rights. PostgreSQL's
-- own types are read as they are; others (types of extensions, arrays of a user's types) as text.
CREATE FUNCTION aws_s3._read_as(type_id oid, modifier int) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN (
    WITH RECURSIVE below (id, kind, modifier, base, base_modifier) AS (
        SELECT oid, typtype, _read_as.modifier, typbasetype, typtypmod FROM pg_type WHERE oid = type_id
        UNION ALL
        SELECT t.oid, t.typtype, b.base_modifier, t.typbasetype, t.typtypmod FROM below AS b JOIN pg_type AS t ON t.oid = b.base
    )
    SELECT CASE WHEN id < 16384 AND kind IN ('b', 'r', 'm') THEN format_type(id, below.modifier) ELSE 'text' END
    FROM below WHERE kind <> 'd'
);

-- Whether an expression is made of PostgreSQL's own immutable operators and functions and of nothing else.
CREATE FUNCTION aws_s3._plain(expression text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN NOT EXISTS (
    SELECT FROM regexp_matches(expression, '\{(\w+)', 'g') AS node
    WHERE node[1] <> ALL ('{VAR,CONST,OPEXPR,SCALARARRAYOPEXPR,BOOLEXPR,NULLTEST,RELABELTYPE,ARRAY,ARRAYEXPR,FUNCEXPR}')
) AND NOT EXISTS (
    SELECT FROM regexp_matches(expression, ':(\w*type|\w*typeid|opno|funcid) (\d+)', 'g') AS field
    LEFT JOIN pg_proc AS p ON p.oid = CASE field[1] WHEN 'funcid' THEN field[2]::oid
        WHEN 'opno' THEN (SELECT oprcode::oid FROM pg_operator AS o WHERE o.oid = field[2]::oid) END
    WHERE field[2]::oid >= 16384 OR (field[1] IN ('opno', 'funcid') AND p.provolatile IS DISTINCT FROM 'i')
);

-- Whether COPY into these columns, the others left to their defaults, runs nothing that a user has made. The table is locked against changes of that.
CREATE FUNCTION aws_s3._runs_nothing(target regclass, columns text[]) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT FROM pg_class WHERE oid = target AND relkind = 'r' AND NOT relispartition AND NOT relrowsecurity AND relam = 2
) AND NOT EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = target AND NOT tgisinternal
) AND NOT EXISTS (
    SELECT FROM pg_index WHERE indrelid = target
    AND (indexprs IS NOT NULL OR indpred IS NOT NULL OR EXISTS (SELECT FROM unnest(indclass::oid[]) AS c WHERE c >= 16384))
) AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conrelid = target
    AND (contype NOT IN ('p', 'u', 'f', 'n', 'c') OR (contype = 'c' AND NOT aws_s3._plain(conbin::text)))
) AND NOT EXISTS (
    SELECT FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND (
        attgenerated <> ''
        OR (aws_s3._read_as(atttypid, atttypmod) <> format_type(atttypid, atttypmod)
            AND NOT EXISTS (SELECT FROM pg_type WHERE oid = atttypid AND typtype = 'e'))
        OR (attname <> ALL (columns) AND adbin IS NOT NULL AND NOT aws_s3._plain(adbin::text) AND pg_get_expr(adbin, adrelid)
            <> ALL ('{now(),CURRENT_TIMESTAMP,CURRENT_DATE,gen_random_uuid(),clock_timestamp(),pg_current_xact_id()}'))
    )
);

-- Credentials given in the call reach the helper by its standard input, from a setting: no text of SQL has them.
CREATE FUNCTION aws_s3._keep(call jsonb, credentials aws_commons._aws_credentials_1) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('aws_s3.credentials', translate(encode(convert_to(
        row_to_json(credentials)::text, 'UTF8'), 'base64'), E'\n', ''), true);
    EXECUTE format('COPY (SELECT current_setting(''aws_s3.credentials'')) TO PROGRAM %L', aws_s3._run('keep', call));
    PERFORM set_config('aws_s3.credentials', '', true);
END
$$;

-- Reads the object into the table, or into a temporary one if `stage` is not null afterwards.
CREATE FUNCTION aws_s3._receive(
    token text, target regclass, columns text[], s3_info aws_commons._s3_uri_1, options text, path text,
    credentials aws_commons._aws_credentials_1, OUT stage text, OUT imported bigint, OUT bytes bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job uuid := gen_random_uuid();
    call jsonb := jsonb_build_object('job', job, 'bucket', s3_info.bucket, 'key', s3_info.file_path,
        'region', s3_info.region, 'with_credentials', credentials.access_key IS NOT NULL);
    copy_options text := aws_s3._copy_options(options);
    caller oid := aws_s3._caller(token);
    -- With this option a default may be put into a listed column too.
    defaults boolean := copy_options ~ '[(, ]"default" ';
    unreadable text;
    statement text;
    result json;
BEGIN
    IF EXISTS (SELECT FROM unnest(columns) AS c WHERE NOT has_column_privilege(caller, target, c, 'INSERT'))
        OR NOT has_schema_privilege(caller, (SELECT relnamespace FROM pg_class WHERE oid = target), 'USAGE')
    THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied for table %s', (SELECT relname FROM pg_class WHERE oid = target));
    END IF;
    BEGIN
        -- Conflicts with itself, and with whatever could put code of a user's into the table.
        EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE NOWAIT', target);
    EXCEPTION WHEN lock_not_available OR wrong_object_type THEN
        stage := '';
    END;
    IF stage IS NULL AND aws_s3._runs_nothing(target, CASE WHEN defaults THEN '{}' ELSE columns END) THEN
        SELECT format('%s (%s)', target, string_agg(quote_ident(c), ', ' ORDER BY place)) INTO statement
        FROM unnest(columns) WITH ORDINALITY AS t (c, place);
    ELSE
        IF defaults THEN
            RAISE feature_not_supported USING MESSAGE = 'COPY option "default" is not supported for this table',
                HINT = 'It has triggers, policies, domains or the like, which run with your own rights.';
        END IF;
        SELECT format('COPY option %s is not supported for a column of type %s', refused, format_type(atttypid, atttypmod)) INTO unreadable
        FROM unnest(columns) AS c (name)
        JOIN pg_attribute ON attrelid = target AND attname = c.name AND attnum > 0 AND NOT attisdropped
        JOIN pg_type AS t ON t.oid = atttypid
        -- In binary the bytes of strings and enums are those of text. What is no value of its type is not seen by COPY.
        JOIN (VALUES ('format ''binary''', '{S,E}'::text[]), ('on_error ''ignore''', '{}')) AS o (refused, alike)
            ON copy_options ~ ('[(, ]' || refused)
        WHERE aws_s3._read_as(t.oid, -1) <> format_type(t.oid, -1)
        AND (aws_s3._read_as(t.oid, -1) = 'text' OR alike = '{}') AND typcategory <> ALL (alike) LIMIT 1;
        IF unreadable IS NOT NULL THEN
            RAISE feature_not_supported USING MESSAGE = unreadable, HINT = 'Use the format csv or text, without on_error.';
        END IF;
        stage := 'aws_s3_import_' || replace(job::text, '-', '');
        SELECT string_agg(format('%I %s', attname, aws_s3._read_as(atttypid, atttypmod)), ', ' ORDER BY place) INTO statement
        FROM unnest(columns) WITH ORDINALITY AS c (name, place)
        JOIN pg_attribute ON attrelid = target AND attname = c.name AND attnum > 0 AND NOT attisdropped;
        EXECUTE format('CREATE TEMPORARY TABLE %I (%s) ON COMMIT DROP', stage, statement);
        EXECUTE format('GRANT SELECT ON pg_temp.%I TO PUBLIC', stage);
        statement := format('pg_temp.%I', stage);
    END IF;
    BEGIN
        PERFORM aws_s3._keep(call, credentials) WHERE credentials.access_key IS NOT NULL;
        statement := format('COPY %s FROM PROGRAM %L %s', statement, aws_s3._run('get', call), copy_options);
        PERFORM set_config('search_path', path, true);  -- names in the data (regclass and its like) are the caller's
        EXECUTE statement;
        GET DIAGNOSTICS imported = ROW_COUNT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        result := aws_s3._result(job);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        result := aws_s3._result(job);
        IF result ->> 'error' IS NULL THEN
            RAISE;
        END IF;
    END;
    IF result IS NULL OR result ->> 'error' IS NOT NULL THEN
        PERFORM aws_s3._fail('read from', result);
    END IF;
    bytes := (result ->> 'bytes')::bigint;
END
$$;

CREATE FUNCTION aws_s3._drop_import(stage text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = pg_my_temp_schema() AND relname = stage AND relkind = 'r'
        AND relowner = current_user::regrole AND relname LIKE 'aws\_s3\_import\_%'
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = format('"%s" is no import of this session', stage);
    END IF;
    EXECUTE format('DROP TABLE pg_temp.%I', stage);
END
$$;

CREATE FUNCTION aws_s3.table_import_from_s3(
    table_name text, column_list text, options text, s3_info aws_commons._s3_uri_1,
    credentials aws_commons._aws_credentials_1 DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    target regclass;
    columns text[];
    token text := pg_catalog.concat('aws_s3_import_', pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', ''));
    received record;
    imported bigint;
BEGIN
    PERFORM aws_s3._hide_statement(true) WHERE credentials.access_key IS NOT NULL;
    target := table_name::regclass;
    PERFORM aws_s3._check_place(s3_info.bucket, s3_info.file_path);
    columns := aws_s3._target_columns(target, column_list);
    EXECUTE pg_catalog.format('CREATE FUNCTION pg_temp.%I(int) RETURNS int LANGUAGE sql AS ''SELECT 1''', token);
    received := aws_s3._receive(token, target, columns, s3_info, options, pg_catalog.current_setting('search_path'), credentials);
    EXECUTE pg_catalog.format('DROP FUNCTION pg_temp.%I', token);
    imported := received.imported;
    IF received.stage IS NOT NULL THEN
        EXECUTE aws_s3._insert(target, columns, received.stage);
        GET DIAGNOSTICS imported = ROW_COUNT;
        PERFORM aws_s3._drop_import(received.stage);
    END IF;
    PERFORM aws_s3._hide_statement(false) WHERE credentials.access_key IS NOT NULL;
    RETURN pg_catalog.format('%s rows imported into relation "%s" from file %s of %s bytes',
        imported, table_name, s3_info.file_path, received.bytes);
END
$$;

-- A statement that holds a secret is not written to the log when it fails; until it ends, or its transaction.
CREATE FUNCTION aws_s3._hide_statement(hide boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
AS $$
BEGIN
    PERFORM pg_catalog.set_config('log_min_error_statement', CASE WHEN hide THEN 'panic'
        ELSE (SELECT reset_val FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'log_min_error_statement') END, true);
END
$$;

-- The columns of a list, or all that can be written.
CREATE FUNCTION aws_s3._target_columns(target regclass, column_list text) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    names text[] := ARRAY(SELECT attname::text FROM pg_attribute
        WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum);
    missing text;
BEGIN
    IF btrim(coalesce(column_list, '')) <> '' THEN
        names := aws_s3._columns(column_list);
    END IF;
    missing := (SELECT c.name FROM unnest(names) AS c (name) WHERE NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = target AND attname = c.name AND attnum > 0 AND NOT attisdropped) LIMIT 1);
    IF missing IS NOT NULL THEN
        RAISE undefined_column USING MESSAGE = format('column "%s" of relation "%s" does not exist', missing,
            (SELECT relname FROM pg_class WHERE oid = target));
    END IF;
    RETURN names;
END
$$;

CREATE FUNCTION aws_s3._insert(target regclass, columns text[], stage text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM pg_temp.%I', target,
        string_agg(format('%I', attname), ', ' ORDER BY place),
        string_agg(CASE WHEN aws_s3._read_as(atttypid, atttypmod) = 'text' THEN format('%I::%s', attname, format_type(atttypid, -1))
            ELSE format('%I', attname) END, ', ' ORDER BY place), stage)
    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
    JOIN pg_attribute ON attrelid = target AND attname = c.name AND attnum > 0 AND NOT attisdropped
);

CREATE FUNCTION aws_s3.table_import_from_s3(
    table_name text, column_list text, options text, bucket text, file_path text, region text,
    access_key text DEFAULT NULL, secret_key text DEFAULT NULL, session_token text DEFAULT NULL
) RETURNS text
LANGUAGE sql
AS $$
    SELECT aws_s3.table_import_from_s3(table_name, column_list, options, ROW(bucket, file_path, region)::aws_commons._s3_uri_1,
        CASE WHEN access_key IS NOT NULL THEN ROW(access_key, secret_key, session_token)::aws_commons._aws_credentials_1 END)
$$;

REVOKE EXECUTE ON FUNCTION aws_s3._run, aws_s3._result, aws_s3._fail, aws_s3._caller, aws_s3._keep FROM PUBLIC;
