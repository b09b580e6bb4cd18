-- Distribution, sort keys and encodings of columns, from what was noted of their tables.

-- The encodings in the order of their numbers here; Redshift documents no numbers.
-- https://docs.aws.amazon.com/redshift/latest/dg/c_Compression_encodings.html
CREATE OR REPLACE FUNCTION velodrome.encodings() RETURNS text[] LANGUAGE sql IMMUTABLE
RETURN '{none,bytedict,delta,delta32k,lzo,mostly8,mostly16,mostly32,runlength,text255,text32k,zstd,az64}'::text[];

-- The encoding that a column was given last, else the one that Redshift takes: sort keys and BOOLEAN, REAL, DOUBLE
-- PRECISION stay raw. https://docs.aws.amazon.com/redshift/latest/dg/c_Compression_encodings.html
CREATE OR REPLACE FUNCTION velodrome.encoding(noted jsonb, sorted boolean, name text, type oid) RETURNS text LANGUAGE sql IMMUTABLE
RETURN coalesce(
    (
        SELECT CASE e ->> 1 WHEN 'raw' THEN 'none' WHEN 'auto' THEN NULL ELSE e ->> 1 END
        FROM jsonb_array_elements(noted) WITH ORDINALITY AS l (e, place) WHERE e ->> 0 = name ORDER BY place DESC LIMIT 1
    ),
    CASE
        WHEN sorted THEN 'none'
        WHEN type IN ('varchar'::regtype, 'text'::regtype, 'bpchar'::regtype) THEN 'lzo'
        WHEN type IN ('bool'::regtype, 'float4'::regtype, 'float8'::regtype) THEN 'none'
        WHEN type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'date'::regtype,
            'timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype, 'timetz'::regtype) THEN 'az64'
        ELSE 'none'
    END
);
CREATE OR REPLACE FUNCTION pg_catalog.format_encoding(number int) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT
RETURN (velodrome.encodings())[number + 1]::bpchar;

-- Where a column stands in its table's sort key, 0 outside it; an interleaved key's columns are negative by turns.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_TABLE_DEF.html
CREATE OR REPLACE FUNCTION velodrome.sortkey(style text, columns text[], name text) RETURNS int LANGUAGE sql IMMUTABLE
RETURN coalesce(array_position(columns, name), 0)
    * CASE WHEN style = 'interleaved' AND array_position(columns, name) % 2 = 0 THEN -1 ELSE 1 END;

-- pg_class.reldiststyle: https://docs.aws.amazon.com/redshift/latest/dg/viewing-distribution-styles.html
CREATE OR REPLACE FUNCTION velodrome.diststyle_number(style text) RETURNS smallint LANGUAGE sql IMMUTABLE
RETURN (CASE style WHEN 'even' THEN 0 WHEN 'key' THEN 1 WHEN 'all' THEN 8 ELSE 10 END)::smallint;
CREATE OR REPLACE FUNCTION velodrome.diststyle_words(style text, distkey text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE style WHEN 'even' THEN 'EVEN' WHEN 'key' THEN 'KEY(' || distkey || ')' WHEN 'all' THEN 'ALL' ELSE 'AUTO(ALL)' END;

-- Tables of the search path only: https://docs.aws.amazon.com/redshift/latest/dg/r_PG_TABLE_DEF.html
CREATE VIEW pg_catalog.pg_table_def AS
SELECT n.nspname AS schemaname, c.relname AS tablename, a.attname AS "column",
    velodrome.type_name(a.atttypid, a.atttypmod, true) AS type,
    velodrome.encoding(t.encodings, a.attname = ANY (t.sortkey_columns), a.attname::text, a.atttypid)::bpchar AS encoding,
    coalesce(t.distkey = a.attname, false) AS distkey,
    velodrome.sortkey(t.sortkey_style, t.sortkey_columns, a.attname::text) AS sortkey,
    velodrome.is_not_null(a) AS "notnull"
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN velodrome.table_notes t ON t.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND n.nspname = ANY (current_schemas(false));
GRANT SELECT ON pg_catalog.pg_table_def TO PUBLIC;
