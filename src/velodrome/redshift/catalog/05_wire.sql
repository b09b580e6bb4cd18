-- Binary forms that drivers ask for and PostgreSQL does not have, or has otherwise.

-- Amazon's drivers read an interval of 12 bytes (microseconds, days and months of 2 bytes each), everybody else one of
-- PostgreSQL's 16. https://github.com/aws/amazon-redshift-python-driver (interval_recv_integer)
CREATE OR REPLACE FUNCTION velodrome.interval_send(value interval) RETURNS bytea LANGUAGE sql STABLE STRICT
RETURN CASE current_setting('velodrome.driver', true)
    WHEN 'amazon' THEN substring(pg_catalog.interval_send(value) FOR 8)
        || substring(pg_catalog.interval_send(value) FROM 11 FOR 2) || substring(pg_catalog.interval_send(value) FROM 15 FOR 2)
    ELSE pg_catalog.interval_send(value)
END;
UPDATE pg_catalog.pg_type SET typsend = 'velodrome.interval_send'::regproc WHERE oid = 'interval'::regtype;

-- An item of an access list is its text in both forms.
CREATE OR REPLACE FUNCTION velodrome.aclitem_send(value aclitem) RETURNS bytea LANGUAGE sql STABLE STRICT
RETURN convert_to(value::text, 'UTF8');
UPDATE pg_catalog.pg_type SET typsend = 'velodrome.aclitem_send'::regproc WHERE oid = 'aclitem'::regtype;
