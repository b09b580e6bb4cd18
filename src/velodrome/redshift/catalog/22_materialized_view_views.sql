-- System views of materialized views. A superuser sees every row, others those of what they own or did.

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_MV_INFO.html
DROP VIEW IF EXISTS pg_catalog.stv_mv_info;
CREATE VIEW pg_catalog.stv_mv_info AS
SELECT current_database()::char(128) AS db_name, n.nspname::char(128) AS schema, c.relname::char(128) AS name,
    m.refreshed_in::text::bigint AS updated_upto_xid, (CASE WHEN velodrome.is_stale(m.relid) THEN 't' ELSE 'f' END)::char(1) AS is_stale,
    pg_get_userbyid(c.relowner)::char(128) AS owner_user_name, m.incremental::int AS state,
    'f'::char(1) AS autorewrite, (CASE WHEN m.auto_refresh THEN 't' ELSE 'f' END)::char(1) AS autorefresh
FROM velodrome.materialized_views m JOIN pg_class c ON c.oid = m.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE velodrome.is_superuser() OR pg_has_role(c.relowner, 'USAGE');

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_MV_INFO.html
DROP VIEW IF EXISTS pg_catalog.svv_mv_info;
CREATE VIEW pg_catalog.svv_mv_info AS
SELECT db_name AS database_name, schema AS schema_name, owner_user_name AS user_name, name, is_stale, state, autorewrite, autorefresh
FROM pg_catalog.stv_mv_info;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_MV_DEPS.html
DROP VIEW IF EXISTS pg_catalog.stv_mv_deps;
CREATE VIEW pg_catalog.stv_mv_deps AS
SELECT current_database()::char(128) AS db_name, n.nspname::char(128) AS schema, c.relname::char(128) AS name,
    rn.nspname::char(128) AS ref_schema, r.relname::char(128) AS ref_name, current_database()::char(128) AS ref_database_name
FROM velodrome.materialized_views m JOIN pg_class c ON c.oid = m.relid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN velodrome.materialized_views b ON b.relid = ANY (m.bases)
JOIN pg_class r ON r.oid = b.relid JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE velodrome.is_superuser() OR pg_has_role(c.relowner, 'USAGE');

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVL_MV_REFRESH_STATUS.html
DROP VIEW IF EXISTS pg_catalog.svl_mv_refresh_status;
CREATE VIEW pg_catalog.svl_mv_refresh_status AS
SELECT current_database()::char(128) AS db_name, userid, schema_name::char(128) AS schema_name, mv_name::char(128) AS mv_name, xid,
    start_time AS starttime, end_time AS endtime, status, refresh_type::char(32) AS refresh_type,
    NULL::char(12) AS consumer_account, NULL::char(32) AS consumer_region, NULL::char(36) AS consumer_namespace
FROM velodrome.refreshes
WHERE velodrome.is_superuser() OR userid = (SELECT oid FROM pg_roles WHERE rolname = session_user);

-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_MV_REFRESH_HISTORY.html
DROP VIEW IF EXISTS pg_catalog.sys_mv_refresh_history;
CREATE VIEW pg_catalog.sys_mv_refresh_history AS
SELECT userid::int AS user_id, pid AS session_id, xid AS transaction_id, current_database()::char(128) AS database_name,
    schema_name::char(128) AS schema_name, mv_id::bigint AS mv_id, mv_name::char(128) AS mv_name, refresh_type::char(32) AS refresh_type,
    status, start_time, end_time, (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS duration,
    NULL::char(12) AS consumer_account, NULL::char(32) AS consumer_region, NULL::char(36) AS consumer_namespace
FROM velodrome.refreshes
WHERE velodrome.is_superuser() OR userid = (SELECT oid FROM pg_roles WHERE rolname = session_user);
GRANT SELECT ON pg_catalog.stv_mv_info, pg_catalog.svv_mv_info, pg_catalog.stv_mv_deps, pg_catalog.svl_mv_refresh_status, pg_catalog.sys_mv_refresh_history TO PUBLIC;
