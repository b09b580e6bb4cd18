-- What SHOW answers with: columns and order are those of each SHOW's page,
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SHOW_DATABASES.html, …/r_SHOW_SCHEMAS.html, …/r_SHOW_TABLES.html,
-- …/r_SHOW_COLUMNS.html, …/r_SHOW_CONSTRAINTS.html, …/r_SHOW_GRANTS.html, …/r_SHOW_COLUMN_GRANTS.html,
-- …/r_SHOW_PROCEDURES.html, …/r_SHOW_FUNCTIONS.html, …/r_SHOW_PARAMETERS.html, …/r_SHOW_TABLE.html, …/r_SHOW_VIEW.html,
-- …/r_SHOW_PROCEDURE.html. Each shows what its asker may see.

CREATE OR REPLACE FUNCTION velodrome.check_database(name text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_database WHERE datname = name AND datallowconn AND NOT datistemplate AND datname <> 'postgres') THEN
        RAISE EXCEPTION 'database "%" does not exist', name USING ERRCODE = '3D000';
    ELSIF NOT has_database_privilege(name, 'CONNECT') THEN
        RAISE EXCEPTION 'permission denied for database %', name USING ERRCODE = '42501';
    END IF;
    RETURN name;
END $$;

-- The name of this database; 27_asked_databases.sql asks others.
CREATE OR REPLACE FUNCTION velodrome.this_database(name text) RETURNS varchar LANGUAGE sql STABLE
RETURN current_database();

