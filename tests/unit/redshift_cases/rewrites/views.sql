-- Views: a name, the statement, an arrow, what the server inside executes.

-- a late-binding view is an empty one with a note
CREATE VIEW s.v (x) AS SELECT NVL(b, ';') /* x */ FROM S.T -- y
 WITH NO SCHEMA BINDING
-- =>
CREATE VIEW "s"."v" AS SELECT /*velodrome-view:{"name": "\"s\".\"v\"", "schema": "s", "relation": "v", "query": "SELECT COALESCE(b, '\\073') FROM S.T", "source": "CREATE VIEW s.v (x) AS SELECT NVL(b, ';') \u002f* x *\u002f FROM S.T -- y\n WITH NO SCHEMA BINDING;", "columns": ["x"], "selects": [], "reads": ["s.t"]}:velodrome*/

-- relations made by the query itself need no schema
create or replace view v as with m as (select 1 as a from s.t) select a from m with no schema binding
-- =>
CREATE OR REPLACE VIEW "v" AS SELECT /*velodrome-view:{"name": "\"v\"", "schema": "", "relation": "v", "query": "with m as (select 1 as a from s.t) select a from m", "source": "create or replace view v as with m as (select 1 as a from s.t) select a from m with no schema binding;", "columns": [], "selects": ["a"], "reads": ["s.t"], "replace": true}:velodrome*/

-- a materialized view is made empty, and filled by an event trigger
CREATE MATERIALIZED VIEW mv BACKUP NO DISTKEY (a) AUTO REFRESH YES AS SELECT a, NVL(b, 0) AS b FROM t
-- =>
CREATE MATERIALIZED VIEW "mv" AS SELECT a, COALESCE(b, 0) AS b FROM t
WITH NO DATA /*velodrome-view:{"name": "\"mv\"", "schema": "", "relation": "mv", "auto": true, "incremental": true, "layout": {"backup": "no", "diststyle": "key", "distkey": "a"}, "source": "CREATE MATERIALIZED VIEW mv BACKUP NO DISTKEY (a) AUTO REFRESH YES AS SELECT a, NVL(b, 0) AS b FROM t;"}:velodrome*/

-- a refresh says whether what the view reads is refreshed before it
refresh materialized view s.mv cascade
-- =>
REFRESH MATERIALIZED VIEW "s"."mv" /*velodrome-view:{"name": "\"s\".\"mv\"", "schema": "s", "relation": "mv", "refresh": "cascade"}:velodrome*/

-- SHOW is asked of a function; names and patterns may be parameters
SHOW TABLES FROM SCHEMA $1.$2 LIKE $3
-- =>
SELECT * FROM velodrome.asked_show_tables($1::text, $2::text) WHERE table_name LIKE $3::text

-- names in front may be left out, and are kept in lower case
SHOW COLUMNS FROM TABLE "Public".T LIMIT 3
-- =>
SELECT * FROM velodrome.asked_show_columns(NULL, 'public', 't') LIMIT 3

-- the filters of drivers
SHOW TABLES FROM DATABASE $1 DRIVER_TOKEN 'x' WHERE SCHEMA_NAME LIKE $2 AND TABLE_NAME LIKE $3
-- =>
SELECT * FROM velodrome.asked_show_all_tables($1::text) WHERE schema_name LIKE $2::text AND table_name LIKE $3::text

-- parameters of a routine
SHOW PARAMETERS OF PROCEDURE dev.s.p(integer, character varying) LIKE 'x%'
-- =>
SELECT * FROM velodrome.asked_show_procedure_parameters('dev', 's', 'p', ARRAY['integer', 'character varying']::text[]) WHERE parameter_name LIKE 'x%'

-- rows are moved by an event trigger, behind a change that changes nothing
ALTER TABLE s.a APPEND FROM b FILLTARGET
-- =>
ALTER TABLE "s"."a" RESET (fillfactor) /*velodrome-view:{"name": "\"s\".\"a\"", "schema": "s", "relation": "a", "append": "\"b\"", "mode": "FILLTARGET"}:velodrome*/
