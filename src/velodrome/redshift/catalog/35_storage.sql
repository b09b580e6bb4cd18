-- Tables as they lie on disk. This warehouse has one node with one slice. Only superusers read most of these, and whom
-- they let: https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TABLE_INFO.html

-- Counted, where that takes no time; else PostgreSQL's estimate. For who may read the table or the views below.
CREATE OR REPLACE FUNCTION velodrome.row_count(relation oid) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found bigint;
    density float8 := (SELECT CASE WHEN relpages > 0 THEN reltuples / relpages END FROM pg_class WHERE oid = relation AND reltuples >= 0);
BEGIN
    IF NOT has_table_privilege(session_user, relation, 'SELECT')
        AND NOT has_table_privilege(session_user, 'pg_catalog.svv_table_info', 'SELECT') THEN
        RETURN NULL;
    ELSIF density IS NULL OR pg_relation_size(relation) < 32 * 1024 * 1024 THEN
        EXECUTE format('SELECT count(*) FROM %s', relation::regclass) INTO found;
        RETURN found;
    END IF;
    RETURN density * pg_relation_size(relation) / current_setting('block_size')::int;
END $$;

-- Redshift gives each column, and three hidden ones, at least one block of 1 MB:
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_DISKUSAGE.html
CREATE VIEW velodrome.stored_tables AS
SELECT c.oid, n.nspname, c.relname, c.relowner, c.relpersistence, c.reltuples, t.*, v.rows, k.columns,
    greatest(ceil(pg_table_size(c.oid) / 1048576.0 / (k.columns + 3)), 1)::bigint AS blocks_a_column
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN velodrome.table_notes t ON t.relid = c.oid,
    LATERAL (SELECT velodrome.row_count(c.oid) AS rows) v,
    LATERAL (SELECT count(*)::int AS columns FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) k
WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 AND n.nspname NOT IN ('velodrome', 'pg_velodrome_rls')
    AND NOT pg_is_other_temp_schema(n.oid);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TABLE_INFO.html
CREATE VIEW pg_catalog.svv_table_info AS
SELECT current_database()::text AS database, s.nspname::text AS schema, s.oid AS table_id, s.relname::text AS "table",
    CASE WHEN coalesce(s.encodings, '[]') = '[]' THEN 'Y, AUTO(ENCODE)' WHEN e.encoded THEN 'Y' ELSE 'N' END AS encoded,
    velodrome.diststyle_words(s.diststyle, s.distkey) AS diststyle,
    CASE s.sortkey_style WHEN 'none' THEN NULL WHEN 'compound' THEN s.sortkey_columns[1] WHEN 'interleaved' THEN 'INTERLEAVED'
        ELSE 'AUTO(SORTKEY)' END AS sortkey1,
    e.max_varchar, e.sortkey1_enc::character(32) AS sortkey1_enc, coalesce(cardinality(s.sortkey_columns), 0) AS sortkey_num,
    s.blocks_a_column * (s.columns + 3) AS size,
    (100.0 * s.blocks_a_column * (s.columns + 3) / p.capacity)::numeric(10, 4) AS pct_used, 0::bigint AS empty,
    (CASE WHEN cardinality(s.sortkey_columns) > 0 THEN 0 END)::numeric(5, 2) AS unsorted,
    (CASE WHEN s.reltuples < 0 THEN 100 ELSE least(100, 100.0 * pg_stat_get_mod_since_analyze(s.oid) / s.rows) END)::numeric(5, 2) AS stats_off,
    s.rows::numeric(38, 0) AS tbl_rows,
    (CASE WHEN cardinality(s.sortkey_columns) > 0 THEN 1 END)::numeric(19, 2) AS skew_sortkey1,
    (CASE WHEN coalesce(s.diststyle, 'auto') IN ('even', 'key') THEN 1 END)::numeric(19, 2) AS skew_rows,
    s.rows::numeric(38, 0) AS estimated_visible_rows, NULL::text AS risk_event, NULL::numeric(12, 2) AS vacuum_sort_benefit,
    s.created AS create_time
FROM velodrome.stored_tables s,
    LATERAL (
        SELECT bool_or(c.encoding <> 'none') AS encoded, coalesce(max(c.length), 0) AS max_varchar,
            max(c.encoding) FILTER (WHERE c.attname = s.sortkey_columns[1]) AS sortkey1_enc
        FROM (
            SELECT a.attname, velodrome.encoding(s.encodings, a.attname = ANY (s.sortkey_columns), a.attname::text, a.atttypid) AS encoding,
                CASE WHEN a.atttypid = 'varchar'::regtype AND a.atttypmod > 0 THEN a.atttypmod - 4 END AS length
            FROM pg_attribute a WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped
        ) c
    ) e,
    (SELECT 134217728 AS capacity) p
