-- Statements, one row each, and their texts in pieces. What only a cluster has (queues, slices, compilation) is 0.
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_QUERY_HISTORY.html
CREATE OR REPLACE VIEW pg_catalog.sys_query_history WITH (security_barrier) AS
SELECT userid AS user_id, query AS query_id, label::char(320) AS query_label, xid AS transaction_id, pid AS session_id,
    database::char(128) AS database_name, kind::char(32) AS query_type, status::char(10) AS status,
    false AS result_cache_hit, started AS start_time, ended AS end_time,
    velodrome.elapsed(started, ended) AS elapsed_time, 0::bigint AS queue_time,
    velodrome.elapsed(started, ended) AS execution_time, error::char(512) AS error_message, rows AS returned_rows,
    0::bigint AS returned_bytes, text::char(4000) AS query_text, 'Redshift 1.0.0'::char(256) AS redshift_version,
    NULL::char(150) AS usage_limit, 'primary'::varchar(32) AS compute_type, 0::bigint AS compile_time,
    0::bigint AS planning_time, 0::bigint AS lock_wait_time, 100 AS service_class_id,
    'Default queue'::char(64) AS service_class_name, 'Normal'::char(20) AS query_priority,
    'false'::char(10) AS short_query_accelerated, md5(text)::char(40) AS user_query_hash,
    md5(velodrome.generic(text))::char(40) AS generic_query_hash, 1 AS query_hash_version,
    NULL::bigint AS result_cache_query_id
FROM velodrome.queries;

-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_QUERY_TEXT.html
CREATE OR REPLACE VIEW pg_catalog.sys_query_text WITH (security_barrier) AS
SELECT q.userid AS user_id, q.query AS query_id, q.xid AS transaction_id, q.pid AS session_id, q.started AS start_time,
    p.sequence, p.piece::char(4000) AS text
FROM velodrome.queries q, velodrome.pieces(velodrome.one_line(q.text), 4000) p;

-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_TRANSACTION_HISTORY.html: of transactions that have ended; to superusers
CREATE OR REPLACE VIEW pg_catalog.sys_transaction_history WITH (security_barrier) AS
WITH statements AS (
    SELECT userid, xid, pid, min(started) AS first, max(started) AS last_started, max(ended) AS last,
        bool_or(ended IS NULL) AS open, bool_or(code <> '') AS failed,
        (array_agg(tag ORDER BY query DESC))[1] AS last_tag, bool_or(tag IN ('BEGIN', 'START TRANSACTION')) AS explicit
    FROM velodrome.queries GROUP BY userid, xid, pid
)
SELECT userid AS user_id, xid AS transaction_id, 'Snapshot Isolation'::text AS isolation_level,
    CASE WHEN failed OR last_tag = 'ROLLBACK' THEN 'rolledback' ELSE 'committed' END AS status,
    first AS transaction_start_time, last_started AS commit_start_time, last AS commit_end_time, 0::bigint AS blocks_committed,
    CASE WHEN failed OR last_tag = 'ROLLBACK' THEN xid ELSE -1 END AS undo_transaction_id
FROM statements
WHERE NOT open AND (NOT explicit OR last_tag IN ('COMMIT', 'ROLLBACK', 'TRUNCATE TABLE')) AND velodrome.sees_system();

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_QUERY.html
CREATE OR REPLACE VIEW pg_catalog.stl_query WITH (security_barrier) AS
SELECT userid, query::int AS query, label::char(320) AS label, xid, pid, database::char(32) AS database,
    text::char(4000) AS querytxt, started AS starttime, ended AS endtime, (code <> '')::int AS aborted,
    0 AS insert_pristine, 0 AS concurrency_scaling_status
FROM velodrome.queries WHERE ended IS NOT NULL AND velodrome.is_query(kind);
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_QUERYTEXT.html
CREATE OR REPLACE VIEW pg_catalog.stl_querytext WITH (security_barrier) AS
SELECT q.userid, q.xid, q.pid, q.query::int AS query, p.sequence, p.piece::char(200) AS text
FROM velodrome.queries q, velodrome.pieces(velodrome.one_line(q.text), 200) p WHERE velodrome.is_query(q.kind);
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_DDLTEXT.html
CREATE OR REPLACE VIEW pg_catalog.stl_ddltext WITH (security_barrier) AS
SELECT q.userid, q.xid, q.pid, q.label::char(320) AS label, q.started AS starttime, q.ended AS endtime, p.sequence,
    p.piece::char(200) AS text
