-- COPY and UNLOAD, ANALYZE and VACUUM, procedures.
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_HISTORY.html
CREATE OR REPLACE VIEW pg_catalog.sys_load_history WITH (security_barrier) AS
SELECT q.userid AS user_id, q.query AS query_id, q.xid AS transaction_id, q.pid AS session_id, q.database AS database_name,
    CASE q.status WHEN 'success' THEN 'completed' WHEN 'running' THEN 'running' ELSE 'aborted' END AS status,
    coalesce(f."table", e."table") AS table_name, q.started AS start_time, q.ended AS end_time,
    velodrome.elapsed(q.started, q.ended) AS duration, coalesce(f.source, e.source) AS data_source,
    lower(coalesce(f.format, e.format)) AS file_format, CASE WHEN q.status = 'success' THEN coalesce(f.rows, 0) ELSE 0 END AS loaded_rows,
    CASE WHEN q.status = 'success' THEN coalesce(f.bytes, 0) ELSE 0 END AS loaded_bytes, coalesce(f.files, 0)::int AS source_file_count,
    coalesce(f.bytes, 0) AS source_file_bytes, coalesce(f.files, 0)::int AS file_count_scanned,
    coalesce(f.bytes, 0) AS file_bytes_scanned, coalesce(e.errors, 0) AS error_count, 0::bigint AS copy_job_id
FROM velodrome.queries q
LEFT JOIN (
    SELECT query, min("table") AS "table", min(source) AS source, min(format) AS format, sum(rows)::bigint AS rows,
        sum(bytes)::bigint AS bytes, count(*) AS files FROM velodrome.load_files GROUP BY query
) f ON f.query = q.query
LEFT JOIN (
    SELECT query, min("table") AS "table", min(source) AS source, min(format) AS format, count(*) AS errors
    FROM velodrome.load_errors GROUP BY query
) e ON e.query = q.query
WHERE q.kind = 'COPY';
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_DETAIL.html
CREATE OR REPLACE VIEW pg_catalog.sys_load_detail WITH (security_barrier) AS
SELECT userid AS user_id, query::int AS query_id, file::char(256) AS file_name, bytes::int AS bytes_scanned, rows::int AS lines_scanned,
    ended AS record_time, 1 AS splits_scanned, started AS start_time, ended AS end_time
FROM velodrome.load_files;
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html
CREATE OR REPLACE VIEW pg_catalog.sys_load_error_detail WITH (security_barrier) AS
SELECT userid AS user_id, query AS query_id, xid AS transaction_id, pid AS session_id, database::char(64) AS database_name,
    relation AS table_id, happened AS start_time, file::char(256) AS file_name, line AS line_number, "column"::char(127) AS column_name,
    type::char(10) AS column_type, length::char(10) AS column_length, position, code AS error_code, reason::char(512) AS error_message
FROM velodrome.load_errors;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOAD_ERRORS.html
CREATE OR REPLACE VIEW pg_catalog.stl_load_errors WITH (security_barrier) AS
SELECT userid, 0 AS slice, relation AS tbl, happened AS starttime, pid AS session, query::int AS query, file::char(256) AS filename,
    line AS line_number, "column"::char(127) AS colname, type::char(10) AS type, length::char(10) AS col_length, position,
    raw_line::char(1024) AS raw_line, raw_value::char(1024) AS raw_field_value, code AS err_code, reason::char(100) AS err_reason
FROM velodrome.load_errors;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOADERROR_DETAIL.html
CREATE OR REPLACE VIEW pg_catalog.stl_loaderror_detail WITH (security_barrier) AS
SELECT userid, 0 AS slice, pid AS session, query::int AS query, file::char(256) AS filename, line AS line_number, position AS field,
    "column"::char(1024) AS colname, raw_value::char(1024) AS value, 0 AS is_null, type::char(10) AS type, length::char(10) AS col_length
FROM velodrome.load_errors WHERE "column" <> '';
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOAD_COMMITS.html
CREATE OR REPLACE VIEW pg_catalog.stl_load_commits WITH (security_barrier) AS
SELECT userid, query::int AS query, 0 AS slice, ''::char(256) AS name, file::char(256) AS filename, 0 AS byte_offset,
    rows::int AS lines_scanned, 0 AS errors, ended AS curtime, status, format::char(16) AS file_format, 0 AS is_partial,
    0::bigint AS start_offset, 0::bigint AS copy_job_id
