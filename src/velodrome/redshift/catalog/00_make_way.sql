-- Views that earlier files made go, so that the files may change their columns. One that a user's view reads, itself or
-- through another, steps aside: it keeps answering under another name, and goes at the first change after its reader.
-- The server's own views have numbers below 16384.
CREATE TEMP VIEW our_views AS
SELECT c.oid, c.reltype, n.nspname, c.relname, c.relacl, c.relowner
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND c.oid >= 16384 AND n.nspname IN ('pg_catalog', 'velodrome')
    AND NOT starts_with(c.relname, 'standard_');  -- the server's own, kept by 32_information_schema.sql

-- Rights on them that users were given.
CREATE TEMP TABLE granted ON COMMIT DROP AS
SELECT v.nspname, v.relname, a.grantee::regrole::text AS grantee, a.privilege_type
FROM our_views v, aclexplode(v.relacl) a
WHERE a.grantee >= 16384 AND a.grantee <> v.relowner AND v.relname !~ '~';

CREATE TEMP TABLE in_use ON COMMIT DROP AS
WITH RECURSIVE reads AS (
    SELECT coalesce(r.ev_class, d.objid) AS reader, v.oid AS source FROM pg_depend d
    JOIN our_views v ON d.refobjid IN (v.oid, v.reltype)
    LEFT JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass) AND r.ev_class IS DISTINCT FROM v.oid
), used AS (
    SELECT source FROM reads WHERE reader NOT IN (SELECT oid FROM our_views)
    UNION SELECT reads.source FROM reads JOIN used ON reads.reader = used.source
)
SELECT v.oid, v.nspname, v.relname, left(v.relname, 40) || '~' || v.oid AS aside
FROM our_views v WHERE v.oid IN (SELECT source FROM used);

DO $$
DECLARE
    view record;
    unused text := (
        SELECT string_agg(format('%I.%I', nspname, relname), ', ') FROM our_views WHERE oid NOT IN (SELECT oid FROM in_use)
    );
BEGIN
    FOR view IN SELECT * FROM in_use WHERE relname !~ '~' LOOP
        EXECUTE format('ALTER VIEW %I.%I RENAME TO %I', view.nspname, view.relname, view.aside);
        IF view.nspname <> 'velodrome' THEN
            EXECUTE format('ALTER VIEW %I.%I SET SCHEMA velodrome', view.nspname, view.aside);
        END IF;
    END LOOP;
    IF unused IS NOT NULL THEN
        EXECUTE 'DROP VIEW ' || unused;
    END IF;
END $$;
DROP VIEW our_views;
