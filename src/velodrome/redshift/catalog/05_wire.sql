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

-- Encodings in which a byte of a character can be a quote's or a backslash's: the gateway reads a statement's text in
-- UTF-8, and what it takes for a string would be none. Redshift has UTF-8 only:
-- https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-and-postgres-sql.html
DELETE FROM pg_catalog.pg_conversion
WHERE pg_encoding_to_char(conforencoding) IN ('SJIS', 'BIG5', 'GBK', 'UHC', 'GB18030', 'JOHAB', 'SHIFT_JIS_2004')
    OR pg_encoding_to_char(contoencoding) IN ('SJIS', 'BIG5', 'GBK', 'UHC', 'GB18030', 'JOHAB', 'SHIFT_JIS_2004');
