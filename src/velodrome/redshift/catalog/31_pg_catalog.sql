-- PostgreSQL's catalog as Redshift has it: the columns of PostgreSQL 8.0 that are gone since, Redshift's own, and its
-- informational constraints with indexes that do not exist. Clients that name one of these tables of pg_catalog read the
-- view of that name here (sql/system_catalog.py). What is our own does not show.

-- The schemas of this warehouse itself.
CREATE OR REPLACE FUNCTION velodrome.own_schemas() RETURNS oid[] LANGUAGE sql STABLE
RETURN ARRAY(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('velodrome', 'pg_velodrome_rls'));

-- https://www.postgresql.org/docs/8.0/catalog-pg-namespace.html
CREATE VIEW velodrome.pg_namespace AS
SELECT n.* FROM pg_catalog.pg_namespace n WHERE n.nspname NOT IN ('velodrome', 'pg_velodrome_rls');

-- https://www.postgresql.org/docs/8.0/catalog-pg-type.html
CREATE VIEW velodrome.pg_type AS
SELECT t.* FROM pg_catalog.pg_type t
WHERE t.typnamespace <> ALL ((SELECT velodrome.own_schemas())::oid[]);

-- https://www.postgresql.org/docs/8.0/catalog-pg-database.html
CREATE VIEW velodrome.pg_database AS
SELECT d.*, 0::oid AS datlastsysoid, '0'::xid AS datvacuumxid, NULL::text[] AS datconfig
FROM pg_catalog.pg_database d WHERE d.datname <> 'postgres';

-- A procedure's OUT arguments are INOUT ones with a default inside (sql/routine.py).
CREATE OR REPLACE FUNCTION velodrome.argument_modes(modes "char"[], of_procedure boolean, defaults int) RETURNS "char"[]
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN NOT of_procedure OR defaults = 0 THEN modes
    ELSE modes[:cardinality(modes) - defaults] || array_fill('o'::"char", ARRAY[defaults])
END;

-- https://www.postgresql.org/docs/8.0/catalog-pg-proc.html
CREATE VIEW velodrome.pg_proc AS
SELECT oid, proname, pronamespace, proowner, prolang, procost, prorows, provariadic, prosupport, prokind, prosecdef,
    proleakproof, proisstrict, proretset, provolatile, proparallel,
    (pronargs - CASE prokind WHEN 'p' THEN pronargdefaults ELSE 0 END)::int2 AS pronargs,
    CASE prokind WHEN 'p' THEN 0::int2 ELSE pronargdefaults END AS pronargdefaults, prorettype,
    velodrome.signature(prokind, proargtypes, pronargdefaults) AS proargtypes, velodrome.unmarked(proallargtypes, proargtypes) AS proallargtypes,
    velodrome.argument_modes(velodrome.unmarked(proargmodes, proargtypes), prokind = 'p', pronargdefaults - (velodrome.mark_place(proargtypes) IS NOT NULL)::int) AS proargmodes,
    velodrome.unmarked(proargnames, proargtypes) AS proargnames,
    proargdefaults, protrftypes, prosrc, probin, prosqlbody, proconfig, proacl,
    prokind = 'a' AS proisagg, prokind = 'w' AS proiswindow
FROM pg_catalog.pg_proc p
WHERE p.pronamespace <> ALL ((SELECT velodrome.own_schemas())::oid[]);

-- Keys that are noted only, with the columns' numbers.
CREATE VIEW velodrome.noted_keys AS
SELECT n.number::oid AS oid, (n.number - 1000000000)::oid AS index, n.name::name AS name, n.kind, n.relid,
    n.columns, velodrome.column_numbers(n.relid, n.columns) AS numbers,
    n.referenced, n.referenced_columns, velodrome.column_numbers(n.referenced, n.referenced_columns) AS referenced_numbers,
    c.relname, c.relnamespace, c.relowner
FROM velodrome.constraint_notes n JOIN pg_catalog.pg_class c ON c.oid = n.relid;

