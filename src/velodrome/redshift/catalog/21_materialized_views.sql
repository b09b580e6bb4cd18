-- Materialized views: https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-overview.html
-- Each is one of the server inside. What it reads, and the snapshot it was last filled from, are kept beside it; a
-- trigger of each table that one reads notes the transactions that wrote to it. So a view is known to be stale exactly
-- if a table has been written by a transaction that its snapshot did not see.
CREATE TABLE IF NOT EXISTS velodrome.materialized_views (
    relid oid PRIMARY KEY,
    auto_refresh boolean NOT NULL,
    incremental boolean NOT NULL,
    bases oid[] NOT NULL DEFAULT '{}',
    seen pg_snapshot,
    refreshed_in xid8,
    last_change bigint
);
ALTER TABLE velodrome.materialized_views ADD COLUMN IF NOT EXISTS source text;  -- the statement that made it
CREATE TABLE IF NOT EXISTS velodrome.changes (relid oid, xid xid8, number bigint NOT NULL, PRIMARY KEY (relid, xid));
CREATE SEQUENCE IF NOT EXISTS velodrome.change_number;
CREATE TABLE IF NOT EXISTS velodrome.refreshes (
    userid bigint NOT NULL,
    pid int NOT NULL,
    xid bigint NOT NULL,
    schema_name name NOT NULL,
    mv_id oid NOT NULL,
    mv_name name NOT NULL,
    refresh_type text NOT NULL,
    status text NOT NULL,
    start_time timestamp NOT NULL,
    end_time timestamp NOT NULL
);

CREATE OR REPLACE FUNCTION velodrome.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO velodrome.changes VALUES (TG_RELID, pg_current_xact_id(), nextval('velodrome.change_number'))
        ON CONFLICT (relid, xid) DO UPDATE SET number = excluded.number;
    RETURN NULL;
END $$;

-- Tables and materialized views that a view's query reads, through views too.
CREATE OR REPLACE FUNCTION velodrome.bases(view oid) RETURNS oid[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE reads (relid) AS (
        SELECT view
        UNION
        SELECT found.relid FROM reads JOIN LATERAL (
            SELECT d.refobjid AS relid FROM pg_rewrite w
            JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
            WHERE w.ev_class = reads.relid AND d.refobjid <> reads.relid
            UNION ALL SELECT unnest(l.objects) FROM velodrome.late_binding_views l WHERE l.relid = reads.relid
        ) found ON true
        WHERE reads.relid = view OR (SELECT relkind FROM pg_class WHERE oid = reads.relid) = 'v'
    )
    SELECT coalesce(array_agg(c.oid), '{}') FROM reads JOIN pg_class c ON c.oid = reads.relid
    WHERE c.oid <> view AND c.relkind IN ('r', 'm')
$$;

CREATE OR REPLACE FUNCTION velodrome.is_stale(view oid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM velodrome.materialized_views m JOIN velodrome.changes c ON c.relid = ANY (m.bases)
        WHERE m.relid = view AND NOT pg_visible_in_snapshot(c.xid, m.seen)
        AND NOT (c.xid = m.refreshed_in AND c.number <= m.last_change)
    )
$$;

-- The stale materialized views that a view reads, nearest to the tables first.
CREATE OR REPLACE FUNCTION velodrome.stale_bases(view oid) RETURNS SETOF oid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE above (relid, depth) AS (
        SELECT b, 1 FROM velodrome.materialized_views m, unnest(m.bases) b WHERE m.relid = view
        UNION ALL
        SELECT b, depth + 1 FROM above JOIN velodrome.materialized_views m USING (relid), unnest(m.bases) b WHERE depth < 50
    )
    SELECT relid FROM above JOIN velodrome.materialized_views USING (relid)
    GROUP BY relid HAVING bool_or(velodrome.is_stale(relid)) ORDER BY max(depth) DESC
$$;

CREATE OR REPLACE FUNCTION velodrome.check_owner(view oid) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = view AND relkind = 'm' AND pg_has_role(session_user, relowner, 'USAGE')) THEN
        RAISE EXCEPTION 'must be owner of materialized view %', (SELECT relname FROM pg_class WHERE oid = view) USING ERRCODE = '42501';
    END IF;
END $$;

