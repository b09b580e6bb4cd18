-- Pairs: a comment that names the case, Redshift's SQL, `-- =>`, and what the server inside executes.

-- unchanged: comments and blanks stay
/* a */ SELECT  1 -- b
-- =>
/* a */ SELECT  1 -- b

-- unchanged: a keyword inside a string, a quoted name or a comment
SELECT 'nvl(a) sysdate' AS "distkey" /* getdate, on conflict */
-- =>
SELECT 'nvl(a) sysdate' AS "distkey" /* getdate, on conflict */

-- unchanged: a column named like a function
SELECT t.sysdate, t.avg FROM t
-- =>
SELECT t.sysdate, t.avg FROM t

-- backslash escapes inside a string
SELECT 'a\'b; c', NVL(x, 1) FROM t
-- =>
SELECT 'a\'b; c', COALESCE(x, 1) FROM t

-- quoted names are lower case
SELECT "Total" AS "Grand Total" FROM "Sales"
-- =>
SELECT "total" AS "grand total" FROM "sales"

-- nvl and isnull
SELECT NVL(a, b, 0), ISNULL(c, 'x') FROM t
-- =>
SELECT COALESCE(a, b, 0), COALESCE(c, 'x') FROM t

-- sysdate and getdate
SELECT SYSDATE, GETDATE()
-- =>
SELECT pg_catalog.sysdate() AS "timestamp", GETDATE()

-- date parts without quotes
SELECT DATEADD(day, -1, d), DATEDIFF(qtr, a, b), DATE_PART(dow, d), DATE_TRUNC('mon', d) FROM t
-- =>
SELECT velodrome.date_add('day', -1, d), velodrome.date_diff('qtr', a, b), velodrome.pgdate_part('dow', d), velodrome.date_trunc('mon', d) FROM t

-- average of integers
SELECT AVG(DISTINCT a), avg(b) OVER (PARTITION BY c) FROM t
-- =>
SELECT velodrome.avg(DISTINCT a), velodrome.avg(b) OVER (PARTITION BY c) FROM t

-- functions with another meaning
SELECT CONCAT(a, b), REGEXP_REPLACE(c, '[0-9]', '') FROM t
-- =>
SELECT velodrome.concat(a, b), velodrome.regexp_replace(c, '[0-9]', '') FROM t

-- decimal without precision
SELECT a::DECIMAL, CAST(b AS numeric), c::decimal(10,2) FROM t
-- =>
SELECT a::DECIMAL(18,0), CAST(b AS numeric(18,0)), c::decimal(10,2) FROM t

-- minus
SELECT a FROM t MINUS SELECT a FROM u
-- =>
SELECT a FROM t EXCEPT SELECT a FROM u

-- approximate count
SELECT APPROXIMATE COUNT(DISTINCT a) FROM t
-- =>
SELECT COUNT(DISTINCT a) FROM t

-- update from
UPDATE t SET a = NVL(s.a, 0) FROM s WHERE s.id = t.id
-- =>
UPDATE t SET a = COALESCE(s.a, 0) FROM s WHERE s.id = t.id

-- delete without from
DELETE t WHERE a = 1
-- =>
DELETE FROM t WHERE a = 1

-- delete using
DELETE FROM t USING s WHERE s.id = t.id
-- =>
DELETE FROM t USING s WHERE s.id = t.id

-- temporary table by name
CREATE TABLE #stage (LIKE t)
-- =>
CREATE TEMP TABLE "#stage" (LIKE t)/*velodrome:{"table": ["#stage"], "like": "\"t\""}:velodrome*/

-- select into a temporary table
SELECT a INTO #stage FROM t
-- =>
SELECT a INTO TEMP "#stage" FROM t

-- insert into a temporary table
INSERT INTO #stage SELECT a FROM t
-- =>
INSERT INTO "#stage" SELECT a FROM t

