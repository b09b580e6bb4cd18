-- The system views that drivers and people ask for first.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_TABLE_DEF.html: tables of the search path only
CREATE OR REPLACE VIEW pg_catalog.pg_table_def AS
SELECT n.nspname AS schemaname, c.relname AS tablename, a.attname AS "column",
    format_type(a.atttypid, a.atttypmod) AS type,
    coalesce((SELECT e ->> 1 FROM jsonb_array_elements(t.encodings) e WHERE e ->> 0 = a.attname LIMIT 1), 'none') AS encoding,
    coalesce(t.distkey = a.attname, false) AS distkey,
    coalesce(array_position(t.sortkey_columns, a.attname::text), 0) AS sortkey,
    a.attnotnull AS "notnull"
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN velodrome.table_notes t ON t.relid = c.oid
WHERE c.relkind = 'r' AND n.nspname = ANY (current_schemas(false));
GRANT SELECT ON pg_catalog.pg_table_def TO PUBLIC;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TABLES.html, …/r_SVV_COLUMNS.html
CREATE OR REPLACE VIEW pg_catalog.svv_tables AS
SELECT table_catalog, table_schema, table_name, table_type, NULL::text AS remarks
FROM information_schema.tables WHERE table_schema <> 'velodrome';
CREATE OR REPLACE VIEW pg_catalog.svv_columns AS
SELECT table_catalog, table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type,
    character_maximum_length, numeric_precision, numeric_precision_radix, numeric_scale, datetime_precision,
    interval_type, interval_precision, character_set_catalog, character_set_schema, character_set_name,
    collation_catalog, collation_schema, collation_name, domain_name, NULL::text AS remarks
FROM information_schema.columns WHERE table_schema <> 'velodrome';
CREATE OR REPLACE VIEW pg_catalog.svv_all_tables AS
SELECT table_catalog AS database_name, table_schema AS schema_name, table_name,
    CASE table_type WHEN 'BASE TABLE' THEN 'TABLE' WHEN 'LOCAL TEMPORARY' THEN 'TABLE' ELSE table_type END AS table_type,
    NULL::text AS table_acl, NULL::text AS remarks
FROM information_schema.tables WHERE table_schema <> 'velodrome';
GRANT SELECT ON pg_catalog.svv_tables, pg_catalog.svv_columns, pg_catalog.svv_all_tables TO PUBLIC;
