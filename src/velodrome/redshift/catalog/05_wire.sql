-- Binary forms that drivers ask for and PostgreSQL does not have, or has otherwise.

-- An earlier version had a form of intervals for Amazon's drivers here; the gateway has it now (wire_rows.py).
UPDATE pg_catalog.pg_type SET typsend = 'pg_catalog.interval_send'::regproc WHERE oid = 'interval'::regtype;
DROP FUNCTION IF EXISTS velodrome.interval_send(interval);

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