-- listagg
SELECT c, LISTAGG(a, ', ') WITHIN GROUP (ORDER BY b DESC) FROM t GROUP BY c
-- =>
SELECT c, velodrome.listagg((a)::VARCHAR, ', ' ORDER BY b DESC) FROM t GROUP BY c

-- listagg without delimiter
SELECT LISTAGG(a) FROM t
-- =>
SELECT velodrome.listagg((a)::VARCHAR) FROM t

-- listagg distinct
SELECT LISTAGG(DISTINCT a, '|') WITHIN GROUP (ORDER BY a) FROM t
-- =>
SELECT velodrome.listagg_once((a)::VARCHAR, '|' ORDER BY a) FROM t

-- qualify
SELECT a, b FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1
-- =>
SELECT velodrome_rows.velodrome_item_0 AS "a", velodrome_rows.velodrome_item_1 AS "b" FROM (SELECT a AS velodrome_item_0, b AS velodrome_item_1, (ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1) AS velodrome_keep FROM t ) AS velodrome_rows WHERE velodrome_keep

-- qualify with every column
SELECT * FROM s.t AS x WHERE a > 1 QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1
-- =>
SELECT (velodrome_rows.velodrome_row_0_0).* FROM (SELECT "x" AS velodrome_row_0_0, (ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1) AS velodrome_keep FROM s.t AS x WHERE a > 1 ) AS velodrome_rows WHERE velodrome_keep

-- decode compares nulls
SELECT DECODE(a, 1, 'one', NULL, 'none', 'many') FROM t
-- =>
SELECT (CASE  WHEN a = 1 THEN  'one'  WHEN a IS NULL THEN  'none'  ELSE 'many' END) FROM t

-- nvl2
SELECT NVL2(a, b, c) FROM t
-- =>
SELECT (CASE WHEN (a) IS NOT NULL THEN  b ELSE  c END) FROM t

-- top
SELECT TOP 3 a FROM t ORDER BY a
-- =>
SELECT a FROM t ORDER BY a LIMIT 3

-- median
SELECT MEDIAN(a) FROM t
-- =>
SELECT velodrome.median(a) FROM t

-- convert
SELECT CONVERT(INTEGER, a) FROM t
-- =>
SELECT CAST(a AS INTEGER) FROM t

-- table attributes
CREATE TABLE IF NOT EXISTS s.t (id INT IDENTITY(1,1) ENCODE az64, n VARCHAR(10) NOT NULL ENCODE zstd) DISTSTYLE KEY DISTKEY (id) COMPOUND SORTKEY (id, n)
-- =>
CREATE TABLE IF NOT EXISTS s.t (id INT GENERATED ALWAYS AS IDENTITY (START WITH 1 INCREMENT BY 1 MINVALUE 1), n VARCHAR(10) NOT NULL)/*velodrome:{"table": ["s", "t"], "identity": ["id", "1", "1"], "encode": [["id", "az64"], ["n", "zstd"]], "diststyle": "key", "distkey": "id", "sortkey": {"style": "compound", "columns": ["id", "n"]}}:velodrome*/

-- types
CREATE TABLE t (a VARCHAR, b TEXT, c DECIMAL, d VARCHAR(MAX), e NVARCHAR(5), f CHARACTER VARYING, g BPCHAR, h TIMESTAMP)
-- =>
CREATE TABLE t (a varchar(256), b varchar(256), c DECIMAL(18,0), d VARCHAR(65535), e varchar(5), f varchar(256), g char(256), h TIMESTAMP)

-- identity by default
CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY(10,5), a INT)
-- =>
CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY (START WITH 10 INCREMENT BY 5 MINVALUE 10), a INT)/*velodrome:{"table": ["t"], "default_identity": ["id", "10", "5"]}:velodrome*/