-- The table that holds a materialized view's rows on Redshift; here it is the view itself. Tools find the keys of a view
-- there (dbt's description of it). https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-overview.html
CREATE VIEW velodrome.view_tables AS
SELECT (c.oid::bigint + 2000000000)::oid AS oid, ('mv_tbl__' || c.relname || '__0')::name AS relname, c.oid AS view
FROM velodrome.materialized_views m JOIN pg_catalog.pg_class c ON c.oid = m.relid;
GRANT SELECT ON velodrome.view_tables TO PUBLIC;

-- The server's tables and views that came after PostgreSQL 8.0, and are none of Redshift's.
CREATE OR REPLACE FUNCTION velodrome.later_tables() RETURNS text LANGUAGE sql IMMUTABLE
RETURN '^pg_(sequence|publication|subscription|foreign|event_trigger|partitioned|polic|replication|seclabel|shseclabel|statistic_ext'
    '|transform|ts_|range|enum|collation|init_privs|parameter_acl|extension|available_ext|hba|ident_file|aios|backend|config|cursors'
    '|file_settings|matviews|prepared|shmem|stat_|statio|stats_ext|timezone|user_mapping|wait_events|largeobject_metadata|db_role)';

-- https://www.postgresql.org/docs/8.0/catalog-pg-class.html, reldiststyle:
-- https://docs.aws.amazon.com/redshift/latest/dg/viewing-distribution-styles.html
CREATE VIEW velodrome.pg_class AS
SELECT c.oid, c.relname, c.relnamespace, c.reltype, c.reloftype, c.relowner, c.relam, c.relfilenode, c.reltablespace,
    c.relpages, CASE WHEN c.reltuples < 0 THEN 0.001::real ELSE c.reltuples END AS reltuples,
    c.relallvisible, c.relallfrozen, c.reltoastrelid,
    c.relhasindex OR EXISTS (SELECT FROM velodrome.constraint_notes k WHERE k.relid = c.oid AND k.kind <> 'foreign key') AS relhasindex,
    c.relisshared, c.relpersistence,
    CASE c.relkind WHEN 'm' THEN 'v' ELSE c.relkind END AS relkind,  -- a materialized view is a view there
    c.relnatts, c.relchecks, c.relhasrules,
    EXISTS (SELECT FROM velodrome.constraint_notes k WHERE k.kind = 'foreign key' AND c.oid IN (k.relid, k.referenced)) AS relhastriggers,
    c.relhassubclass,
    c.relrowsecurity, c.relforcerowsecurity, c.relispopulated, c.relreplident, c.relispartition, c.relrewrite,
    c.relfrozenxid, c.relminmxid, c.relacl, c.reloptions, c.relpartbound,
    0::oid AS reltoastidxid, 0 AS relexternid, false AS relisreplicated, false AS relispinned,
    CASE WHEN c.relkind IN ('r', 'm') THEN velodrome.diststyle_number(t.diststyle) ELSE 0::smallint END AS reldiststyle,
    0::oid AS relprojbaseid, c.relhastriggers::int::smallint AS reltriggers, 0::smallint AS relukeys,
    (SELECT count(*) FROM velodrome.constraint_notes k WHERE k.relid = c.oid AND k.kind = 'foreign key')::smallint AS relfkeys,
    (SELECT count(*) FROM velodrome.constraint_notes k WHERE k.referenced = c.oid)::smallint AS relrefs,
    false AS relhasoids,
    EXISTS (SELECT FROM velodrome.constraint_notes k WHERE k.relid = c.oid AND k.kind = 'primary key') AS relhaspkey
FROM pg_catalog.pg_class c LEFT JOIN velodrome.table_notes t ON t.relid = c.oid
WHERE c.relkind <> 'S'  -- of identity columns, which have none on Redshift
    AND NOT (c.relnamespace = 'pg_toast'::regnamespace AND c.oid >= 16384)
    AND NOT (c.relnamespace = 'pg_catalog'::regnamespace AND c.relname ~ velodrome.later_tables())
    AND c.relnamespace <> ALL ((SELECT velodrome.own_schemas())::oid[])
UNION ALL
SELECT k.index, k.name, k.relnamespace, 0::oid, 0::oid, k.relowner, 403::oid, 0::oid, 0::oid,
    1, 0::real, 0, 0, 0::oid, false, false, 'p'::"char", 'i'::"char", cardinality(k.columns)::smallint, 0::smallint,
    false, false, false, false, false, true, 'n'::"char", false, 0::oid, '0'::xid, '0'::xid,
    NULL::aclitem[], NULL::text[], NULL::pg_node_tree,
    0::oid, 0, false, false, 0::smallint, 0::oid, 0::smallint, 0::smallint, 0::smallint, 0::smallint, false, false
FROM velodrome.noted_keys k WHERE k.kind <> 'foreign key'
UNION ALL
SELECT v.oid, v.relname, c.relnamespace, 0::oid, 0::oid, c.relowner, c.relam, 0::oid, c.reltablespace,
    c.relpages, greatest(c.reltuples, 0.001::real), 0, 0, 0::oid, false, false, c.relpersistence, 'r'::"char", (c.relnatts + 2)::smallint, 0::smallint,
    false, false, false, false, false, true, 'd'::"char", false, 0::oid, c.relfrozenxid, c.relminmxid,
    NULL::aclitem[], NULL::text[], NULL::pg_node_tree,
    0::oid, 0, false, false, velodrome.diststyle_number(t.diststyle), 0::oid, 0::smallint, 0::smallint, 0::smallint, 0::smallint, false, false
FROM velodrome.view_tables v JOIN pg_catalog.pg_class c ON c.oid = v.view LEFT JOIN velodrome.table_notes t ON t.relid = c.oid;

-- https://www.postgresql.org/docs/8.0/catalog-pg-attribute.html, with Redshift's attisdistkey, attsortkeyord,
-- attencodingtype: https://docs.aws.amazon.com/redshift/latest/dg/c_Examples_of_catalog_queries.html
CREATE VIEW velodrome.pg_attribute AS
SELECT a.attrelid, a.attname, a.atttypid, a.attlen, a.attnum, a.atttypmod, a.attndims, a.attbyval, a.attalign, a.attstorage,
    a.attcompression, velodrome.is_not_null(a) AS attnotnull, a.atthasdef OR a.attidentity <> '' AS atthasdef, a.atthasmissing, a.attidentity, a.attgenerated,
    a.attisdropped, a.attislocal, a.attinhcount, a.attcollation, a.attstattarget, a.attacl, a.attoptions, a.attfdwoptions,
    -1 AS attcacheoff,
    coalesce(t.distkey = a.attname, false) AS attisdistkey,
    false AS attispreloaded,
    velodrome.sortkey(t.sortkey_style, t.sortkey_columns, a.attname::text) AS attsortkeyord,
    CASE WHEN t.relid IS NULL THEN 0 ELSE array_position(velodrome.encodings(),
        velodrome.encoding(t.encodings, a.attname = ANY (t.sortkey_columns), a.attname::text, a.atttypid)) - 1
    END::smallint AS attencodingtype,
    0::smallint AS attencrypttype
FROM pg_catalog.pg_attribute a LEFT JOIN velodrome.table_notes t ON t.relid = a.attrelid
-- A late-binding view's are not known: https://docs.aws.amazon.com/redshift/latest/dg/PG_GET_LATE_BINDING_VIEW_COLS.html
WHERE NOT EXISTS (SELECT FROM velodrome.late_binding_views l WHERE l.relid = a.attrelid)
UNION ALL
SELECT k.index, a.attname, a.atttypid, a.attlen, u.place::smallint, a.atttypmod, a.attndims, a.attbyval, a.attalign, a.attstorage,
    a.attcompression, false, false, false, ''::"char", ''::"char",
    false, true, 0::smallint, a.attcollation, a.attstattarget, NULL::aclitem[], NULL::text[], NULL::text[],
    -1, false, false, 0, 0::smallint, 0::smallint
FROM velodrome.noted_keys k, unnest(k.numbers) WITH ORDINALITY AS u (number, place), pg_catalog.pg_attribute a
WHERE k.kind <> 'foreign key' AND a.attrelid = k.relid AND a.attnum = u.number
UNION ALL
SELECT v.oid, a.attname, a.atttypid, a.attlen, a.attnum, a.atttypmod, a.attndims, a.attbyval, a.attalign, a.attstorage,
    a.attcompression, a.attnotnull, false, false, ''::"char", ''::"char",
    a.attisdropped, true, 0::smallint, a.attcollation, a.attstattarget, NULL::aclitem[], NULL::text[], NULL::text[],
    -1, coalesce(t.distkey = a.attname, false), false, velodrome.sortkey(t.sortkey_style, t.sortkey_columns, a.attname::text),
    (array_position(velodrome.encodings(),
        velodrome.encoding(t.encodings, a.attname = ANY (t.sortkey_columns), a.attname::text, a.atttypid)) - 1)::smallint, 0::smallint
FROM velodrome.view_tables v JOIN pg_catalog.pg_attribute a ON a.attrelid = v.view AND a.attnum > 0
LEFT JOIN velodrome.table_notes t ON t.relid = v.view
UNION ALL
-- Two more columns stand in that table, of which users tell the names only: https://github.com/PostHog/posthog/issues/83952
SELECT v.oid, own.name, 'bigint'::regtype, 8::smallint, (c.relnatts + own.place)::smallint, -1, 0::smallint, true, 'd'::"char", 'p'::"char",
    ''::"char", false, false, false, ''::"char", ''::"char",
    false, true, 0::smallint, 0::oid, NULL::smallint, NULL::aclitem[], NULL::text[], NULL::text[],
    -1, false, false, 0, 0::smallint, 0::smallint
FROM velodrome.view_tables v JOIN pg_catalog.pg_class c ON c.oid = v.view,
    (VALUES ('padb_internal_txn_id_col'::name, 1), ('padb_internal_txn_seq_col', 2)) AS own (name, place);

-- https://www.postgresql.org/docs/8.0/catalog-pg-index.html
CREATE VIEW velodrome.pg_index AS
SELECT i.indexrelid, i.indrelid, i.indnatts, i.indnkeyatts, i.indisunique, i.indnullsnotdistinct,
    i.indisprimary AND i.indrelid >= 16384 AS indisprimary,  -- as before PostgreSQL 14
    i.indisexclusion, i.indimmediate, i.indisclustered, i.indisvalid, i.indcheckxmin, i.indisready, i.indislive,
    i.indisreplident, i.indkey, i.indcollation, i.indclass, i.indoption, i.indexprs, i.indpred
FROM pg_catalog.pg_index i
UNION ALL
SELECT k.index, k.relid, cardinality(k.columns)::smallint, cardinality(k.columns)::smallint,
    true, false, k.kind = 'primary key', false, true, false, true, false, true, true, false,
    array_to_string(k.numbers, ' ')::int2vector, ''::oidvector, ''::oidvector, ''::int2vector,
    NULL::pg_node_tree, NULL::pg_node_tree
FROM velodrome.noted_keys k WHERE k.kind <> 'foreign key';

-- https://www.postgresql.org/docs/8.0/catalog-pg-constraint.html
CREATE VIEW velodrome.pg_constraint AS
SELECT c.oid, c.conname, c.connamespace, c.contype, c.condeferrable, c.condeferred, c.conenforced, c.convalidated, c.conrelid,
    c.contypid, c.conindid, c.conparentid, c.confrelid, c.confupdtype, c.confdeltype, c.confmatchtype, c.conislocal,
    c.coninhcount, c.connoinherit, c.conperiod, c.conkey, c.confkey, c.conbin, pg_get_expr(c.conbin, c.conrelid) AS consrc
FROM pg_catalog.pg_constraint c WHERE c.contype <> 'n'
    AND c.connamespace <> ALL ((SELECT velodrome.own_schemas())::oid[])
    AND c.connamespace <> 'pg_catalog'::regnamespace
UNION ALL
SELECT k.oid, k.name, k.relnamespace, (CASE k.kind WHEN 'primary key' THEN 'p' WHEN 'unique' THEN 'u' ELSE 'f' END)::"char",
    false, false, false, true, k.relid,
    0::oid, CASE WHEN k.kind = 'foreign key' THEN 0::oid ELSE k.index END, 0::oid, coalesce(k.referenced, 0::oid),
    (CASE k.kind WHEN 'foreign key' THEN 'a' ELSE ' ' END)::"char", (CASE k.kind WHEN 'foreign key' THEN 'a' ELSE ' ' END)::"char",
    (CASE k.kind WHEN 'foreign key' THEN 'u' ELSE ' ' END)::"char", true, 0::smallint, false, false,
    k.numbers, k.referenced_numbers, NULL::pg_node_tree, NULL::text
FROM velodrome.noted_keys k;

-- https://www.postgresql.org/docs/8.0/catalog-pg-attrdef.html; an identity column's default reads as on Redshift.
CREATE VIEW velodrome.pg_attrdef AS
SELECT d.oid, d.adrelid, d.adnum, d.adbin, 
    replace(pg_get_expr(d.adbin, d.adrelid), 'velodrome.', '') AS adsrc
FROM pg_catalog.pg_attrdef d
UNION ALL
SELECT s.seqrelid, a.attrelid, a.attnum, NULL::pg_node_tree,
    format('%s(%s, %s, ''%s,%s''::text)', CASE a.attidentity WHEN 'a' THEN '"identity"' ELSE 'default_identity' END,
        a.attrelid, a.attnum - 1, s.seqstart, s.seqincrement)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum
    AND p.classid = 'pg_class'::regclass AND p.deptype = 'i'
JOIN pg_catalog.pg_sequence s ON s.seqrelid = p.objid
WHERE a.attidentity <> '';

-- Of later PostgreSQL, and used by this warehouse alone: none of these is in
-- https://www.postgresql.org/docs/8.0/catalogs.html
CREATE VIEW velodrome.pg_foreign_server AS SELECT * FROM pg_catalog.pg_foreign_server WHERE false;
CREATE VIEW velodrome.pg_foreign_data_wrapper AS SELECT * FROM pg_catalog.pg_foreign_data_wrapper WHERE false;
CREATE VIEW velodrome.pg_foreign_table AS SELECT * FROM pg_catalog.pg_foreign_table WHERE false;
CREATE VIEW velodrome.pg_user_mappings AS SELECT * FROM pg_catalog.pg_user_mappings WHERE false;
CREATE VIEW velodrome.pg_event_trigger AS SELECT * FROM pg_catalog.pg_event_trigger WHERE false;
CREATE VIEW velodrome.pg_extension AS SELECT * FROM pg_catalog.pg_extension WHERE false;
CREATE VIEW velodrome.pg_trigger AS SELECT * FROM pg_catalog.pg_trigger WHERE tgname !~ '^velodrome';
CREATE VIEW velodrome.pg_matviews AS SELECT * FROM pg_catalog.pg_matviews WHERE false;
GRANT SELECT ON velodrome.pg_trigger, velodrome.pg_matviews, velodrome.pg_foreign_server, velodrome.pg_foreign_data_wrapper, velodrome.pg_foreign_table,
    velodrome.pg_user_mappings, velodrome.pg_event_trigger, velodrome.pg_extension TO PUBLIC;

GRANT SELECT ON velodrome.pg_namespace, velodrome.pg_type, velodrome.pg_database, velodrome.pg_proc, velodrome.pg_class,
    velodrome.pg_attribute, velodrome.pg_index, velodrome.pg_constraint, velodrome.pg_attrdef, velodrome.noted_keys TO PUBLIC;

-- The server's own functions of these names, for what is really there.
CREATE OR REPLACE FUNCTION velodrome.server_constraintdef(oid, boolean) RETURNS text LANGUAGE internal STABLE STRICT AS 'pg_get_constraintdef_ext';
CREATE OR REPLACE FUNCTION velodrome.server_indexdef(oid, int, boolean) RETURNS text LANGUAGE internal STABLE STRICT AS 'pg_get_indexdef_ext';

-- A function that the server has built in is never looked up once a query runs, only while it is planned: what stands
-- for it must be one call, which the planner puts in its place.
CREATE OR REPLACE FUNCTION velodrome.constraintdef(constraint_oid oid, pretty boolean) RETURNS text LANGUAGE sql STABLE
RETURN coalesce((
    SELECT CASE k.kind WHEN 'primary key' THEN 'PRIMARY KEY' WHEN 'unique' THEN 'UNIQUE' ELSE 'FOREIGN KEY' END
        || ' (' || velodrome.name_list(k.columns) || ')'
        || coalesce(' REFERENCES ' || k.referenced::regclass::text || '(' || velodrome.name_list(k.referenced_columns) || ')', '')
    FROM velodrome.noted_keys k WHERE k.oid = constraint_oid
), velodrome.server_constraintdef(constraint_oid, pretty));
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_constraintdef(oid, boolean) RETURNS text LANGUAGE sql STABLE
RETURN velodrome.constraintdef($1, $2);
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_constraintdef(oid) RETURNS text LANGUAGE sql STABLE
RETURN velodrome.constraintdef($1, false);

CREATE OR REPLACE FUNCTION velodrome.indexdef(index_oid oid, place int, pretty boolean) RETURNS text LANGUAGE sql STABLE
RETURN coalesce((
    SELECT CASE WHEN place > 0 THEN quote_ident(k.columns[place])
        ELSE format('CREATE UNIQUE INDEX %I ON %s USING btree (%s)', k.name, k.relid::regclass, velodrome.name_list(k.columns)) END
    FROM velodrome.noted_keys k WHERE k.index = index_oid AND k.kind <> 'foreign key'
), velodrome.server_indexdef(index_oid, place, pretty));
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_indexdef(oid, int, boolean) RETURNS text LANGUAGE sql STABLE
RETURN velodrome.indexdef($1, $2, $3);
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_indexdef(oid) RETURNS text LANGUAGE sql STABLE
RETURN velodrome.indexdef($1, 0, false);

-- Views of the server itself, without what is our own: https://www.postgresql.org/docs/8.0/view-pg-tables.html,
-- https://www.postgresql.org/docs/8.0/view-pg-views.html, https://www.postgresql.org/docs/8.0/view-pg-indexes.html
CREATE OR REPLACE VIEW pg_catalog.pg_tables AS
SELECT n.nspname AS schemaname, c.relname AS tablename, pg_get_userbyid(c.relowner) AS tableowner, t.spcname AS tablespace,
    c.relhasindex AS hasindexes, c.relhasrules AS hasrules, c.relhastriggers AS hastriggers, c.relrowsecurity AS rowsecurity
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('velodrome', 'pg_velodrome_rls')
UNION ALL
SELECT n.nspname, v.relname, pg_get_userbyid(c.relowner), NULL, false, false, false, false
FROM velodrome.view_tables v JOIN pg_catalog.pg_class c ON c.oid = v.view JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace;
CREATE OR REPLACE VIEW pg_catalog.pg_views AS
SELECT n.nspname AS schemaname, c.relname AS viewname, pg_get_userbyid(c.relowner) AS viewowner, pg_get_viewdef(c.oid) AS definition
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('velodrome', 'pg_velodrome_rls');
CREATE OR REPLACE VIEW pg_catalog.pg_indexes AS
SELECT n.nspname AS schemaname, c.relname AS tablename, i.relname AS indexname, t.spcname AS tablespace, pg_get_indexdef(i.oid) AS indexdef
FROM velodrome.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indrelid JOIN velodrome.pg_class i ON i.oid = x.indexrelid
JOIN velodrome.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = i.reltablespace
WHERE c.relkind IN ('r', 'm', 'p') AND i.relkind IN ('i', 'I');
