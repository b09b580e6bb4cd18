-- Sessions, users and locks.
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_CONNECTION_LOG.html: to superusers
CREATE OR REPLACE VIEW pg_catalog.sys_connection_log WITH (security_barrier) AS
SELECT event::char(50) AS event, happened AS record_time, host::char(45) AS remote_host, port::char(32) AS remote_port,
    pid AS session_id, database::char(50) AS database_name, username::char(50) AS user_name, method::char(32) AS auth_method,
    least(lasted, 2147483647)::int AS duration, tls::char(50) AS ssl_version, ''::char(128) AS ssl_cipher, 0 AS mtu,
    ''::char(64) AS ssl_compression, ''::char(64) AS ssl_expansion, ''::char(36) AS iam_auth_guid,
    application::char(250) AS application_name, driver::char(64) AS driver_version, platform::char(64) AS os_version,
    ''::char(32) AS plugin_name, protocol AS protocol_version
FROM velodrome.session_events WHERE velodrome.sees_system();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_CONNECTION_LOG.html
CREATE OR REPLACE VIEW pg_catalog.stl_connection_log WITH (security_barrier) AS
SELECT event::char(50) AS event, happened AS recordtime, host::char(45) AS remotehost, port::char(32) AS remoteport, pid,
    database::char(50) AS dbname, username::char(50) AS username, method::char(32) AS authmethod,
    least(lasted, 2147483647)::int AS duration, tls::char(50) AS sslversion, ''::char(128) AS sslcipher, 0 AS mtu,
    ''::char(64) AS sslcompression, ''::char(64) AS sslexpansion, ''::char(36) AS iamauthguid,
    application::char(250) AS application_name, platform::char(64) AS os_version, driver::char(64) AS driver_version,
    ''::char(32) AS plugin_name, protocol AS protocol_version,
    md5(pid || ' ' || started)::uuid::text::char(36) AS sessionid, ''::char(8) AS compression
FROM velodrome.session_events WHERE velodrome.sees_system();

-- The columns of https://www.postgresql.org/docs/8.0/monitoring-stats.html first, then those that it has today; who may not see a statement sees a note in its place.
CREATE OR REPLACE VIEW velodrome.pg_stat_activity AS
SELECT a.datid, a.datname, a.pid AS procpid, a.usesysid, a.usename, a.query AS current_query, a.query_start, a.pid,
    a.application_name, a.client_addr, a.client_port, a.backend_start, a.xact_start, a.state_change, a.wait_event_type,
    a.wait_event, a.state, a.query
FROM velodrome.activity() a;
GRANT SELECT ON velodrome.pg_stat_activity TO PUBLIC;

-- A session's first and last event. One whose process is gone without a last event was ended with the warehouse.
CREATE OR REPLACE VIEW velodrome.sessions WITH (security_barrier) AS
SELECT e.userid, e.username, e.database, e.pid, e.started, e.last,
    e.last IS NULL AND a.pid IS NOT NULL AS active
FROM (
    SELECT userid, username, database, pid, started, max(happened) FILTER (WHERE event = 'disconnecting session') AS last
    FROM velodrome.session_events WHERE event IN ('authenticated', 'disconnecting session') AND pid > 0
    GROUP BY userid, username, database, pid, started
) e
LEFT JOIN velodrome.activity() a ON a.pid = e.pid
    AND (a.backend_start IS NULL OR a.backend_start AT TIME ZONE 'UTC' <= e.started + interval '1 second');
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_SESSION_HISTORY.html
CREATE OR REPLACE VIEW pg_catalog.sys_session_history WITH (security_barrier) AS
SELECT userid::text::char(50) AS user_id, pid AS session_id, database::char(50) AS database_name,
    (CASE WHEN active THEN 'active' ELSE 'closed' END)::char(10) AS status, 0 AS session_timeout, started AS start_time,
    last AS end_time
FROM velodrome.sessions;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_SESSIONS.html
CREATE OR REPLACE VIEW pg_catalog.stl_sessions WITH (security_barrier) AS
SELECT userid, started AS starttime, last AS endtime, pid AS process, username::char(50) AS user_name, database::char(50) AS db_name,
    0 AS timeout_sec, CASE WHEN last IS NULL THEN 0 ELSE 2 END AS timed_out
FROM velodrome.sessions WHERE NOT active;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_SESSIONS.html
CREATE OR REPLACE VIEW pg_catalog.stv_sessions WITH (security_barrier) AS
SELECT started AS starttime, pid AS process, username::char(50) AS user_name, database::char(50) AS db_name, 0 AS timeout_sec
FROM velodrome.sessions WHERE active;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TRANSACTIONS.html: open transactions and their locks
CREATE OR REPLACE VIEW pg_catalog.svv_transactions WITH (security_barrier) AS
SELECT a.usename::text AS txn_owner, a.datname::text AS txn_db,
    coalesce(a.backend_xid::text::bigint, split_part(l.virtualtransaction, '/', 2)::bigint) AS xid, l.pid,
    a.xact_start AT TIME ZONE 'UTC' AS txn_start, l.mode AS lock_mode,
    CASE l.locktype WHEN 'relation' THEN 'relation' WHEN 'tuple' THEN 'relation' ELSE 'transactionid' END AS lockable_object_type,
    l.relation::bigint::int AS relation, l.granted