FROM velodrome.load_files;
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_UNLOAD_HISTORY.html
CREATE OR REPLACE VIEW pg_catalog.sys_unload_history WITH (security_barrier) AS
SELECT userid AS user_id, query AS query_id, xid AS transaction_id, pid AS session_id, database AS database_name,
    CASE status WHEN 'success' THEN 'completed' WHEN 'running' THEN 'running' ELSE 'aborted' END AS status, started AS start_time,
    ended AS end_time, velodrome.elapsed(started, ended) AS duration, NULL::text AS file_format, NULL::text AS compression_type,
    NULL::text AS unloaded_location, rows AS unloaded_rows, 0::bigint AS unloaded_files_count, 0::bigint AS unloaded_files_size,
    error AS error_message
FROM velodrome.queries WHERE kind = 'UNLOAD';
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_UNLOAD_DETAIL.html: empty
CREATE OR REPLACE VIEW pg_catalog.sys_unload_detail AS
SELECT NULL::int AS user_id, NULL::int AS query_id, NULL::int AS session_id, NULL::bigint AS transaction_id,
    NULL::char(1280) AS file_name, NULL::timestamp AS start_time, NULL::timestamp AS end_time, NULL::bigint AS line_count,
    NULL::bigint AS transfer_size, NULL::char(10) AS file_format
WHERE false;

-- ANALYZE and VACUUM of a named table, or of none: what the statement's text says.
CREATE OR REPLACE VIEW velodrome.maintenance WITH (security_barrier) AS
SELECT q.*, lower(found[1]) AS command, lower(coalesce(found[2], 'full')) AS variant,
    coalesce(parse_ident(found[3], false), '{}') AS name, velodrome.relation_here(found[3]) AS relation
FROM velodrome.queries q
CROSS JOIN LATERAL regexp_match(q.text, '^\s*(analyze|analyse|vacuum)(?:\s+(full|sort|delete|reindex|recluster|verbose)(?:\s+only)?)?(?:\s+((?!to\y|boost\y|compression\y)(?:"[^"]+"|[a-z_][\w$]*)(?:\.(?:"[^"]+"|[a-z_][\w$]*))*))?', 'i') found
WHERE q.kind = 'UTILITY' AND found IS NOT NULL AND q.database = current_database();
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_ANALYZE_HISTORY.html: of the database asked in; to superusers
CREATE OR REPLACE VIEW pg_catalog.sys_analyze_history WITH (security_barrier) AS
SELECT m.userid AS user_id, m.xid AS transaction_id, m.database::char(30) AS database_name, n.nspname::char(128) AS schema_name,
    m.name[cardinality(m.name)]::char(30) AS table_name, m.relation::oid::bigint::int AS table_id, 'f'::char(1) AS is_automatic,
    (CASE WHEN m.status = 'success' THEN 'Full' ELSE 'Failed' END)::char(15) AS status, m.started AS start_time, m.ended AS end_time,
    c.reltuples::double precision AS rows, 0::double precision AS modified_rows, 10 AS analyze_threshold_percent,
    NULL::timestamp AS last_analyze_time
FROM velodrome.maintenance m LEFT JOIN pg_class c ON c.oid = m.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE m.command <> 'vacuum' AND m.ended IS NOT NULL AND velodrome.sees_system();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_ANALYZE.html
CREATE OR REPLACE VIEW pg_catalog.stl_analyze WITH (security_barrier) AS
SELECT user_id AS userid, transaction_id AS xid, database_name AS database, table_id, status, rows, modified_rows,
    analyze_threshold_percent AS threshold_percent, is_automatic AS is_auto, start_time AS starttime, end_time AS endtime,
    last_analyze_time AS prevtime, 0 AS num_predicate_cols, 0 AS num_new_predicate_cols, 'f'::char(1) AS is_background,
    ''::char(100) AS auto_analyze_phase, schema_name, table_name::char(136) AS table_name