-- informational keys
CREATE TABLE t (a INT PRIMARY KEY, b INT REFERENCES u (b), UNIQUE (b), CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES s.v (x, y), c INT UNIQUE)
-- =>
CREATE TABLE t (a INT NOT NULL, b INT, c INT)/*velodrome:{"table": ["t"], "constraints": [{"kind": "primary key", "columns": ["a"]}, {"kind": "foreign key", "columns": ["b"], "table": ["u"], "referenced": ["b"]}, {"kind": "unique", "name": "", "columns": ["b"]}, {"name": "fk", "kind": "foreign key", "columns": ["a", "b"], "table": ["s", "v"], "referenced": ["x", "y"]}, {"kind": "unique", "columns": ["c"]}]}:velodrome*/

-- primary key of several columns
CREATE TABLE t (PRIMARY KEY (a, b), a INT, b INT DEFAULT 1)
-- =>
CREATE TABLE t ( a INT NOT NULL, b INT DEFAULT 1 NOT NULL)/*velodrome:{"table": ["t"], "constraints": [{"kind": "primary key", "name": "", "columns": ["a", "b"]}]}:velodrome*/

-- default before an encoding
CREATE TABLE t (a INT DEFAULT 1 + (2 * 3) ENCODE raw, b TIMESTAMP DEFAULT SYSDATE, c VARCHAR(3) DEFAULT 'x' NOT NULL)
-- =>
CREATE TABLE t (a INT DEFAULT 1 + (2 * 3), b TIMESTAMP DEFAULT pg_catalog.sysdate(), c VARCHAR(3) DEFAULT 'x' NOT NULL)/*velodrome:{"table": ["t"], "encode": [["a", "raw"]]}:velodrome*/

-- create table as
CREATE TABLE t DISTKEY(a) SORTKEY(b) AS SELECT a, NVL(b, 0) AS b FROM u
-- =>
CREATE TABLE t AS SELECT a, COALESCE(b, 0) AS b FROM u/*velodrome:{"table": ["t"], "diststyle": "key", "distkey": "a", "sortkey": {"style": "compound", "columns": ["b"]}}:velodrome*/

-- create table as, columns named
CREATE TABLE t (a, b) DISTSTYLE ALL AS (SELECT 1, 2)
-- =>
CREATE TABLE t (a, b) AS (SELECT 1, 2)/*velodrome:{"table": ["t"], "diststyle": "all"}:velodrome*/

-- backup and automatic sort key
CREATE TABLE t (a INT) BACKUP NO DISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO
-- =>
CREATE TABLE t (a INT)/*velodrome:{"table": ["t"], "backup": "no", "diststyle": "auto", "sortkey": {"style": "auto", "columns": []}}:velodrome*/

-- interleaved sort key
CREATE TEMP TABLE t (a INT, b INT) INTERLEAVED SORTKEY (a, b)
-- =>
CREATE TEMP TABLE t (a INT, b INT)

-- alter sort key
ALTER TABLE s.t ALTER COMPOUND SORTKEY (a, b)
-- =>
ALTER TABLE s.t RESET (fillfactor)/*velodrome:{"table": ["s", "t"], "sortkey": {"style": "compound", "columns": ["a", "b"]}}:velodrome*/

-- alter distribution
ALTER TABLE t ALTER DISTSTYLE KEY DISTKEY a
-- =>
ALTER TABLE t RESET (fillfactor)/*velodrome:{"table": ["t"], "diststyle": "key", "distkey": "a"}:velodrome*/

-- alter encoding
ALTER TABLE t ALTER COLUMN a ENCODE zstd
-- =>
ALTER TABLE t RESET (fillfactor)/*velodrome:{"table": ["t"], "encode": [["a", "zstd"]]}:velodrome*/

-- add a column
ALTER TABLE t ADD COLUMN a VARCHAR DEFAULT 'x' ENCODE lzo
-- =>
ALTER TABLE t ADD COLUMN a varchar(256) DEFAULT 'x'/*velodrome:{"table": ["t"], "encode": [["a", "lzo"]]}:velodrome*/

-- add a key
ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a)
-- =>
ALTER TABLE t RESET (fillfactor)/*velodrome:{"table": ["t"], "constraints": [{"kind": "primary key", "name": "k", "columns": ["a"]}]}:velodrome*/