FROM velodrome.queries q, velodrome.pieces(velodrome.one_line(q.text), 200) p
WHERE q.ended IS NOT NULL AND q.kind IN ('DDL', 'CTAS');
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_UTILITYTEXT.html
CREATE OR REPLACE VIEW pg_catalog.stl_utilitytext WITH (security_barrier) AS
SELECT q.userid, q.xid, q.pid, q.label::char(320) AS label, q.started AS starttime, q.ended AS endtime, p.sequence,
    p.piece::char(200) AS text
FROM velodrome.queries q, velodrome.pieces(velodrome.one_line(q.text), 200) p
WHERE q.ended IS NOT NULL AND q.kind IN ('UTILITY', 'OTHER');
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVL_STATEMENTTEXT.html: all of them
CREATE OR REPLACE VIEW pg_catalog.svl_statementtext WITH (security_barrier) AS
SELECT q.userid, q.xid, q.pid, q.label::char(320) AS label, q.started AS starttime, q.ended AS endtime, p.sequence,
    (CASE WHEN q.kind IN ('DDL', 'CTAS') THEN 'DDL' WHEN velodrome.is_query(q.kind) THEN 'QUERY' ELSE 'UTILITY' END)::varchar(10) AS type,
    p.piece::char(200) AS text
FROM velodrome.queries q, velodrome.pieces(velodrome.one_line(q.text), 200) p WHERE q.ended IS NOT NULL;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVL_QLOG.html
CREATE OR REPLACE VIEW pg_catalog.svl_qlog WITH (security_barrier) AS
SELECT userid, query::int AS query, xid, pid, started AS starttime, ended AS endtime,
    velodrome.elapsed(started, ended) AS elapsed, (code <> '')::int AS aborted, label::char(320) AS label,
    left(text, 60)::char(60) AS substring, NULL::int AS source_query,
    '0'::text AS concurrency_scaling_status_txt, NULL::int AS from_sp_call
FROM velodrome.queries WHERE ended IS NOT NULL AND velodrome.is_query(kind);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_WLM_QUERY.html: one queue, in which nothing waits
CREATE OR REPLACE VIEW pg_catalog.stl_wlm_query WITH (security_barrier) AS
SELECT userid, xid::int AS xid, query::int AS task, query::int AS query, 100 AS service_class, 1 AS slot_count,
    started AS service_class_start_time, started AS queue_start_time, started AS queue_end_time,
    0::bigint AS total_queue_time, started AS exec_start_time, ended AS exec_end_time,
    velodrome.elapsed(started, ended) AS total_exec_time, ended AS service_class_end_time,
    'Completed'::char(16) AS final_state, 0::bigint AS est_peak_mem, 'Normal'::char(20) AS query_priority,
    'Default queue'::char(64) AS service_class_name
FROM velodrome.queries WHERE ended IS NOT NULL AND velodrome.is_query(kind);
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_ERROR.html: errors of the warehouse itself, not of statements
CREATE OR REPLACE VIEW pg_catalog.stl_error WITH (security_barrier) AS
SELECT userid, 'padbmaster'::char(12) AS process, ended AS recordtime, pid, 1 AS errcode, ''::char(90) AS file, 0 AS linenum,
    'Internal error'::char(100) AS context, error::char(512) AS error
FROM velodrome.queries WHERE left(code, 2) IN ('XX', '53', '58') AND ended IS NOT NULL AND velodrome.sees_system();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_TR_CONFLICT.html: transactions ended for another's sake
CREATE OR REPLACE VIEW pg_catalog.stl_tr_conflict WITH (security_barrier) AS
SELECT xid AS xact_id, pid::bigint AS process_id, started AS xact_start_ts, ended AS abort_time, 0::bigint AS table_id
FROM velodrome.queries WHERE code IN ('40001', '40P01') AND velodrome.sees_system();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_UNDONE.html
CREATE OR REPLACE VIEW pg_catalog.stl_undone WITH (security_barrier) AS
SELECT userid, xid AS xact_id, xid AS xact_id_undone, min(ended) AS undo_start_ts, max(ended) AS undo_end_ts, 0::bigint AS table_id
FROM velodrome.queries WHERE ended IS NOT NULL AND (code <> '' OR tag = 'ROLLBACK') GROUP BY userid, xid;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_RECENTS.html: what runs, and the last hundred that ran
CREATE OR REPLACE VIEW pg_catalog.stv_recents WITH (security_barrier) AS
SELECT userid, (CASE WHEN ended IS NULL THEN 'Running' ELSE 'Done' END)::char(20) AS status, started AS starttime,
    least(velodrome.elapsed(started, ended), 2147483647)::int AS duration, username::char(50) AS user_name,
    database::char(50) AS db_name, velodrome.one_line(text)::char(600) AS query, CASE WHEN ended IS NULL THEN pid ELSE -1 END AS pid