FROM pg_catalog.sys_analyze_history;
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_VACUUM_HISTORY.html
CREATE OR REPLACE VIEW pg_catalog.sys_vacuum_history WITH (security_barrier) AS
SELECT m.userid AS user_id, m.xid AS transaction_id, m.query AS query_id, m.database AS database_name, n.nspname::text AS schema_name,
    m.name[cardinality(m.name)] AS table_name, m.relation::oid::bigint::int AS table_id, initcap(m.variant)::char(20) AS vacuum_type,
    false AS is_automatic, (CASE m.status WHEN 'success' THEN 'Finished' WHEN 'running' THEN 'Delete' ELSE 'Failed' END)::char(30) AS status,
    m.started AS start_time, m.ended AS end_time, m.ended AS record_time,
    CASE WHEN m.ended IS NOT NULL THEN velodrome.elapsed(m.started, m.ended) END::int AS duration, c.reltuples::bigint AS rows_before_vacuum,
    (pg_relation_size(c.oid) / 1048576)::int AS size_before_vacuum, 0::bigint AS reclaimable_rows, 0::bigint AS reclaimed_rows,
    0::bigint AS reclaimed_blocks, 0 AS sortedrows_before_vacuum, 0 AS sortedrows_after_vacuum
FROM velodrome.maintenance m LEFT JOIN pg_class c ON c.oid = m.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE m.command = 'vacuum';
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_VACUUM.html: a row where it starts, a row where it ends
CREATE OR REPLACE VIEW pg_catalog.stl_vacuum WITH (security_barrier) AS
SELECT user_id AS userid, transaction_id AS xid, table_id, s.status::char(30) AS status, coalesce(rows_before_vacuum, 0) AS rows,
    coalesce(rows_before_vacuum, 0)::int AS sortedrows, coalesce(size_before_vacuum, 0) AS blocks, 0 AS max_merge_partitions,
    s.eventtime, 0::bigint AS reclaimable_rows, 0::bigint AS reclaimable_space_mb, 0::bigint AS cutoff_xid, 0 AS is_recluster
FROM pg_catalog.sys_vacuum_history v
CROSS JOIN LATERAL (
    VALUES ('Started' || CASE v.vacuum_type WHEN 'Full' THEN '' ELSE ' ' || rtrim(v.vacuum_type) || ' Only' END, v.start_time),
        (rtrim(v.status), v.end_time)
) s (status, eventtime)
WHERE s.eventtime IS NOT NULL AND velodrome.sees_system();

-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_PROCEDURE_CALL.html
CREATE OR REPLACE VIEW pg_catalog.sys_procedure_call WITH (security_barrier) AS
SELECT userid AS session_user_id, userid AS security_user_id, query::int AS query_id, text::char(4000) AS query_text, started AS start_time,
    ended AS end_time, (CASE WHEN code = '' THEN 'success' ELSE 'canceled' END)::char(10) AS status, NULL::int AS caller_procedure_query_id
FROM velodrome.queries WHERE ended IS NOT NULL AND text ~* '^\s*call\y';
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVL_STORED_PROC_CALL.html
CREATE OR REPLACE VIEW pg_catalog.svl_stored_proc_call WITH (security_barrier) AS
SELECT userid, userid AS session_userid, query::int AS query, label::char(320) AS label, xid, pid, database::char(32) AS database,
    text::char(4000) AS querytxt, started AS starttime, ended AS endtime, (code <> '')::int AS aborted, NULL::int AS from_sp_call
FROM velodrome.queries WHERE ended IS NOT NULL AND text ~* '^\s*call\y';
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_FILE_SCAN.html
CREATE OR REPLACE VIEW pg_catalog.stl_file_scan WITH (security_barrier) AS
SELECT userid, query::int AS query, 0 AS slice, file::char(90) AS name, rows AS lines, bytes, velodrome.elapsed(started, ended) AS loadtime,
    ended AS curtime, 0 AS is_partial, 0::bigint AS start_offset
FROM velodrome.load_files;

GRANT SELECT ON pg_catalog.sys_load_history, pg_catalog.sys_load_detail, pg_catalog.sys_load_error_detail,
    pg_catalog.stl_load_errors, pg_catalog.stl_loaderror_detail, pg_catalog.stl_load_commits,
    pg_catalog.sys_unload_history, pg_catalog.sys_unload_detail, pg_catalog.sys_analyze_history, pg_catalog.stl_analyze,
    pg_catalog.sys_vacuum_history, pg_catalog.stl_vacuum, pg_catalog.sys_procedure_call,
    pg_catalog.svl_stored_proc_call, pg_catalog.stl_file_scan TO PUBLIC;