WHERE s.rows > 0;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_TBL_PERM.html
CREATE VIEW pg_catalog.stv_tbl_perm AS
SELECT 0 AS slice, s.oid::int AS id, s.relname::character(72) AS name, s.rows, s.rows AS sorted_rows,
    (s.relpersistence = 't')::int AS temp, (SELECT d.oid::int FROM pg_database d WHERE d.datname = current_database()) AS db_id,
    0 AS insert_pristine, 0 AS delete_pristine, (coalesce(s.backup, true) AND s.relpersistence <> 't')::int AS backup,
    velodrome.diststyle_number(s.diststyle)::int AS dist_style,
    (CASE WHEN s.rows > 0 THEN s.blocks_a_column * (s.columns + 3) ELSE 0 END)::int AS block_count
FROM velodrome.stored_tables s;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_BLOCKLIST.html: numbers of columns begin with 0, and go on with
-- the three hidden ones.
CREATE VIEW pg_catalog.stv_blocklist AS
SELECT 0 AS slice, c AS col, s.oid::int AS tbl, b::int AS blocknum, (s.rows / s.blocks_a_column)::int AS num_values,
    0 AS extended_limits, 0::bigint AS minvalue, 0::bigint AS maxvalue, 0 AS sb_pos, 0 AS pinned, 1 AS on_disk, 0 AS modified,
    0 AS hdr_modified, 0 AS unsorted, 0 AS tombstone, 0 AS preferred_diskno, (s.relpersistence = 't')::int AS temporary,
    0 AS newblock, 0 AS num_readers, 0 AS flags
FROM velodrome.stored_tables s, generate_series(0, s.columns + 2) c, generate_series(0, s.blocks_a_column - 1) b
WHERE s.rows > 0;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_DISKUSAGE.html
CREATE VIEW pg_catalog.svv_diskusage AS
SELECT p.db_id, p.name, b.slice, b.col, b.tbl, b.blocknum, b.num_values, b.minvalue, b.maxvalue, b.sb_pos, b.pinned, b.on_disk,
    b.modified, b.hdr_modified, b.unsorted, b.tombstone, b.preferred_diskno, b.temporary, b.newblock
FROM pg_catalog.stv_blocklist b JOIN pg_catalog.stv_tbl_perm p ON p.id = b.tbl AND p.slice = b.slice;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_SLICES.html
CREATE VIEW pg_catalog.stv_slices AS
SELECT 0 AS node, 0 AS slice, 0 AS localslice, 'D'::character(1) AS type;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_PARTITIONS.html
CREATE VIEW pg_catalog.stv_partitions AS
SELECT 0 AS owner, 0 AS host, 0 AS diskno, 0::bigint AS part_begin, 140737488355328::bigint AS part_end,
    (pg_database_size(current_database()) / 1048576)::int AS used, 0 AS tossed, 134217728 AS capacity, 0::bigint AS reads,
    0::bigint AS writes, 0 AS seek_forward, 0 AS seek_back, 0 AS is_san, 0 AS failed, 0 AS mbps, ''::character(256) AS mount;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_INTERLEAVED_COLUMNS.html
CREATE VIEW pg_catalog.svv_interleaved_columns AS
SELECT s.oid::int AS tbl, a.attnum - 1 AS col, NULL::numeric(19, 2) AS interleaved_skew, NULL::timestamp AS last_reindex
FROM velodrome.stored_tables s JOIN pg_attribute a ON a.attrelid = s.oid AND a.attname = ANY (s.sortkey_columns) AND NOT a.attisdropped
WHERE s.sortkey_style = 'interleaved';

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALTER_TABLE_RECOMMENDATIONS.html
CREATE VIEW pg_catalog.svv_alter_table_recommendations AS
SELECT ''::character(30) AS type, ''::character(128) AS database, 0 AS table_id, 0 AS group_id, ''::character(1024) AS ddl,
    'f'::character(1) AS auto_eligible
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_SCHEMA_QUOTA.html
CREATE VIEW pg_catalog.svv_redshift_schema_quota AS
SELECT current_database()::character(128) AS database_name, n.nspname::character(128) AS schema_name, n.nspowner::int AS schema_owner,
    (SELECT k.megabytes FROM velodrome.schema_quotas k WHERE k.schema = n.oid) AS quota,
    coalesce((SELECT sum(pg_table_size(c.oid)) / 1048576 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'm')), 0)::int
        AS disk_usage
FROM velodrome.pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND velodrome.sees_schema(n.oid, n.nspowner);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_SCHEMA_QUOTA_STATE.html
CREATE VIEW pg_catalog.svv_schema_quota_state AS
SELECT n.oid::int AS schema_id, q.schema_name, q.schema_owner, q.quota, q.disk_usage,
    round(100.0 * q.disk_usage / q.quota, 2)::double precision AS disk_usage_pct
FROM pg_catalog.svv_redshift_schema_quota q JOIN velodrome.pg_namespace n ON n.nspname = rtrim(q.schema_name);

GRANT SELECT ON pg_catalog.stv_slices, pg_catalog.svv_redshift_schema_quota, pg_catalog.svv_schema_quota_state TO PUBLIC;
GRANT SELECT ON pg_catalog.svv_table_info, pg_catalog.stv_tbl_perm, pg_catalog.stv_blocklist, pg_catalog.svv_diskusage,
    pg_catalog.stv_partitions, pg_catalog.svv_interleaved_columns, pg_catalog.svv_alter_table_recommendations
    TO "sys:superuser" WITH GRANT OPTION;