FROM (SELECT * FROM velodrome.queries ORDER BY ended DESC NULLS FIRST LIMIT 100) latest;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_INFLIGHT.html
CREATE OR REPLACE VIEW pg_catalog.stv_inflight WITH (security_barrier) AS
SELECT userid, 0 AS slice, query::int AS query, label::char(320) AS label, xid, pid, started AS starttime,
    velodrome.one_line(text)::char(100) AS text, 0 AS suspended, 0 AS insert_pristine, 0 AS concurrency_scaling_status
FROM velodrome.queries WHERE ended IS NULL AND velodrome.is_query(kind);
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_QUERY_INFLIGHT.html
CREATE OR REPLACE VIEW pg_catalog.svv_query_inflight WITH (security_barrier) AS
SELECT q.userid, 0 AS slice, q.query::int AS query, q.pid, q.started AS starttime, 0 AS suspended, p.piece::char(200) AS text, p.sequence
FROM velodrome.queries q, velodrome.pieces(velodrome.one_line(q.text), 200) p WHERE q.ended IS NULL AND velodrome.is_query(q.kind);
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_WLM_QUERY_STATE.html
CREATE OR REPLACE VIEW pg_catalog.stv_wlm_query_state WITH (security_barrier) AS
SELECT xid::int AS xid, query::int AS task, query::int AS query, 100 AS service_class, 1 AS slot_count, started AS wlm_start_time,
    'Running'::char(16) AS state, 0::bigint AS queue_time, velodrome.elapsed(started, NULL) AS exec_time,
    'Normal'::char(20) AS query_priority
FROM velodrome.queries WHERE ended IS NULL AND velodrome.is_query(kind);
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_WLM_SERVICE_CLASS_CONFIG.html
CREATE OR REPLACE VIEW pg_catalog.stv_wlm_service_class_config WITH (security_barrier) AS
SELECT 100 AS service_class, 'Fixed pool queue'::char(32) AS queueing_strategy, -1 AS num_query_tasks,
    -1 AS target_num_query_tasks, 'true'::char(8) AS evictable, 0::bigint AS eviction_threshold, -1 AS query_working_mem,
    -1 AS target_query_working_mem, 5 AS min_step_mem, 'Default queue'::char(64) AS name, 0::bigint AS max_execution_time,
    false AS user_group_wild_card, false AS query_group_wild_card, 'off'::char(20) AS concurrency_scaling,
    'Normal'::char(20) AS query_priority, false AS user_role_wild_card
WHERE velodrome.sees_system();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_WLM_SERVICE_CLASS_STATE.html
CREATE OR REPLACE VIEW pg_catalog.stv_wlm_service_class_state WITH (security_barrier) AS
SELECT 100 AS service_class, 0 AS num_queued_queries, (count(*) FILTER (WHERE ended IS NULL))::int AS num_executing_queries,
    count(*)::int AS num_serviced_queries, (count(*) FILTER (WHERE ended IS NOT NULL))::int AS num_executed_queries,
    0 AS num_evicted_queries, 0 AS num_concurrency_scaling_queries
FROM velodrome.queries WHERE velodrome.is_query(kind) HAVING velodrome.sees_system();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_WLM_QUERY_QUEUE_STATE.html: nothing waits
CREATE OR REPLACE VIEW pg_catalog.stv_wlm_query_queue_state AS
SELECT NULL::int AS service_class, NULL::int AS position, NULL::int AS task, NULL::int AS query, NULL::int AS slot_count,
    NULL::timestamp AS start_time, NULL::bigint AS queue_time
WHERE false;

GRANT SELECT ON pg_catalog.sys_query_history, pg_catalog.sys_query_text, pg_catalog.sys_transaction_history,
    pg_catalog.stl_query, pg_catalog.stl_querytext, pg_catalog.stl_ddltext, pg_catalog.stl_utilitytext,
    pg_catalog.svl_statementtext, pg_catalog.svl_qlog, pg_catalog.stl_wlm_query, pg_catalog.stl_error,
    pg_catalog.stl_tr_conflict, pg_catalog.stl_undone, pg_catalog.stv_recents, pg_catalog.stv_inflight,
    pg_catalog.svv_query_inflight, pg_catalog.stv_wlm_query_state, pg_catalog.stv_wlm_service_class_config,
    pg_catalog.stv_wlm_service_class_state, pg_catalog.stv_wlm_query_queue_state TO PUBLIC;
