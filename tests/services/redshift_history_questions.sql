-- Questions that people and tools ask the history, in their own words; each must be answered.

-- the latest queries
select query, elapsed / 1000000.0 as seconds, substring(trim(substring), 1, 60) from svl_qlog order by starttime desc limit 5

-- the slowest ones of the last days, with alerts
select trim(database) as db, count(query) as n_qry, max(substring(qrytext, 1, 80)) as qrytext, min(run_seconds) as "min",
    max(run_seconds) as "max", avg(run_seconds) as "avg", sum(run_seconds) as total, max(query) as max_query_id,
    max(starttime)::date as last_run, aborted, event
from (
    select userid, label, stl_query.query, trim(database) as database, trim(querytxt) as qrytext,
        md5(trim(querytxt)) as qry_md5, starttime, endtime,
        datediff(seconds, starttime, endtime)::numeric(12,2) as run_seconds, aborted,
        decode(alrt.event, 'Very selective query filter', 'Filter', 'Missing query planner statistics', 'Stats', alrt.event) as event
    from stl_query
    left outer join (
        select query, trim(split_part(event, ':', 1)) as event from stl_alert_event_log
        where event_time >= dateadd(day, -7, current_date) group by query, trim(split_part(event, ':', 1))
    ) as alrt on alrt.query = stl_query.query
    where userid <> 1 and starttime >= dateadd(day, -7, current_date)
)
group by database, label, qry_md5, aborted, event
order by total desc limit 50

-- a query's whole text
select listagg(case when len(rtrim(text)) = 0 then text else rtrim(text) end, '') within group (order by sequence) as statement
from stl_querytext where query = pg_last_query_id()

-- load errors with their columns
select d.query, d.line_number, trim(d.colname), trim(d.value), trim(le.raw_line), trim(le.err_reason)
from stl_loaderror_detail d, stl_load_errors le where d.query = le.query order by le.starttime desc limit 10

-- tables with load errors
select distinct tbl, trim(name) as table_name, query, starttime, trim(filename) as input, line_number, colname, err_code, trim(err_reason) as reason
from stl_load_errors sl, stv_tbl_perm sp where sl.tbl = sp.id

-- who waits for whom
select a.txn_owner, a.txn_db, a.xid, a.pid, a.txn_start, a.lock_mode, a.relation as table_id, nvl(trim(c."name"), d.relname) as tablename,
    a.granted, b.pid as blocking_pid, datediff(s, a.txn_start, getdate()) / 86400 || ' days' as txn_duration
from svv_transactions a
left join (select pid, relation, granted from pg_locks group by 1, 2, 3) b on a.relation = b.relation and a.granted = 'f' and b.granted = 't'
left join (select * from stv_tbl_perm where slice = 0) c on a.relation = c.id
left join pg_class d on a.relation = d.oid
where a.relation is not null

-- sessions that are open
select recordtime, username, dbname, remotehost, remoteport from stl_connection_log
where event = 'initiating session' and pid not in (select pid from stl_connection_log where event = 'disconnecting session')
order by 1 desc

-- queries and their users
select u.usename, q.query, q.starttime from stl_query q join pg_user u on u.usesysid = q.userid order by q.query desc limit 3

-- the hour's average
select date_trunc('hour', start_time) as hour, status, count(*), avg(datediff(microsecond, start_time, end_time))
from sys_query_history where query_type = 'SELECT' group by 1, 2 order by 1, 2

-- medians
select percentile_cont(0.5) within group (order by elapsed_time) from sys_query_history where status = 'success'

-- the queues
select c.service_class, trim(c.name), w.total_exec_time from stl_wlm_query w
join stv_wlm_service_class_config c on w.service_class = c.service_class limit 3

-- did its transaction commit
select qh.transaction_id, qh.query_id, qh.status, qh.query_type, trim(qh.query_text), th.status
from sys_query_history qh left join sys_transaction_history th on qh.transaction_id = th.transaction_id limit 3

-- what runs now
select user_name, db_name, pid, query from stv_recents where status = 'Running'

-- loads of a prefix
select query_id, trim(file_name) as file, record_time from sys_load_detail where query_id = pg_last_copy_id()

-- rights given
select split_part(text, ' ', 1) as grantrevoke, substring(text, strpos(upper(text), 'GROUP')) from sys_query_text
where text ilike 'grant%' or text ilike 'revoke%'

-- costs
select trunc(start_time) as day, (sum(charged_seconds) / 3600::double precision) * 0.36 as cost from sys_serverless_usage group by 1 order by 1
