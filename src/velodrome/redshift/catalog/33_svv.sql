-- Databases, schemas, tables, columns and functions. A user sees what he owns or has a right on, a superuser all:
-- https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_system-tables.html#c_visibility-of-data
CREATE OR REPLACE FUNCTION velodrome.sees_table(relation oid, owner oid) RETURNS boolean LANGUAGE sql STABLE
RETURN pg_has_role(owner, 'USAGE')
    OR has_table_privilege(relation, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    OR has_any_column_privilege(relation, 'SELECT, INSERT, UPDATE, REFERENCES')
    OR velodrome.is_superuser();
CREATE OR REPLACE FUNCTION velodrome.sees_schema(schema oid, owner oid) RETURNS boolean LANGUAGE sql STABLE
RETURN pg_has_role(owner, 'USAGE') OR has_schema_privilege(schema, 'CREATE, USAGE') OR velodrome.is_superuser();

-- Tables and views of this database. A materialized view is a view, as on Redshift; temporary tables stand in pg_temp_….
CREATE VIEW velodrome.relations AS
SELECT c.oid, c.relname, c.relowner, c.relacl, c.relkind, n.nspname,
    CASE WHEN c.relkind IN ('v', 'm') THEN 'VIEW' WHEN c.relkind = 'f' THEN 'EXTERNAL TABLE' ELSE 'BASE TABLE' END AS table_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname NOT IN ('velodrome', 'pg_velodrome_rls') AND n.nspname <> 'pg_toast'
    AND NOT pg_is_other_temp_schema(n.oid) AND velodrome.sees_table(c.oid, c.relowner);

-- Their columns.
CREATE VIEW velodrome.relation_columns AS
SELECT r.oid, r.nspname, r.relname, a.attname, a.attnum, a.atttypid, a.atttypmod, velodrome.is_not_null(a) AS attnotnull, a.attacl,
    t.distkey, t.sortkey_style, t.sortkey_columns, t.encodings, r.relkind,
    (SELECT d.adsrc FROM velodrome.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) AS column_default,
    col_description(a.attrelid, a.attnum) AS remarks,
    information_schema._pg_char_max_length(a.atttypid, a.atttypmod) AS character_maximum_length,
    information_schema._pg_numeric_precision(a.atttypid, a.atttypmod) AS numeric_precision,
    information_schema._pg_numeric_precision_radix(a.atttypid, a.atttypmod) AS numeric_precision_radix,
    information_schema._pg_numeric_scale(a.atttypid, a.atttypmod) AS numeric_scale,
    information_schema._pg_datetime_precision(a.atttypid, a.atttypmod) AS datetime_precision
FROM velodrome.relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN velodrome.table_notes t ON t.relid = r.oid;
GRANT SELECT ON velodrome.relations, velodrome.relation_columns TO PUBLIC;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TABLES.html
CREATE VIEW pg_catalog.svv_tables AS
SELECT current_database()::text AS table_catalog, nspname::text AS table_schema, relname::text AS table_name, table_type,
    obj_description(oid, 'pg_class') AS remarks
FROM velodrome.relations;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_COLUMNS.html
CREATE VIEW pg_catalog.svv_columns AS
SELECT current_database()::text AS table_catalog, nspname::text AS table_schema, relname::text AS table_name,
    attname::text AS column_name, attnum::int AS ordinal_position, column_default,
    CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, velodrome.type_name(atttypid, atttypmod) AS data_type,
    character_maximum_length, numeric_precision, numeric_precision_radix, numeric_scale, datetime_precision,
    NULL::text AS interval_type, NULL::text AS interval_precision, NULL::text AS character_set_catalog,
    NULL::text AS character_set_schema, NULL::text AS character_set_name, NULL::text AS collation_catalog,
    NULL::text AS collation_schema, NULL::text AS collation_name, NULL::text AS domain_name, remarks
FROM velodrome.relation_columns;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_TABLES.html
CREATE VIEW velodrome.here_svv_redshift_tables AS
SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name, relname::varchar(128) AS table_name,
    replace(table_type, 'BASE TABLE', 'TABLE')::varchar(128) AS table_type, velodrome.acl_text(relacl)::varchar(128) AS table_acl,
    obj_description(oid, 'pg_class')::varchar(128) AS remarks, pg_get_userbyid(relowner)::varchar(128) AS table_owner
FROM velodrome.relations WHERE relkind <> 'f';

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_TABLES.html
CREATE VIEW velodrome.here_svv_all_tables AS
SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name, relname::varchar(128) AS table_name,
    velodrome.acl_text(relacl)::varchar(128) AS table_acl, replace(table_type, 'BASE TABLE', 'TABLE')::varchar(128) AS table_type,
    obj_description(oid, 'pg_class')::varchar(256) AS remarks
FROM velodrome.relations;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_COLUMNS.html
CREATE VIEW velodrome.here_svv_redshift_columns AS
SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name, relname::varchar(128) AS table_name,
    attname::varchar(128) AS column_name, attnum::int AS ordinal_position, velodrome.type_name(atttypid, atttypmod, true)::varchar(32) AS data_type,
    column_default::varchar(4000) AS column_default, (CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END)::varchar(3) AS is_nullable,
    (CASE WHEN relkind IN ('r', 'm') THEN velodrome.encoding(encodings, attname = ANY (sortkey_columns), attname::text, atttypid)
        ELSE '' END)::varchar(128) AS encoding,
    coalesce(distkey = attname, false) AS distkey, velodrome.sortkey(sortkey_style, sortkey_columns, attname::text) AS sortkey,
    velodrome.acl_text(attacl)::varchar(128) AS column_acl, remarks::varchar(256) AS remarks
FROM velodrome.relation_columns WHERE relkind <> 'f';

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_COLUMNS.html
CREATE VIEW velodrome.here_svv_all_columns AS
SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name, relname::varchar(128) AS table_name,
    attname::varchar(128) AS column_name, attnum::int AS ordinal_position, column_default::varchar(4000) AS column_default,
    (CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END)::varchar(3) AS is_nullable, velodrome.type_name(atttypid, atttypmod)::varchar(128) AS data_type,
    character_maximum_length, numeric_precision, numeric_scale, remarks::varchar(256) AS remarks
FROM velodrome.relation_columns;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_SCHEMAS.html
CREATE VIEW velodrome.here_svv_redshift_schemas AS
SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name, nspowner::int AS schema_owner,
    'local'::varchar(16) AS schema_type, velodrome.acl_text(nspacl)::varchar(128) AS schema_acl, ''::varchar(128) AS schema_option
FROM velodrome.pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_' AND velodrome.sees_schema(oid, nspowner);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_SCHEMAS.html
CREATE VIEW velodrome.here_svv_all_schemas AS
SELECT database_name, schema_name, schema_owner, schema_type::varchar(128) AS schema_type, schema_acl,
    NULL::varchar(128) AS source_database, schema_option::varchar(256) AS schema_option
FROM velodrome.here_svv_redshift_schemas;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_DATABASES.html
CREATE VIEW pg_catalog.svv_redshift_databases AS
SELECT datname::varchar(128) AS database_name, datdba::int AS database_owner, 'local'::varchar(32) AS database_type,
    velodrome.acl_text(datacl)::varchar(128) AS database_acl, 'NULL'::varchar(128) AS database_options,
    'Snapshot Isolation'::varchar(128) AS database_isolation_level
FROM velodrome.pg_database WHERE NOT datistemplate;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_FUNCTIONS.html
CREATE VIEW velodrome.here_svv_redshift_functions AS
SELECT current_database()::varchar(128) AS database_name, n.nspname::varchar(128) AS schema_name, p.proname::varchar(128) AS function_name,
    (CASE p.prokind WHEN 'a' THEN 'AGGREGATE FUNCTION' WHEN 'p' THEN 'STORED PROCEDURE' ELSE 'REGULAR FUNCTION' END)::varchar(128)
        AS function_type,
    oidvectortypes(velodrome.signature(p.prokind, p.proargtypes, p.pronargdefaults))::varchar(512) AS argument_type, format_type(p.prorettype, NULL)::varchar(128) AS result_type
FROM pg_proc p JOIN velodrome.pg_namespace n ON n.oid = p.pronamespace
WHERE pg_has_role(p.proowner, 'USAGE') OR has_function_privilege(p.oid, 'EXECUTE') OR velodrome.is_superuser();

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_TABLES.html
CREATE VIEW pg_catalog.svv_redshift_tables AS SELECT * FROM velodrome.here_svv_redshift_tables;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_TABLES.html
CREATE VIEW pg_catalog.svv_all_tables AS SELECT * FROM velodrome.here_svv_all_tables;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_COLUMNS.html
CREATE VIEW pg_catalog.svv_redshift_columns AS SELECT * FROM velodrome.here_svv_redshift_columns;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_COLUMNS.html
CREATE VIEW pg_catalog.svv_all_columns AS SELECT * FROM velodrome.here_svv_all_columns;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_SCHEMAS.html
CREATE VIEW pg_catalog.svv_redshift_schemas AS SELECT * FROM velodrome.here_svv_redshift_schemas;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_SCHEMAS.html
CREATE VIEW pg_catalog.svv_all_schemas AS SELECT * FROM velodrome.here_svv_all_schemas;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_FUNCTIONS.html
CREATE VIEW pg_catalog.svv_redshift_functions AS SELECT * FROM velodrome.here_svv_redshift_functions;
-- These show every database that the user may enter. One that a query's condition on database_name leaves out is not asked.
DO $$
DECLARE
    view text;
    columns text;
    names text;
BEGIN
    FOREACH view IN ARRAY ARRAY[
        'svv_redshift_tables', 'svv_all_tables', 'svv_redshift_columns', 'svv_all_columns', 'svv_redshift_schemas', 'svv_all_schemas',
        'svv_redshift_functions'
    ] LOOP
        SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum),
            string_agg('answer.' || quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE attnum > 1)
            INTO columns, names FROM pg_attribute WHERE attrelid = ('velodrome.here_' || view)::regclass AND attnum > 0;
        EXECUTE format('CREATE OR REPLACE VIEW pg_catalog.%1$I AS SELECT * FROM velodrome.here_%1$s UNION ALL
            SELECT d.datname::varchar(128), %2$s FROM velodrome.databases d, LATERAL velodrome.answer_of(d.datname, %3$L, NULL) AS answer (%4$s)
            WHERE d.datname <> current_database()', view, names, 'here_' || view, columns);
        EXECUTE format('GRANT SELECT ON pg_catalog.%1$I, velodrome.here_%1$s TO PUBLIC', view);
    END LOOP;
END $$;
GRANT SELECT ON pg_catalog.svv_tables, pg_catalog.svv_columns, pg_catalog.svv_redshift_databases TO PUBLIC;
