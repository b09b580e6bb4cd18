-- Redshift's own tables and functions with the prefix pg_.

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_CLASS_INFO.html
CREATE VIEW pg_catalog.pg_class_info AS
SELECT c.oid AS reloid, c.*, t.created AS relcreationtime, c.reldiststyle::int AS releffectivediststyle
FROM velodrome.pg_class c LEFT JOIN velodrome.table_notes t ON t.relid = c.oid;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_DATABASE_INFO.html
CREATE VIEW pg_catalog.pg_database_info AS
SELECT d.oid AS datid, d.datname, d.datdba, d.encoding, d.datistemplate, d.datallowconn, d.datlastsysoid, d.datvacuumxid,
    d.datfrozenxid, d.dattablespace, d.datconfig, d.datacl,
    CASE d.datconnlimit WHEN -1 THEN 'UNLIMITED' ELSE d.datconnlimit::text END AS datconnlimit
FROM velodrome.pg_database d;

-- Asked for by Amazon's drivers: https://docs.aws.amazon.com/redshift/latest/dg/c_intro_catalog_views.html
CREATE VIEW pg_catalog.pg_proc_info AS
SELECT p.oid AS prooid, p.* FROM velodrome.pg_proc p;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_STATISTIC_INDICATOR.html
CREATE VIEW pg_catalog.pg_statistic_indicator AS
SELECT c.oid AS stairelid, greatest(c.reltuples, 0)::double precision AS stairows,
    pg_stat_get_tuples_inserted(c.oid)::double precision AS staiins, pg_stat_get_tuples_deleted(c.oid)::double precision AS staidels
FROM pg_class c WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 AND c.relnamespace <> 'velodrome'::regnamespace;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_DEFAULT_ACL.html
CREATE VIEW velodrome.pg_default_acl AS
SELECT d.*, d.defaclrole::int AS defacluser FROM pg_catalog.pg_default_acl d;

GRANT SELECT ON pg_catalog.pg_class_info, pg_catalog.pg_database_info, pg_catalog.pg_proc_info, pg_catalog.pg_statistic_indicator,
    velodrome.pg_default_acl TO PUBLIC;

-- https://docs.aws.amazon.com/redshift/latest/dg/PG_GET_COLS.html
DROP FUNCTION IF EXISTS pg_catalog.pg_get_cols(varchar);
CREATE FUNCTION pg_catalog.pg_get_cols(relation varchar)
RETURNS TABLE (view_schema name, view_name name, col_name name, col_type varchar, col_num int) LANGUAGE sql STABLE STRICT AS $$
    SELECT n.nspname, c.relname, a.attname, velodrome.type_name(a.atttypid, a.atttypmod, true)::varchar, a.attnum::int
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.oid = pg_catalog.to_regclass(relation) ORDER BY a.attnum
$$;
