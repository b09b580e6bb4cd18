-- Superusers may write to every table (10_users.sql), but not to what this schema keeps: some of it is SQL that the
-- server inside runs with rights that no client has.
CREATE OR REPLACE FUNCTION velodrome.only_inside() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_user <> 'rdsdb' THEN
        RAISE EXCEPTION 'permission denied for relation %', TG_TABLE_NAME USING ERRCODE = '42501';
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE
    kept regclass;
BEGIN
    FOR kept IN SELECT oid FROM pg_class WHERE relnamespace = 'velodrome'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER only_inside BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION velodrome.only_inside()', kept);
    END LOOP;
END $$;
