-- The standard's views of the server itself, without what is our own, and with the informational constraints.
-- https://www.postgresql.org/docs/8.0/information-schema.html

-- Each view that names a schema is kept as velodrome.standard_… as the server has it, and reads from there.
DO $$
DECLARE
    found record;
    columns text;
BEGIN
    FOR found IN
        SELECT c.oid, c.relname, string_agg(
            format('%I::text NOT IN (''velodrome'', ''pg_velodrome_rls'')', a.attname), ' AND ' ORDER BY a.attnum
        ) AS shown
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'information_schema'::regnamespace AND c.relkind = 'v'
            AND a.attname IN ('table_schema', 'schema_name', 'specific_schema', 'view_schema', 'sequence_schema', 'trigger_schema')
            AND c.relname NOT IN ('table_constraints', 'key_column_usage', 'constraint_column_usage', 'constraint_table_usage')
        GROUP BY c.oid, c.relname
    LOOP
        IF to_regclass(format('velodrome.%I', 'standard_' || found.relname)) IS NULL THEN
            EXECUTE format('CREATE VIEW velodrome.%I AS %s', 'standard_' || found.relname, velodrome.view_text(found.oid));
        END IF;
        columns := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = found.oid AND attnum > 0);
        EXECUTE format('CREATE OR REPLACE VIEW information_schema.%I AS SELECT %s FROM velodrome.%I WHERE %s',
            found.relname, columns, 'standard_' || found.relname, found.shown);
    END LOOP;
END $$;

-- An identity column's default is its pg_attrdef.adsrc there: https://www.postgresql.org/docs/8.0/infoschema-columns.html
DO $$
DECLARE
    kept text := (
        SELECT string_agg(CASE attname
            WHEN 'column_default' THEN 'coalesce(s.column_default, d.adsrc)::information_schema.character_data AS column_default'
            WHEN 'is_nullable' THEN '(CASE WHEN s.is_identity = ''YES'' AND NOT velodrome.is_not_null(a) THEN ''YES'' ELSE s.is_nullable END)'
                '::information_schema.yes_or_no AS is_nullable'
            WHEN 'data_type' THEN '(CASE WHEN s.data_type = ''interval'' THEN velodrome.type_name(a.atttypid, a.atttypmod) ELSE s.data_type END)'
                '::information_schema.character_data AS data_type'
            ELSE 's.' || quote_ident(attname)
        END, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'information_schema.columns'::regclass AND attnum > 0
    );
BEGIN
    EXECUTE format($text$
        CREATE OR REPLACE VIEW information_schema.columns AS
        SELECT %s FROM velodrome.standard_columns s
        LEFT JOIN pg_catalog.pg_attribute a ON (s.is_identity = 'YES' OR s.data_type = 'interval')
            AND a.attrelid = to_regclass(format('%%I.%%I', s.table_schema, s.table_name)) AND a.attnum = s.ordinal_position
        LEFT JOIN velodrome.pg_attrdef d ON s.is_identity = 'YES' AND d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE s.table_schema::text NOT IN ('velodrome', 'pg_velodrome_rls')
    $text$, kept);
END $$;

-- Of the tables that the asking user owns or may write, as the standard says.
CREATE VIEW velodrome.keys_of_tables AS
SELECT current_database()::information_schema.sql_identifier AS catalog, n.nspname::information_schema.sql_identifier AS schema,
    k.relname::information_schema.sql_identifier AS table_name, k.name::information_schema.sql_identifier AS name,
    k.kind, k.columns, k.referenced, k.referenced_columns
FROM velodrome.noted_keys k JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
WHERE pg_has_role(k.relowner, 'USAGE') OR has_table_privilege(k.relid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES');

-- https://www.postgresql.org/docs/8.0/infoschema-table-constraints.html
CREATE OR REPLACE VIEW information_schema.table_constraints AS
SELECT catalog AS constraint_catalog, schema AS constraint_schema, name AS constraint_name, catalog AS table_catalog,
    schema AS table_schema, table_name, upper(kind)::information_schema.character_data AS constraint_type,
    'NO'::information_schema.yes_or_no AS is_deferrable, 'NO'::information_schema.yes_or_no AS initially_deferred,
    'NO'::information_schema.yes_or_no AS enforced,
    (CASE kind WHEN 'unique' THEN 'YES' END)::information_schema.yes_or_no AS nulls_distinct
FROM velodrome.keys_of_tables;

-- https://www.postgresql.org/docs/8.0/infoschema-key-column-usage.html
CREATE OR REPLACE VIEW information_schema.key_column_usage AS
SELECT catalog AS constraint_catalog, schema AS constraint_schema, name AS constraint_name, catalog AS table_catalog,
    schema AS table_schema, table_name, c.name_::information_schema.sql_identifier AS column_name,
    c.place::int::information_schema.cardinal_number AS ordinal_position,
    (CASE kind WHEN 'foreign key' THEN c.place::int END)::information_schema.cardinal_number AS position_in_unique_constraint
FROM velodrome.keys_of_tables k, unnest(k.columns) WITH ORDINALITY AS c (name_, place);

-- https://www.postgresql.org/docs/8.0/infoschema-constraint-column-usage.html
CREATE OR REPLACE VIEW information_schema.constraint_column_usage AS
SELECT catalog AS table_catalog,
    coalesce(n.nspname, schema::name)::information_schema.sql_identifier AS table_schema,
    coalesce(r.relname, table_name::name)::information_schema.sql_identifier AS table_name,
    c::information_schema.sql_identifier AS column_name,
    catalog AS constraint_catalog, schema AS constraint_schema, name AS constraint_name
FROM velodrome.keys_of_tables k
LEFT JOIN pg_catalog.pg_class r ON r.oid = k.referenced LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace,
    unnest(coalesce(k.referenced_columns, k.columns)) c;

-- https://www.postgresql.org/docs/8.0/infoschema-constraint-table-usage.html
CREATE OR REPLACE VIEW information_schema.constraint_table_usage AS
SELECT catalog AS table_catalog,
    coalesce(n.nspname, schema::name)::information_schema.sql_identifier AS table_schema,
    coalesce(r.relname, table_name::name)::information_schema.sql_identifier AS table_name,
    catalog AS constraint_catalog, schema AS constraint_schema, name AS constraint_name
FROM velodrome.keys_of_tables k
LEFT JOIN pg_catalog.pg_class r ON r.oid = k.referenced LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace;

-- https://www.postgresql.org/docs/8.0/infoschema-referential-constraints.html
CREATE OR REPLACE VIEW information_schema.referential_constraints AS
SELECT k.catalog AS constraint_catalog, k.schema AS constraint_schema, k.name AS constraint_name,
    k.catalog AS unique_constraint_catalog, n.nspname::information_schema.sql_identifier AS unique_constraint_schema,
    u.name::information_schema.sql_identifier AS unique_constraint_name,
    'NONE'::information_schema.character_data AS match_option, 'NO ACTION'::information_schema.character_data AS update_rule,
    'NO ACTION'::information_schema.character_data AS delete_rule
FROM velodrome.keys_of_tables k
LEFT JOIN velodrome.noted_keys u ON u.relid = k.referenced AND u.kind <> 'foreign key'
    AND u.columns @> k.referenced_columns AND u.columns <@ k.referenced_columns
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = u.relnamespace
WHERE k.kind = 'foreign key';
