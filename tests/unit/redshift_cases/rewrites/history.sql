-- What reads and ends what is running: source, then what the server inside executes.

-- cancel
CANCEL 802
-- =>
CALL velodrome.cancel(802, '')

-- cancel with a message
cancel 802 'it\'s ''long'''
-- =>
CALL velodrome.cancel(802, 'it''s ''long''')

-- the functions answer with a number
SELECT pg_cancel_backend(802), pg_terminate_backend(pid) FROM pg_stat_activity
-- =>
SELECT velodrome.pg_cancel_backend(802), velodrome.pg_terminate_backend(pid) FROM velodrome.pg_stat_activity

-- unchanged: a view of the history
SELECT query, trim(querytxt) FROM stl_query ORDER BY 1 DESC LIMIT 5
-- =>
SELECT query, trim(querytxt) FROM stl_query ORDER BY 1 DESC LIMIT 5
