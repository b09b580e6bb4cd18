-- Everybody may ask each view of 41 to 48; what it shows depends on who asks.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'v'
            AND relname ~ '^(stl|stv|svl|sys)_|^svv_(transactions|query_inflight)$'
    LOOP
        EXECUTE format('GRANT SELECT ON pg_catalog.%I TO PUBLIC', name);
    END LOOP;
END $$;