-- The other database that is meant: NULL if it is this one, empty if there is none of that name.
CREATE OR REPLACE FUNCTION velodrome.other_database(name text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found text := (SELECT datname FROM pg_database WHERE datname IN (name, lower(name)) ORDER BY datname = name DESC LIMIT 1);
BEGIN
    IF name IS NULL OR found = current_database() THEN
        RETURN NULL;
    ELSIF found IS NULL OR found IN ('postgres', 'template0', 'template1') THEN
        RETURN '';
    END IF;
    RETURN velodrome.check_database(found);
END $$;

CREATE OR REPLACE FUNCTION velodrome.acl_text(acl aclitem[]) RETURNS varchar LANGUAGE sql IMMUTABLE RETURN array_to_string(acl, '~')::varchar;

CREATE OR REPLACE FUNCTION velodrome.show_databases()
RETURNS TABLE (database_name varchar, database_owner int, database_type varchar, database_acl varchar, parameters varchar, database_isolation_level varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT datname::varchar, datdba::int, 'local'::varchar, velodrome.acl_text(datacl), NULL::varchar, 'Snapshot Isolation'::varchar
    FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres' ORDER BY datname
$$;

CREATE OR REPLACE FUNCTION velodrome.show_schemas(database text)
RETURNS TABLE (database_name varchar, schema_name varchar, schema_owner int, schema_type varchar, schema_acl varchar, source_database varchar, schema_option varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT velodrome.this_database(database), nspname::varchar, nspowner::int, 'local'::varchar, velodrome.acl_text(nspacl), NULL::varchar, NULL::varchar
    FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_toast%' AND nspname NOT LIKE 'pg\_temp\_%' AND nspname NOT IN ('velodrome', 'pg_velodrome_rls')
    AND (velodrome.is_superuser() OR has_schema_privilege(oid, 'USAGE') OR has_schema_privilege(oid, 'CREATE')) ORDER BY nspname
$$;

-- Relations that SHOW lists, with the number of each; a broken late-binding view is there too.
CREATE OR REPLACE FUNCTION velodrome.shown_relations() RETURNS TABLE (relid oid, schema_name varchar, table_name varchar) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid, n.nspname::varchar, c.relname::varchar FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('velodrome', 'pg_velodrome_rls') AND n.nspname NOT LIKE 'pg\_toast%' AND NOT pg_is_other_temp_schema(n.oid)
    AND (velodrome.is_superuser() OR pg_has_role(c.relowner, 'USAGE')
        OR (has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')))
$$;

CREATE OR REPLACE FUNCTION velodrome.show_all_tables(database text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, table_type varchar, table_acl varchar, remarks varchar, owner varchar,
    last_altered_time timestamp, last_modified_time timestamp, dist_style varchar, table_subtype varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT velodrome.this_database(database), r.schema_name, r.table_name,
        (CASE WHEN c.relkind IN ('v', 'm') THEN 'VIEW' ELSE 'TABLE' END)::varchar,
        c.relacl::varchar, obj_description(c.oid, 'pg_class')::varchar, pg_get_userbyid(c.relowner)::varchar, NULL::timestamp, NULL::timestamp,
        CASE WHEN c.relkind = 'r' THEN (CASE t.diststyle WHEN 'even' THEN 'EVEN' WHEN 'key' THEN 'KEY(' || t.distkey || ')' WHEN 'all' THEN 'ALL'
            ELSE 'AUTO(ALL)' END)::varchar END,
        (CASE WHEN c.relkind = 'm' THEN 'MATERIALIZED VIEW' WHEN l.relid IS NOT NULL THEN 'LATE BINDING VIEW'
            WHEN c.relkind = 'v' THEN 'REGULAR VIEW' ELSE 'REGULAR TABLE' END)::varchar
    FROM velodrome.shown_relations() r JOIN pg_class c ON c.oid = r.relid
    LEFT JOIN velodrome.table_notes t ON t.relid = c.oid LEFT JOIN velodrome.late_binding_views l ON l.relid = c.oid
    ORDER BY 2, 3
$$;
CREATE OR REPLACE FUNCTION velodrome.show_tables(database text, schema text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, table_type varchar, table_acl varchar, remarks varchar, owner varchar,
    last_altered_time timestamp, last_modified_time timestamp, dist_style varchar, table_subtype varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM velodrome.show_all_tables(database) a WHERE a.schema_name = schema
$$;
DROP FUNCTION IF EXISTS velodrome.check_schema(text);

-- A relation by the parts of its name; without a schema, by the search path.
CREATE OR REPLACE FUNCTION velodrome.shown_relation(database text, schema text, relation text) RETURNS oid LANGUAGE plpgsql STABLE AS $$
DECLARE
    found oid := to_regclass(CASE WHEN schema IS NULL THEN format('%I', relation) ELSE format('%I.%I', schema, relation) END);
BEGIN
    PERFORM velodrome.this_database(database);
    IF found IS NULL OR schema IN ('velodrome', 'pg_velodrome_rls') THEN
        RAISE EXCEPTION 'relation "%" does not exist', concat_ws('.', schema, relation) USING ERRCODE = '42P01';
    ELSIF NOT EXISTS (SELECT FROM velodrome.shown_relations() r WHERE r.relid = found) THEN
        RAISE EXCEPTION 'permission denied for relation %', relation USING ERRCODE = '42501';
    END IF;
    RETURN found;
END $$;
-- The same for SHOWs that list something: one that is not there has none of it.
CREATE OR REPLACE FUNCTION velodrome.listed_relation(database text, schema text, relation text) RETURNS oid LANGUAGE sql STABLE
RETURN CASE
    WHEN to_regclass(CASE WHEN schema IS NULL THEN format('%I', relation) ELSE format('%I.%I', schema, relation) END) IS NULL
        OR schema IN ('velodrome', 'pg_velodrome_rls') THEN 0::oid
    ELSE velodrome.shown_relation(database, schema, relation)
END;

CREATE OR REPLACE FUNCTION velodrome.shown_encoding(relation oid, name text, type oid) RETURNS varchar LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    note velodrome.table_notes;
BEGIN
    SELECT * INTO note FROM velodrome.table_notes t WHERE t.relid = relation;
    RETURN velodrome.encoding(note.encodings, coalesce(name = ANY (note.sortkey_columns), false), name, type);
END $$;

CREATE OR REPLACE FUNCTION velodrome.show_all_columns(database text, only_relation oid DEFAULT NULL)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, column_name varchar, ordinal_position int, column_default varchar,
    is_nullable varchar, data_type varchar, character_maximum_length int, numeric_precision int, numeric_scale int, remarks varchar,
    sort_key_type varchar, sort_key int, dist_key int, encoding varchar, "collation" varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT velodrome.this_database(database), r.schema_name, r.table_name, a.attname::varchar,
        (row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum))::int,
        CASE WHEN a.attidentity = '' THEN pg_get_expr(d.adbin, d.adrelid)::varchar
            ELSE (SELECT format('%s(%s, %s, ''%s,%s''::text)', CASE a.attidentity WHEN 'a' THEN '"identity"' ELSE 'default_identity' END,
                    a.attrelid, a.attnum - 1, seqstart, seqincrement)::varchar
                FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence(velodrome.relation_name(a.attrelid), a.attname)::regclass) END,
        (CASE WHEN velodrome.is_not_null(a) THEN 'NO' ELSE 'YES' END)::varchar,
        velodrome.shown_type(a.atttypid, a.atttypmod)::varchar,
        information_schema._pg_char_max_length(a.atttypid, a.atttypmod)::int,
        information_schema._pg_numeric_precision(a.atttypid, a.atttypmod)::int, information_schema._pg_numeric_scale(a.atttypid, a.atttypmod)::int,
        col_description(a.attrelid, a.attnum)::varchar,
        CASE WHEN a.attname = ANY (t.sortkey_columns) THEN upper(t.sortkey_style)::varchar END,
        coalesce(array_position(t.sortkey_columns, a.attname::text) * CASE WHEN t.sortkey_style = 'interleaved'
            AND array_position(t.sortkey_columns, a.attname::text) % 2 = 0 THEN -1 ELSE 1 END, 0),
        (t.distkey = a.attname)::int,
        CASE WHEN c.relkind = 'r' THEN velodrome.shown_encoding(a.attrelid, a.attname::text, a.atttypid) END,
        CASE WHEN a.atttypid IN ('varchar'::regtype, 'text'::regtype, 'bpchar'::regtype) THEN 'case_sensitive'::varchar END
    FROM velodrome.shown_relations() r JOIN pg_class c ON c.oid = r.relid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN velodrome.table_notes t ON t.relid = c.oid
    WHERE only_relation IS NULL OR c.oid = only_relation
    ORDER BY 2, 3, 5
$$;
CREATE OR REPLACE FUNCTION velodrome.show_columns(database text, schema text, relation text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, column_name varchar, ordinal_position int, column_default varchar,
    is_nullable varchar, data_type varchar, character_maximum_length int, numeric_precision int, numeric_scale int, remarks varchar,
    sort_key_type varchar, sort_key int, dist_key int, encoding varchar, "collation" varchar)
LANGUAGE sql STABLE AS $$ SELECT * FROM velodrome.show_all_columns(database, velodrome.listed_relation(database, schema, relation)) $$;

CREATE OR REPLACE FUNCTION velodrome.show_primary_keys(database text, schema text, relation text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, pk_name varchar, column_name varchar, key_seq int)
LANGUAGE sql STABLE AS $$
    SELECT current_database()::varchar, n.nspname::varchar, c.relname::varchar, coalesce(k.name, c.relname || '_pkey')::varchar, u.name::varchar, u.place::int
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN velodrome.constraint_notes k ON k.relid = c.oid AND k.kind = 'primary key', unnest(k.columns) WITH ORDINALITY u (name, place)
    WHERE c.oid = velodrome.listed_relation(database, schema, relation) ORDER BY u.place
$$;

-- One row per column of each foreign key; what the keys refer to is found by its name.
CREATE OR REPLACE FUNCTION velodrome.foreign_keys()
RETURNS TABLE (fk_relid oid, pk_relid oid, pk_database_name varchar, pk_schema_name varchar, pk_table_name varchar, pk_column_name varchar, fk_database_name varchar,
    fk_schema_name varchar, fk_table_name varchar, fk_column_name varchar, key_seq int, fk_name varchar, pk_name varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid, p.oid, current_database()::varchar, pn.nspname::varchar, p.relname::varchar, (coalesce(nullif(k.referenced_columns, '{}'), pk.columns))[u.place]::varchar,
        current_database()::varchar, n.nspname::varchar, c.relname::varchar, u.name::varchar, u.place::int,
        coalesce(k.name, c.relname || '_' || k.columns[1] || '_fkey')::varchar, coalesce(pk.name, p.relname || '_pkey')::varchar
    FROM velodrome.constraint_notes k JOIN pg_class c ON c.oid = k.relid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class p ON p.relname = k.referenced_table[cardinality(k.referenced_table)] JOIN pg_namespace pn ON pn.oid = p.relnamespace
        AND pn.nspname = CASE WHEN cardinality(k.referenced_table) > 1 THEN k.referenced_table[cardinality(k.referenced_table) - 1] ELSE n.nspname::text END
    LEFT JOIN velodrome.constraint_notes pk ON pk.relid = p.oid AND pk.kind = 'primary key',
    unnest(k.columns) WITH ORDINALITY u (name, place)
    WHERE k.kind = 'foreign key' ORDER BY 8, 9, 12, 11
$$;
CREATE OR REPLACE FUNCTION velodrome.show_foreign_keys(database text, schema text, relation text)
RETURNS TABLE (pk_database_name varchar, pk_schema_name varchar, pk_table_name varchar, pk_column_name varchar, fk_database_name varchar,
    fk_schema_name varchar, fk_table_name varchar, fk_column_name varchar, key_seq int, fk_name varchar, pk_name varchar,
    update_rule int, delete_rule int, deferrability int)
LANGUAGE sql STABLE AS $$
    SELECT pk_database_name, pk_schema_name, pk_table_name, pk_column_name, fk_database_name, fk_schema_name, fk_table_name, fk_column_name,
        key_seq, fk_name, pk_name, NULL::int, NULL::int, NULL::int
    FROM velodrome.foreign_keys() WHERE fk_relid = velodrome.listed_relation(database, schema, relation)
$$;
CREATE OR REPLACE FUNCTION velodrome.show_exported_keys(database text, schema text, relation text)
RETURNS TABLE (pk_database_name varchar, pk_schema_name varchar, pk_table_name varchar, pk_column_name varchar, fk_database_name varchar,
    fk_schema_name varchar, fk_table_name varchar, fk_column_name varchar, key_seq int, fk_name varchar, pk_name varchar,
    update_rule int, delete_rule int, deferrability int)
LANGUAGE sql STABLE AS $$
    SELECT pk_database_name, pk_schema_name, pk_table_name, pk_column_name, fk_database_name, fk_schema_name, fk_table_name, fk_column_name,
        key_seq, fk_name, pk_name, NULL::int, NULL::int, NULL::int
    FROM velodrome.foreign_keys() WHERE pk_relid = velodrome.listed_relation(database, schema, relation)
$$;