-- widen a column
ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(300)
-- =>
ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(300)

-- rename
ALTER TABLE t RENAME COLUMN a TO b
-- =>
ALTER TABLE t RENAME COLUMN a TO b

-- vacuum
VACUUM DELETE ONLY s.t TO 75 PERCENT BOOST
-- =>
VACUUM "s"."t"

-- analyze
ANALYZE s.t PREDICATE COLUMNS
-- =>
ANALYZE s.t

-- settings of Redshift
SET enable_result_cache_for_session TO OFF
-- =>
SET velodrome.enable_result_cache_for_session TO 'off'

-- settings of PostgreSQL
SET search_path TO a, b
-- =>
SET search_path TO a, b

-- merge
MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = NVL(s.a, 0) WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.a)
-- =>
MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = COALESCE(s.a, 0) WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.a)

-- procedure
CREATE OR REPLACE PROCEDURE p(n INT) AS $$ DECLARE d DATE; BEGIN SELECT INTO d DATEADD(day, n, SYSDATE); IF NVL(n, 0) > 1 THEN RAISE EXCEPTION 'no %', n; END IF; CREATE TEMP TABLE x (a VARCHAR ENCODE raw) DISTSTYLE ALL; END; $$ LANGUAGE plpgsql
-- =>
CREATE OR REPLACE PROCEDURE p(n INT) AS $$ #variable_conflict use_variable DECLARE d DATE; BEGIN SELECT INTO d velodrome.date_add('day', n, pg_catalog.sysdate()); IF COALESCE(n, 0) > 1 THEN RAISE EXCEPTION 'no %', n; END IF; CREATE TEMP TABLE x (a varchar(256)); END; $$ LANGUAGE plpgsql /*velodrome-routine:{"name": ["p"], "text": " DECLARE d DATE; BEGIN SELECT INTO d DATEADD(day, n, SYSDATE); IF NVL(n, 0) > 1 THEN RAISE EXCEPTION 'no %', n; END IF; CREATE TEMP TABLE x (a VARCHAR ENCODE raw) DISTSTYLE ALL; END; "}:velodrome*/

-- explain
EXPLAIN SELECT NVL(a, 1) FROM t
-- =>
EXPLAIN SELECT COALESCE(a, 1) FROM t

-- copy
COPY s.t (a, "B") FROM 's3://bucket/a/b' IAM_ROLE 'arn:aws:iam::000000000000:role/r' FORMAT AS PARQUET STATUPDATE ON
-- =>
COPY "s"."t" ("a", "b") FROM STDIN (FORMAT binary)

-- a number and the word after it are two tokens, though no blank is between them
SELECT CASE a WHEN 1THEN 2.5WHEN 3 THEN NVL(b, 4)END FROM t
-- =>
SELECT CASE a WHEN 1 THEN 2.5 WHEN 3 THEN COALESCE(b, 4)END FROM t

-- unchanged: a comment in dollars, as dbt writes all of them
COMMENT ON TABLE t IS $dbt_comment_literal_block$it's one$dbt_comment_literal_block$
-- =>
COMMENT ON TABLE t IS $dbt_comment_literal_block$it's one$dbt_comment_literal_block$

-- unchanged: an alias may be called as the gateway's own schema
SELECT velodrome.a, velodrome.b + 1 AS c FROM t AS velodrome
-- =>
SELECT velodrome.a, velodrome.b + 1 AS c FROM t AS velodrome

-- databases are as every one is
CREATE DATABASE "New" WITH CONNECTION LIMIT UNLIMITED COLLATE CASE_SENSITIVE ISOLATION LEVEL SNAPSHOT
-- =>
CREATE DATABASE "new" WITH CONNECTION LIMIT -1

-- the history is asked once
SELECT pg_last_copy_id() FROM t WHERE a = pg_last_query_id()
-- =>
SELECT (SELECT pg_last_copy_id()) FROM t WHERE a = (SELECT pg_last_query_id())
