-- A materialized view is among the views of the standard, with the statement that made it, as on Redshift; tools tell it
-- from others by that text (dbt's list of relations). The server's own definitions leave them out. They have the columns
-- of late-binding views, which only PG_GET_LATE_BINDING_VIEW_COLS knows there.
-- https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-overview.html
-- PostgreSQL 8.0 names the table of each column, and writes one line unless asked to write prettily; the server inside
-- leaves the table out where a query reads one only, and always breaks lines. The text is its own, so that what follows
-- tells its words apart: strings, types, aliases, the FROM of a query, names behind a dot, other names.
-- https://www.postgresql.org/docs/8.0/functions-misc.html
CREATE OR REPLACE FUNCTION velodrome.view_text_with_tables(written text, one_line boolean) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    name text := $re$(?:"(?:[^"]|"")*"|[[:alpha:]_][[:alnum:]_$]*)$re$;
    source text[] := pg_catalog.regexp_match(written, format(E'\n   FROM ((?:%1$s\\.)?(%1$s))(?: (%1$s))?(?:\n|;$)', name));
    columns text[] := ARRAY(
        SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = pg_catalog.to_regclass(source[1]) AND a.attnum > 0 AND NOT a.attisdropped
    );
    pattern text := format(E'(''(?:[^'']|'''')*''|::%1$s(?:\\(\\d+\\))?(?: varying| precision| without time zone| with time zone)?'
        '|\\mAS %1$s|\\mEXTRACT\\(%1$s|\n +FROM [^\n;]+|\n *|\\.%1$s|(%1$s)(?![[:alnum:]_$"(.])|%1$s|.)', name);
BEGIN
    RETURN ltrim((
        SELECT string_agg(CASE
            WHEN u.found[2] = ANY (columns) THEN coalesce(source[3], source[2]) || '.' || u.found[2]
            WHEN one_line AND u.found[1] ~ E'^\n' THEN regexp_replace(u.found[1], E'^\n *', ' ')
            ELSE u.found[1]
        END, '' ORDER BY u.place) FROM pg_catalog.regexp_matches(written, pattern, 'g') WITH ORDINALITY u (found, place)
    ), CASE WHEN one_line THEN ' ' ELSE '' END);
END $$;

CREATE OR REPLACE FUNCTION velodrome.view_definition(view oid, pretty boolean) RETURNS text LANGUAGE sql STABLE
RETURN coalesce(
    (SELECT l.source FROM velodrome.late_binding_views l WHERE l.relid = view),
    (SELECT m.source FROM velodrome.materialized_views m WHERE m.relid = view),
    velodrome.view_text_with_tables(
        replace(CASE WHEN pretty THEN velodrome.view_text(view, true) ELSE velodrome.view_text(view) END, 'velodrome.', ''),
        NOT coalesce(pretty, false)
    )
);
GRANT SELECT (relid, source) ON velodrome.materialized_views TO PUBLIC;

DO $$
DECLARE
    found record;
    had text;
    wanted text;
BEGIN
    FOR found IN
        SELECT oid, relname FROM pg_class
        WHERE relnamespace = 'velodrome'::regnamespace AND relname IN (
            'standard_tables', 'standard_views', 'standard_columns', 'standard_table_privileges', 'standard_column_privileges'
        )
    LOOP
        had := velodrome.view_text(found.oid);
        wanted := replace(replace(had, 'relkind = ''v''::"char"', 'relkind = ANY (ARRAY[''v''::"char", ''m''::"char"])'),
            'ARRAY[''r''::"char", ''v''::"char", ''f''::"char"', 'ARRAY[''r''::"char", ''v''::"char", ''m''::"char", ''f''::"char"');
        IF found.relname = 'standard_columns' AND strpos(had, 'late_binding_views') = 0 THEN
            wanted := replace(wanted, 'NOT a.attisdropped',
                'NOT a.attisdropped AND NOT EXISTS (SELECT FROM velodrome.late_binding_views l WHERE l.relid = c.oid)');
        END IF;
        IF had <> wanted THEN
            EXECUTE format('CREATE OR REPLACE VIEW velodrome.%I AS %s', found.relname, wanted);
        END IF;
    END LOOP;
END $$;
