-- Steps of queries. Of the many that a cluster runs, what is known here: what a statement returned, and what it wrote to
-- which table (of the database asked in).
CREATE OR REPLACE VIEW velodrome.steps WITH (security_barrier) AS
SELECT q.userid, q.query, q.started, q.ended, q.rows,
    CASE WHEN q.kind IN ('INSERT', 'COPY', 'CTAS') THEN 'insert' WHEN q.kind = 'DELETE' THEN 'delete' WHEN q.kind = 'UPDATE' THEN 'update'
        WHEN q.kind = 'MERGE' THEN 'merge' ELSE 'return' END AS step,
    c.oid::bigint::int AS relation, c.relname::text AS name
FROM velodrome.queries q
LEFT JOIN LATERAL (
    SELECT velodrome.relation_here((regexp_match(q.text, '^\s*(?:insert\s+into|delete(?:\s+from)?|update|merge\s+into|copy|create\s+table(?:\s+if\s+not\s+exists)?)\s+((?:"[^"]+"|[\w$#]+)(?:\.(?:"[^"]+"|[\w$#]+))*)', 'i'))[1]) AS relation
    WHERE q.database = current_database()
) target ON true
LEFT JOIN pg_class c ON c.oid = target.relation
WHERE q.status = 'success' AND velodrome.is_query(q.kind);
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_INSERT.html
CREATE OR REPLACE VIEW pg_catalog.stl_insert WITH (security_barrier) AS
SELECT userid, query::int AS query, 0 AS slice, 0 AS segment, 0 AS step, started AS starttime, ended AS endtime, 0 AS tasknum, rows,
    relation AS tbl, 'f'::char(1) AS inserted_mega_value
FROM velodrome.steps WHERE step IN ('insert', 'update');
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_DELETE.html: an update deletes and inserts
CREATE OR REPLACE VIEW pg_catalog.stl_delete WITH (security_barrier) AS
SELECT userid, query::int AS query, 0 AS slice, 0 AS segment, 0 AS step, started AS starttime, ended AS endtime, 0 AS tasknum, rows,
    relation AS tbl
FROM velodrome.steps WHERE step IN ('delete', 'update');
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_QUERY_DETAIL.html
CREATE OR REPLACE VIEW pg_catalog.sys_query_detail WITH (security_barrier) AS
SELECT userid AS user_id, query AS query_id, 1 AS child_query_sequence, 0 AS stream_id, 0 AS segment_id, 0 AS step_id,
    CASE step WHEN 'update' THEN 'insert' ELSE step END AS step_name, relation AS table_id, name::char(136) AS table_name, 'f'::char(1) AS is_rrscan,
    started AS start_time, ended AS end_time, velodrome.elapsed(started, ended) AS duration, NULL::text AS alert, 0::bigint AS input_bytes,
    rows AS input_rows, 0::bigint AS output_bytes, rows AS output_rows, 0::bigint AS blocks_read, 0::bigint AS blocks_write,
    0::bigint AS local_read_io, 0::bigint AS remote_read_io, NULL::text AS source, 0 AS data_skewness, 0 AS time_skewness,
    'f'::char(1) AS is_active, 0::bigint AS spilled_block_local_disk, 0::bigint AS spilled_block_remote_disk,
    NULL::text AS step_attribute, 'step'::text AS metrics_level, NULL::int AS plan_parent_id, NULL::int AS plan_node_id
FROM velodrome.steps;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVL_QUERY_SUMMARY.html
CREATE OR REPLACE VIEW pg_catalog.svl_query_summary WITH (security_barrier) AS
SELECT userid, query::int AS query, 0 AS stm, 0 AS seg, 0 AS step, velodrome.elapsed(started, ended) AS maxtime,
    velodrome.elapsed(started, ended) AS avgtime, rows, 0::bigint AS bytes,
    rows / greatest(velodrome.elapsed(started, ended), 1) * 1000000.0::double precision AS rate_row, 0::double precision AS rate_byte,
    step AS label, 'f'::char(1) AS is_diskbased, 0::bigint AS workmem, 'f'::char(1) AS is_rrscan, 'f'::char(1) AS is_delayed_scan,
    0::bigint AS rows_pre_filter
FROM velodrome.steps;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_ALERT_EVENT_LOG.html: empty, nothing here raises alerts
CREATE OR REPLACE VIEW pg_catalog.stl_alert_event_log AS
SELECT NULL::int AS userid, NULL::int AS query, NULL::int AS slice, NULL::int AS segment, NULL::int AS step, NULL::int AS pid,
    NULL::bigint AS xid, NULL::char(1024) AS event, NULL::char(1024) AS solution, NULL::timestamp AS event_time
WHERE false;

GRANT SELECT ON pg_catalog.stl_insert, pg_catalog.stl_delete, pg_catalog.sys_query_detail,
    pg_catalog.svl_query_summary,
    pg_catalog.stl_alert_event_log TO PUBLIC;