-- What a refresh that has been done leaves behind; `seen` was taken before it, so that nothing is thought to be in the
-- view that is not.
CREATE OR REPLACE FUNCTION velodrome.refreshed(view oid, taken pg_snapshot, began timestamp, was_stale boolean, kind text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    reads oid[] := velodrome.bases(view);
    found oid;
BEGIN
    PERFORM velodrome.check_owner(view);
    FOREACH found IN ARRAY reads LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = found AND tgname = 'velodrome_changed')
            AND (SELECT relkind FROM pg_class WHERE oid = found) = 'r' THEN
            EXECUTE format('CREATE TRIGGER velodrome_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
                FOR EACH STATEMENT EXECUTE FUNCTION velodrome.note_change()', velodrome.relation_name(found));
            -- Not shown to clients, who know no triggers.
            UPDATE pg_trigger SET tgisinternal = true WHERE tgrelid = found AND tgname = 'velodrome_changed';
        END IF;
    END LOOP;
    UPDATE velodrome.materialized_views SET bases = reads, seen = taken, refreshed_in = pg_current_xact_id(),
        last_change = nextval('velodrome.change_number') WHERE relid = view;
    IF was_stale THEN  -- what reads this one is stale now
        INSERT INTO velodrome.changes VALUES (view, pg_current_xact_id(), nextval('velodrome.change_number'))
            ON CONFLICT (relid, xid) DO UPDATE SET number = excluded.number;
    END IF;
    DELETE FROM velodrome.changes c WHERE c.relid = ANY (reads) AND NOT EXISTS (
        SELECT FROM velodrome.materialized_views m
        WHERE c.relid = ANY (m.bases) AND NOT pg_visible_in_snapshot(c.xid, m.seen)
    );
    IF kind <> 'Create' THEN
        INSERT INTO velodrome.refreshes SELECT (SELECT oid FROM pg_roles WHERE rolname = session_user), pg_backend_pid(),
            pg_current_xact_id()::text::bigint, n.nspname, c.oid, c.relname, kind,
            CASE WHEN NOT was_stale THEN 'MV was already updated' WHEN m.incremental THEN 'Refresh successfully updated MV incrementally'
                ELSE 'Refresh successfully recomputed MV from scratch' END, began, clock_timestamp()
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN velodrome.materialized_views m ON m.relid = c.oid WHERE c.oid = view;
        DELETE FROM velodrome.refreshes WHERE end_time < now() - interval '7 days';
    END IF;
END $$;

-- Fills a view with the rights of who calls.
CREATE OR REPLACE FUNCTION velodrome.refresh(view oid, kind text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET velodrome.binding = 'on' AS $$
DECLARE
    taken pg_snapshot := pg_current_snapshot();
    began timestamp := clock_timestamp();
    stale boolean := velodrome.is_stale(view);
BEGIN
    EXECUTE 'REFRESH MATERIALIZED VIEW ' || velodrome.relation_name(view);
    PERFORM velodrome.refreshed(view, taken, began, stale, kind);
END $$;

-- What REFRESH … CASCADE does before, in a procedure.
CREATE OR REPLACE FUNCTION velodrome.refresh_bases(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found oid;
BEGIN
    FOR found IN SELECT velodrome.stale_bases(pg_catalog.to_regclass(name)) LOOP
        PERFORM velodrome.refresh(found, 'Manual');
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION velodrome.created_materialized_view(view oid, note jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    layout jsonb := coalesce(note -> 'layout', '{}');
BEGIN
    PERFORM velodrome.check_owner(view);
    INSERT INTO velodrome.materialized_views (relid, auto_refresh, incremental, source) VALUES (
        view, coalesce((note ->> 'auto')::boolean, false), coalesce((note ->> 'incremental')::boolean, false), note ->> 'source'
    ) ON CONFLICT (relid) DO UPDATE SET auto_refresh = coalesce((note ->> 'auto')::boolean, materialized_views.auto_refresh);
    INSERT INTO velodrome.table_notes AS t (relid, diststyle, distkey, sortkey_style, sortkey_columns, backup) VALUES (
        view, layout ->> 'diststyle', layout ->> 'distkey', layout -> 'sortkey' ->> 'style',
        velodrome.strings(layout -> 'sortkey' -> 'columns'), layout ->> 'backup' <> 'no'
    ) ON CONFLICT (relid) DO UPDATE SET
        diststyle = coalesce(excluded.diststyle, t.diststyle),
        distkey = CASE WHEN excluded.diststyle IS NULL THEN t.distkey ELSE excluded.distkey END,
        sortkey_style = coalesce(excluded.sortkey_style, t.sortkey_style),
        sortkey_columns = coalesce(excluded.sortkey_columns, t.sortkey_columns);
    -- A setting of the database tells the task that refreshes views where to look.
    IF (note ->> 'auto')::boolean THEN
        EXECUTE format('ALTER DATABASE %I SET velodrome.auto_refresh = %L', current_database(), 'on');
    END IF;
END $$;

-- How things stand before a refresh, whichever of the user's views it is of: [stale, reads a stale one] by the view's number.
CREATE OR REPLACE FUNCTION velodrome.before_any_refresh() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('seen', pg_current_snapshot()::text, 'at', clock_timestamp()::timestamp::text, 'views', (
        SELECT jsonb_object_agg(relid, jsonb_build_array(velodrome.is_stale(relid), EXISTS (SELECT velodrome.stale_bases(relid)))) FROM velodrome.materialized_views m
            JOIN pg_class c ON c.oid = m.relid WHERE pg_has_role(session_user, c.relowner, 'USAGE')
    ))
$$;
CREATE OR REPLACE FUNCTION velodrome.before_refresh() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.current_setting('velodrome.binding', true) = 'on' THEN
        RETURN;
    END IF;
    PERFORM velodrome.refresh_bases(n ->> 'name') FROM velodrome.view_notes() n WHERE n ->> 'refresh' = 'cascade';
    PERFORM pg_catalog.set_config('velodrome.refreshing', velodrome.before_any_refresh()::text, true);
END $$;

CREATE OR REPLACE FUNCTION velodrome.after_materialized_view() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    command record;
    note jsonb;
    before jsonb;
    state jsonb;
BEGIN
    IF current_setting('velodrome.binding', true) = 'on' THEN
        RETURN;
    END IF;
    FOR command IN
        SELECT c.objid, c.command_tag, r.relname, (SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid = r.relnamespace) AS nspname
        FROM pg_event_trigger_ddl_commands() c JOIN pg_class r ON r.oid = c.objid AND r.relkind = 'm'
    LOOP
        SELECT n INTO note FROM velodrome.view_notes() n
            WHERE n ->> 'relation' = command.relname AND (n ->> 'schema' = '' OR n ->> 'schema' = command.nspname);
        IF command.command_tag = 'REFRESH MATERIALIZED VIEW' THEN
            before := current_setting('velodrome.refreshing')::jsonb;
            state := before -> 'views' -> command.objid::text;
            PERFORM velodrome.refreshed(command.objid, (before ->> 'seen')::pg_snapshot, (before ->> 'at')::timestamp, (state ->> 0)::boolean, 'Manual');
            RAISE INFO '%', velodrome.refresh_message(command.objid, (state ->> 0)::boolean, (state ->> 1)::boolean);
        ELSIF command.command_tag = 'CREATE MATERIALIZED VIEW' THEN
            -- In a procedure there is no note.
            PERFORM velodrome.created_materialized_view(command.objid, coalesce(note, '{}'));
            PERFORM velodrome.refresh(command.objid, 'Create');
        ELSIF note IS NOT NULL THEN
            PERFORM velodrome.created_materialized_view(command.objid, note);
        END IF;
    END LOOP;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-refresh.html
CREATE OR REPLACE FUNCTION velodrome.refresh_message(view oid, was_stale boolean, bases_stale boolean) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('Materialized view %s ', c.relname) || CASE
        WHEN was_stale AND m.incremental THEN 'was incrementally updated successfully.'
        WHEN was_stale THEN 'was recomputed successfully.'
        WHEN bases_stale THEN 'is already up to date. However, it depends on another materialized view that is not up to date.'
        ELSE 'is already up to date.'
    END FROM velodrome.materialized_views m JOIN pg_class c ON c.oid = m.relid WHERE m.relid = view
$$;

CREATE OR REPLACE FUNCTION velodrome.after_drop_materialized_view() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped oid[] := ARRAY(SELECT objid FROM pg_event_trigger_dropped_objects() WHERE objsubid = 0 AND classid = 'pg_class'::regclass);
    unread oid[];
    found oid;
BEGIN
    unread := ARRAY(SELECT DISTINCT b FROM velodrome.materialized_views m, unnest(m.bases) b WHERE m.relid = ANY (dropped));
    DELETE FROM velodrome.materialized_views WHERE relid = ANY (dropped);
    DELETE FROM velodrome.changes WHERE relid = ANY (dropped);
    DELETE FROM velodrome.table_notes WHERE relid = ANY (dropped);
    FOR found IN
        SELECT t.tgrelid FROM pg_trigger t WHERE t.tgrelid = ANY (unread) AND t.tgname = 'velodrome_changed'
        AND NOT EXISTS (SELECT FROM velodrome.materialized_views m WHERE t.tgrelid = ANY (m.bases))
    LOOP
        UPDATE pg_trigger SET tgisinternal = false WHERE tgrelid = found AND tgname = 'velodrome_changed';
        EXECUTE format('DROP TRIGGER velodrome_changed ON %s', velodrome.relation_name(found));
        DELETE FROM velodrome.changes WHERE relid = found;
    END LOOP;
END $$;

DROP EVENT TRIGGER IF EXISTS velodrome_before_refresh;
CREATE EVENT TRIGGER velodrome_before_refresh ON ddl_command_start WHEN TAG IN ('REFRESH MATERIALIZED VIEW') EXECUTE FUNCTION velodrome.before_refresh();
DROP EVENT TRIGGER IF EXISTS velodrome_then_materialized_view;
CREATE EVENT TRIGGER velodrome_then_materialized_view ON ddl_command_end WHEN TAG IN (
    'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'REFRESH MATERIALIZED VIEW'
) EXECUTE FUNCTION velodrome.after_materialized_view();
DROP EVENT TRIGGER IF EXISTS velodrome_after_drop_materialized_view;
CREATE EVENT TRIGGER velodrome_after_drop_materialized_view ON sql_drop EXECUTE FUNCTION velodrome.after_drop_materialized_view();

-- Called by the task that refreshes views, as the owner of the server; its errors are noted by its caller.
CREATE OR REPLACE FUNCTION velodrome.views_to_refresh() RETURNS SETOF oid LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT m.relid FROM velodrome.materialized_views m
    WHERE m.auto_refresh AND (velodrome.is_stale(m.relid) OR EXISTS (SELECT velodrome.stale_bases(m.relid)));
END;
CREATE OR REPLACE PROCEDURE velodrome.refresh_automatically(view oid) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid;
BEGIN
    FOR found IN SELECT velodrome.stale_bases(view) LOOP
        PERFORM velodrome.refresh(found, 'Auto');
    END LOOP;
    IF velodrome.is_stale(view) THEN
        PERFORM velodrome.refresh(view, 'Auto');
    END IF;
END $$;
CREATE OR REPLACE PROCEDURE velodrome.note_failed_refresh(view oid) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO velodrome.refreshes SELECT (SELECT oid FROM pg_roles WHERE rolname = session_user), pg_backend_pid(),
        pg_current_xact_id()::text::bigint, n.nspname, c.oid, c.relname, 'Auto', 'Refresh failed due to an internal error', now(), now()
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = view
$$;
REVOKE EXECUTE ON PROCEDURE velodrome.refresh_automatically, velodrome.note_failed_refresh FROM PUBLIC;

-- COMMENT ON VIEW, of either kind; with the rights and the search path of the client.
CREATE OR REPLACE PROCEDURE velodrome.comment_on_view(view text, comment text) LANGUAGE plpgsql AS $$
DECLARE
    found pg_catalog.regclass := pg_catalog.to_regclass(view);
    parts pg_catalog.text[] := pg_catalog.parse_ident(view);
BEGIN
    IF found IS NULL THEN
        RAISE EXCEPTION 'relation "%" does not exist', pg_catalog.array_to_string(parts[greatest(pg_catalog.cardinality(parts) - 1, 1):], '.')
            USING ERRCODE = '42P01';
    END IF;
    EXECUTE pg_catalog.format(
        'COMMENT ON %s %s IS %L',
        CASE (SELECT relkind FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) found) WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END,
        found, comment
    );
END $$;