FROM pg_locks l JOIN velodrome.activity() a ON a.pid = l.pid
WHERE a.backend_type = 'client backend' AND l.locktype IN ('relation', 'tuple', 'transactionid', 'virtualxid')
    AND a.usename <> 'rdsdb' AND (a.usename = current_user OR velodrome.sees_all());
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STV_LOCKS.html: locks that hold others' writes off; to superusers
CREATE OR REPLACE VIEW pg_catalog.stv_locks WITH (security_barrier) AS
SELECT l.relation::bigint AS table_id, NULL::timestamp AS last_commit, NULL::timestamp AS last_update,
    coalesce(a.backend_xid::text::bigint, split_part(l.virtualtransaction, '/', 2)::bigint) AS lock_owner,
    l.pid::bigint AS lock_owner_pid, a.xact_start AT TIME ZONE 'UTC' AS lock_owner_start_ts, NULL::timestamp AS lock_owner_end_ts,
    (CASE WHEN NOT l.granted THEN 'Waiting on lock' WHEN l.mode = 'AccessExclusiveLock' THEN 'Holding delete lock'
        ELSE 'Holding write lock' END)::char(22) AS lock_status
FROM pg_locks l JOIN velodrome.activity() a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode <> 'AccessShareLock' AND a.usename <> 'rdsdb' AND velodrome.sees_system();

-- Changes of users, read from the statements that made them.
CREATE OR REPLACE VIEW velodrome.user_changes WITH (security_barrier) AS
SELECT coalesce(u.id, 0) AS userid, trim('"' FROM lower(coalesce(found[4], found[2]))) AS username,
    CASE WHEN found[4] IS NOT NULL THEN trim('"' FROM lower(found[2])) ELSE '' END AS oldusername,
    CASE WHEN found[4] IS NOT NULL THEN 'rename' ELSE lower(found[1]) END AS action,
    (q.text ~* '\ycreatedb\y')::int AS usecreatedb, (q.text ~* '\ycreateuser\y')::int AS usesuper, q.pid, q.xid, q.started
FROM velodrome.queries q
CROSS JOIN LATERAL regexp_match(q.text, '^\s*(create|alter|drop)\s+user\s+(?:if\s+exists\s+)?("[^"]+"|[^\s;,]+)(\s+rename\s+to\s+("[^"]+"|[^\s;]+))?', 'i') found
LEFT JOIN velodrome.visible_users u ON u.name = trim('"' FROM lower(coalesce(found[4], found[2])))
WHERE q.kind = 'DDL' AND q.status = 'success' AND found IS NOT NULL;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_USERLOG.html: to superusers
CREATE OR REPLACE VIEW pg_catalog.stl_userlog WITH (security_barrier) AS
SELECT userid, username::char(50) AS username, oldusername::char(50) AS oldusername, action::char(10) AS action, usecreatedb, usesuper,
    0 AS usecatupd, NULL::timestamp AS valuntil, pid, xid, started AS recordtime
FROM velodrome.user_changes WHERE velodrome.sees_system();
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_USERLOG.html: to superusers
CREATE OR REPLACE VIEW pg_catalog.sys_userlog WITH (security_barrier) AS
SELECT userid AS user_id, username::char(50) AS user_name, oldusername::char(50) AS original_user_name, action::char(10) AS action,
    usecreatedb AS has_create_db_privs, usesuper AS is_superuser, 0 AS has_update_catalog_privs, NULL::timestamp AS password_expiration,
    pid AS session_id, xid AS transaction_id, started AS record_time
FROM velodrome.user_changes WHERE velodrome.sees_system();

-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_SERVERLESS_USAGE.html: minutes in which statements ran, at the
-- smallest base capacity (8 RPU); nothing is charged. To superusers
CREATE OR REPLACE VIEW pg_catalog.sys_serverless_usage WITH (security_barrier) AS
SELECT minute AS start_time, minute + interval '1 minute' AS end_time,
    least(60.0, sum(velodrome.elapsed(started, ended)) / 1000000.0)::double precision * 8 AS compute_seconds,
    8::double precision AS compute_capacity,
    (SELECT sum(pg_database_size(oid)) / 1048576 FROM pg_database WHERE has_database_privilege(oid, 'CONNECT'))::int AS data_storage,
    0 AS cross_region_transferred_data, 0 AS charged_seconds
FROM (SELECT date_trunc('minute', started) AS minute, started, ended FROM velodrome.queries WHERE ended IS NOT NULL) busy
WHERE velodrome.sees_system()
GROUP BY minute;
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_RESTARTED_SESSIONS.html: empty, no session changes its process unseen
CREATE OR REPLACE VIEW pg_catalog.stl_restarted_sessions AS
SELECT NULL::timestamp AS currenttime, NULL::char(50) AS dbname, NULL::int AS newpid, NULL::int AS oldpid, NULL::char(50) AS username,
    NULL::char(45) AS remotehost, NULL::char(32) AS remoteport, NULL::timestamp AS parkedtime, NULL::char(2000) AS session_vars
WHERE false;

GRANT SELECT ON pg_catalog.sys_connection_log, pg_catalog.stl_connection_log, pg_catalog.sys_session_history,
    pg_catalog.stl_sessions, pg_catalog.stv_sessions, pg_catalog.svv_transactions, pg_catalog.stv_locks,
    pg_catalog.stl_userlog, pg_catalog.sys_userlog, pg_catalog.sys_serverless_usage,
    pg_catalog.stl_restarted_sessions TO PUBLIC;
