-- Functions that wait, lock, store large objects or read files, which Redshift has not: no client calls them, not even
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
              || '|from_bytea)|pg_read_(binary_)?file|pg_ls_.*|pg_stat_file)$')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', refused);
    END LOOP;
END
$$;
