-- query_export_to_s3 and table_import_from_s3, streaming through COPY … PROGRAM.
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/postgresql-s3-export-functions.html
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.S3Import.Reference.html
--
-- COPY … PROGRAM needs a right that is as good as a shell, and callers do not have it. Therefore two halves, joined by a
-- temporary table: whatever is the caller's (the query; the target's triggers, defaults, checks and policies) runs with
-- the caller's rights, in functions that are SECURITY INVOKER; and the functions that are SECURITY DEFINER copy nothing
-- but a plain temporary table, in which no code of a user's can run.
\echo Use "CREATE EXTENSION aws_s3" to load this file. \quit

CREATE SCHEMA aws_s3;
GRANT USAGE ON SCHEMA aws_s3 TO @extowner@, rds_superuser WITH GRANT OPTION;

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

-- COPY's options, with or without parentheses, taken apart and written anew: nothing of the text reaches COPY as it came.
CREATE FUNCTION aws_s3._copy_options(options text, known text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rest text := btrim(coalesce(options, ''), E' \t\r\n');
    name text;
    value text;
    tag text;
    place int;
    written text[] := '{}';
BEGIN
    IF left(rest, 1) = '(' AND right(rest, 1) = ')' THEN
        rest := btrim(substr(rest, 2, length(rest) - 2), E' \t\r\n');
    END IF;
    WHILE rest <> '' LOOP
        name := lower(substring(rest FROM '^[A-Za-z_]+'));
        IF name IS NULL THEN
            RAISE syntax_error USING MESSAGE = format('invalid COPY options: %s', options);
        ELSIF name <> ALL (known) THEN
            RAISE feature_not_supported USING
                MESSAGE = format('COPY option "%s" is not supported here', name),
                HINT = format('Supported are %s.', array_to_string(known, ', '));
        END IF;
        rest := ltrim(substr(rest, length(name) + 1), E' \t\r\n');
        IF rest ~ '^[eE]?''' THEN
            -- After E a backslash protects what follows it, even a quote.
            value := substring(rest FROM CASE WHEN left(rest, 1) = '''' THEN '^''(?:[^'']|'''')*'''
                ELSE '^[eE]''(?:[^''\\]|''''|\\.)*''' END);
            IF value IS NULL THEN
                RAISE syntax_error USING MESSAGE = format('invalid COPY options: %s', options);
            END IF;
            rest := substr(rest, length(value) + 1);
            IF left(value, 1) = '''' THEN
                value := replace(substr(value, 2, length(value) - 2), '''''', '''');
            ELSE
                value := replace(substr(value, 3, length(value) - 3), '''''', '''');
                value := CASE value
                    WHEN '\t' THEN E'\t' WHEN '\b' THEN E'\b' WHEN '\f' THEN E'\f' WHEN '\x01' THEN E'\x01'
                    WHEN '\\' THEN '\' WHEN '\''' THEN '''' WHEN '\\N' THEN '\N' ELSE value END;
                IF length(value) > 1 AND value <> '\N' AND strpos(value, '\') > 0 THEN
                    RAISE feature_not_supported USING MESSAGE = format('escape in COPY option "%s" is not supported', name);
                END IF;
            END IF;
            value := quote_literal(value);
        ELSIF rest ~ '^\$[A-Za-z_]*\$' THEN
            tag := substring(rest FROM '^\$[A-Za-z_]*\$');
            rest := substr(rest, length(tag) + 1);
            place := strpos(rest, tag);
            IF place = 0 THEN
                RAISE syntax_error USING MESSAGE = format('invalid COPY options: %s', options);
            END IF;
            value := quote_literal(left(rest, place - 1));
            rest := substr(rest, place + length(tag));
        ELSIF left(rest, 1) = '(' THEN
            value := substring(rest FROM '^\((?:"(?:[^"]|"")*"|[^")])*\)');
            IF value IS NULL THEN
                RAISE syntax_error USING MESSAGE = format('invalid COPY options: %s', options);
            END IF;
            rest := substr(rest, length(value) + 1);
            SELECT '(' || string_agg(quote_ident(c), ', ') || ')' INTO value
            FROM unnest(aws_s3._columns(substr(value, 2, length(value) - 2))) AS c;
        ELSIF left(rest, 1) = '*' THEN
            value := '*';
            rest := substr(rest, 2);
        ELSE
            value := substring(rest FROM '^[A-Za-z0-9_.+-]+');
            rest := substr(rest, coalesce(length(value), 0) + 1);
            value := quote_literal(lower(value));  -- a bare word, as every name in SQL
        END IF;
        written := written || (quote_ident(name) || coalesce(' ' || value, ''));
        rest := ltrim(rest, E' \t\r\n');
        IF rest = '' THEN
            EXIT;
        ELSIF left(rest, 1) <> ',' THEN
            RAISE syntax_error USING
                MESSAGE = format('invalid COPY options: %s', options),
                HINT = 'Separate the options by commas, as in (FORMAT csv, HEADER true).';
        END IF;
        rest := ltrim(substr(rest, 2), E' \t\r\n');
    END LOOP;
    RETURN CASE WHEN written = '{}' THEN '' ELSE '(' || array_to_string(written, ', ') || ')' END;
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The pipe: a program in the data folder, told by base64 of JSON what to do; it leaves its result in a file
-- ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION aws_s3._pipe(verb text, job uuid, bucket text, file_path text, region text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN './s3pipe ' || verb || ' ' || translate(encode(convert_to(json_build_object(
    'job', job, 'backend', pg_backend_pid(), 'bucket', bucket, 'key', file_path, 'region', region
)::text, 'UTF8'), 'base64'), E'\n', '');

CREATE FUNCTION aws_s3._result(job uuid) RETURNS json
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result json := pg_read_file(format('s3pipe.d/%s.json', pg_backend_pid()), true)::json;
BEGIN
    RETURN CASE WHEN result ->> 'job' = job::text THEN result END;
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

-- ---------------------------------------------------------------------------------------------------------------------
-- Export
-- ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION aws_s3._export(
    stage text, bucket text, file_path text, region text, options text,
    OUT rows_uploaded bigint, OUT files_uploaded bigint, OUT bytes_uploaded bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job uuid := gen_random_uuid();
    copy_options text := aws_s3._copy_options(options,
        '{format,delimiter,null,header,quote,escape,force_quote,encoding}');
    result json;
BEGIN
    -- Only what the session itself has put into a plain temporary table: COPY of one runs no code of a user's.
    IF NOT EXISTS (
        SELECT FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname = stage AND relkind = 'r'
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = format('"%s" is not a temporary table of this session', stage);
    END IF;
    BEGIN
        EXECUTE format('COPY pg_temp.%I TO PROGRAM %L %s',
            stage, aws_s3._pipe('put', job, bucket, file_path, region), copy_options);
        GET DIAGNOSTICS rows_uploaded = ROW_COUNT;
        -- The pipe cannot tell a COPY that has ended from one that broke off: it completes the object only now.
        EXECUTE format('COPY (SELECT) TO PROGRAM %L', aws_s3._pipe('finish', job, bucket, file_path, region));
        result := aws_s3._result(job);
    EXCEPTION WHEN OTHERS THEN
        result := aws_s3._result(job);
        IF result ->> 'error' IS NULL THEN
            RAISE;
        END IF;
    END;
    IF result IS NULL OR result ->> 'error' IS NOT NULL THEN
        RAISE external_routine_exception USING
            MESSAGE = 'could not upload to Amazon S3',
            DETAIL = format('Amazon S3 client returned ''%s''.', coalesce(result ->> 'error', 'nothing'));
    END IF;
    files_uploaded := 1;
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
    result refcursor;
    stage text := 'aws_s3_export_' || replace(gen_random_uuid()::text, '-', '');
BEGIN
    IF coalesce(query, '') = '' THEN
        RAISE null_value_not_allowed USING MESSAGE = 'query must be given';
    ELSIF kms_key IS NOT NULL THEN
        RAISE feature_not_supported USING MESSAGE = 'kms_key is not supported here';
    END IF;
    PERFORM aws_s3._check_place(s3_info.bucket, s3_info.file_path);
    -- One statement, and one that gives rows: a cursor takes nothing else. It is not run here.
    OPEN result FOR EXECUTE query;
    CLOSE result;
    EXECUTE format('CREATE TEMPORARY TABLE %I ON COMMIT DROP AS %s', stage, query);
    SELECT e.rows_uploaded, e.files_uploaded, e.bytes_uploaded
    INTO rows_uploaded, files_uploaded, bytes_uploaded
    FROM aws_s3._export(stage, s3_info.bucket, s3_info.file_path, s3_info.region, options) AS e;
    EXECUTE format('DROP TABLE pg_temp.%I', stage);
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

-- PostgreSQL's own types are read as they are, for errors with line and column. Others (domains with their checks, enums,
-- types of extensions) are read as text, and become themselves with the caller's rights.
CREATE FUNCTION aws_s3._read_as(type_id oid, modifier int) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT CASE WHEN t.oid < 16384 AND t.typtype IN ('b', 'r', 'm') THEN format_type(t.oid, modifier) ELSE 'text' END
    FROM pg_type AS t WHERE t.oid = type_id
);

CREATE FUNCTION aws_s3._import(
    target regclass, columns text[], bucket text, file_path text, region text, options text,
    OUT stage text, OUT bytes bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job uuid := gen_random_uuid();
    copy_options text := aws_s3._copy_options(options, '{format,delimiter,null,header,quote,escape,force_not_null,'
        'force_null,encoding,on_error,reject_limit,log_verbosity}');
    definition text;
    result json;
BEGIN
    SELECT left('aws_s3_import_' || relname, 50) || '_' || left(job::text, 8) INTO stage FROM pg_class WHERE oid = target;
    SELECT string_agg(format('%I %s', attname, aws_s3._read_as(atttypid, atttypmod)), ', ' ORDER BY place)
    INTO definition
    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
    JOIN pg_attribute ON attrelid = target AND attname = c.name AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('CREATE TEMPORARY TABLE %I (%s) ON COMMIT DROP', stage, definition);
    EXECUTE format('GRANT SELECT ON pg_temp.%I TO PUBLIC', stage);
    BEGIN
        EXECUTE format('COPY pg_temp.%I FROM PROGRAM %L %s',
            stage, aws_s3._pipe('get', job, bucket, file_path, region), copy_options);
        result := aws_s3._result(job);
    EXCEPTION WHEN OTHERS THEN
        result := aws_s3._result(job);
        IF result ->> 'error' IS NULL THEN
            RAISE;
        END IF;
    END;
    IF result IS NULL OR result ->> 'error' IS NOT NULL THEN
        RAISE external_routine_exception USING
            MESSAGE = 'could not read from Amazon S3',
            DETAIL = format('Amazon S3 client returned ''%s''.', coalesce(result ->> 'error', 'nothing'));
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
    table_name text, column_list text, options text, s3_info aws_commons._s3_uri_1
) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    target regclass := table_name::regclass;
    columns text[];
    missing text;
    names text;
    expressions text;
    stage text;
    bytes bigint;
    imported bigint;
BEGIN
    PERFORM aws_s3._check_place(s3_info.bucket, s3_info.file_path);
    IF btrim(coalesce(column_list, '')) <> '' THEN
        columns := aws_s3._columns(column_list);
    ELSE
        SELECT array_agg(attname::text ORDER BY attnum) INTO columns FROM pg_catalog.pg_attribute
        WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
    END IF;
    SELECT c.name INTO missing FROM unnest(columns) AS c (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute WHERE attrelid = target AND attname = c.name AND attnum > 0 AND NOT attisdropped
    );
    IF missing IS NOT NULL THEN
        RAISE undefined_column USING MESSAGE = format('column "%s" of relation "%s" does not exist', missing, table_name);
    END IF;
    SELECT string_agg(format('%I', attname), ', ' ORDER BY place),
        string_agg(CASE WHEN aws_s3._read_as(atttypid, atttypmod) = 'text' THEN format('%I::%s', attname, format_type(atttypid, NULL))
            ELSE format('%I', attname) END, ', ' ORDER BY place)
    INTO names, expressions
    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
    JOIN pg_catalog.pg_attribute ON attrelid = target AND attname = c.name AND attnum > 0 AND NOT attisdropped;
    -- Before anything is read: the INSERT below would refuse it too, but late.
    IF NOT has_table_privilege(target, 'INSERT')
        AND EXISTS (SELECT FROM unnest(columns) AS c (name) WHERE NOT has_column_privilege(target, c.name, 'INSERT'))
    THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for table %s', target);
    END IF;
    SELECT i.stage, i.bytes INTO stage, bytes
    FROM aws_s3._import(target, columns, s3_info.bucket, s3_info.file_path, s3_info.region, options) AS i;
    EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM pg_temp.%I', target, names, expressions, stage);
    GET DIAGNOSTICS imported = ROW_COUNT;
    PERFORM aws_s3._drop_import(stage);
    RETURN format('%s rows imported into relation "%s" from file %s of %s bytes', imported, table_name, s3_info.file_path, bytes);
END
$$;

CREATE FUNCTION aws_s3.table_import_from_s3(
    table_name text, column_list text, options text, s3_info aws_commons._s3_uri_1,
    credentials aws_commons._aws_credentials_1
) RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
    IF credentials IS NOT NULL THEN
        RAISE feature_not_supported USING
            MESSAGE = 'the parameter credentials is not supported here',
            HINT = 'Leave it out: access to S3 is that of the instance''s profile.';
    END IF;
    RETURN aws_s3.table_import_from_s3(table_name, column_list, options, s3_info);
END
$$;

CREATE FUNCTION aws_s3.table_import_from_s3(
    table_name text, column_list text, options text, bucket text, file_path text, region text,
    access_key text DEFAULT NULL, secret_key text DEFAULT NULL, session_token text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
    IF access_key IS NOT NULL OR secret_key IS NOT NULL OR session_token IS NOT NULL THEN
        RAISE feature_not_supported USING
            MESSAGE = 'the parameters access_key, secret_key and session_token are not supported here',
            HINT = 'Leave them out: access to S3 is that of the instance''s profile.';
    END IF;
    RETURN aws_s3.table_import_from_s3(table_name, column_list, options,
        ROW(bucket, file_path, region)::aws_commons._s3_uri_1);
END
$$;

REVOKE EXECUTE ON FUNCTION aws_s3._pipe, aws_s3._result FROM PUBLIC;
