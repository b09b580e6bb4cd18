-- Ending others' statements and sessions. Who may is PostgreSQL's to say: one's own, and superusers anybody's.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_CANCEL.html: the message would be shown to whose query is cancelled
CREATE OR REPLACE PROCEDURE velodrome.cancel(process bigint, message text) LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM velodrome.activity() a WHERE a.pid = process) THEN
        RAISE EXCEPTION 'Session % does not exist. The session PID might have changed. Check the stl_restarted_sessions system table for details.', process
            USING ERRCODE = '22023';
    END IF;
    IF message <> '' THEN
        RAISE NOTICE 'the message of CANCEL is not passed on by this local warehouse';
    END IF;
    PERFORM pg_catalog.pg_cancel_backend(process::int);
END $$;

-- 1 for yes and 0 for no: https://docs.aws.amazon.com/redshift/latest/dg/PG_CANCEL_BACKEND.html, …/PG_TERMINATE_BACKEND.html
CREATE OR REPLACE FUNCTION velodrome.pg_cancel_backend(process bigint) RETURNS int LANGUAGE sql VOLATILE STRICT
RETURN pg_catalog.pg_cancel_backend(process::int)::int;
CREATE OR REPLACE FUNCTION velodrome.pg_terminate_backend(process bigint) RETURNS int LANGUAGE sql VOLATILE STRICT
RETURN pg_catalog.pg_terminate_backend(process::int)::int;
