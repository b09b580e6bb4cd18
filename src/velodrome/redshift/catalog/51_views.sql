-- A materialized view is among the views of the standard, with the statement that made it, as on Redshift; tools tell it
-- from others by that text (dbt's list of relations). The server's own definitions leave them out. They have the columns
-- of late-binding views, which only PG_GET_LATE_BINDING_VIEW_COLS knows there.
-- https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-overview.html
CREATE OR REPLACE FUNCTION velodrome.view_definition(view oid, pretty boolean) RETURNS text LANGUAGE sql STABLE
RETURN coalesce(
    (SELECT l.source FROM velodrome.late_binding_views l WHERE l.relid = view),
    (SELECT m.source FROM velodrome.materialized_views m WHERE m.relid = view),
    replace(CASE WHEN pretty IS NULL THEN velodrome.view_text(view) ELSE velodrome.view_text(view, pretty) END, 'velodrome.', '')
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
