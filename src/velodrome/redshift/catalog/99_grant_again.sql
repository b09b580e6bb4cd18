-- Rights on views that users had been given before the files made the views anew.
DO $$
DECLARE
    right_ record;
BEGIN
    FOR right_ IN SELECT * FROM pg_temp.granted LOOP
        IF to_regclass(format('%I.%I', right_.nspname, right_.relname)) IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %I.%I TO %s', right_.privilege_type, right_.nspname, right_.relname, right_.grantee);
        END IF;
    END LOOP;
END $$;
