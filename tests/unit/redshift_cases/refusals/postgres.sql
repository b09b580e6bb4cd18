-- PostgreSQL's features, functions and types that Redshift lacks, and Redshift's that are not here, one a block: a comment
-- with SQLSTATE, the character it is refused for, and the message.

-- 42601 0 syntax error at or near "VALUES"
VALUES (1, 2)

-- 42601 15 syntax error at or near "VALUES"
SELECT * FROM (VALUES (1), (2)) v

-- 42601 11 syntax error at or near "VALUES"
WITH v AS (VALUES (1)) SELECT * FROM v

-- 42601 23 syntax error at or near "ORDINALITY"
SELECT * FROM f() WITH ORDINALITY

-- 42601 16 syntax error at or near "FETCH"
SELECT a FROM t FETCH FIRST 3 ROWS ONLY

-- 42601 16 syntax error at or near "FETCH"
SELECT a FROM t FETCH NEXT ROW ONLY

-- 42601 72 syntax error at or near "EXCLUDE"
SELECT SUM(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM t

-- 0A000 31 RANGE PRECEDING is only supported with UNBOUNDED
SELECT SUM(a) OVER (ORDER BY b RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t

-- 42601 31 syntax error at or near "GROUPS"
SELECT SUM(a) OVER (ORDER BY b GROUPS 1 PRECEDING) FROM t

-- 42601 35 syntax error at or near "w"
SELECT SUM(a) OVER w FROM t WINDOW w AS (ORDER BY b)

-- 42601 23 syntax error at or near "ALL"
SELECT a FROM t EXCEPT ALL SELECT a FROM u

-- 42601 26 syntax error at or near "ALL"
SELECT a FROM t INTERSECT ALL SELECT a FROM u

-- 42601 22 syntax error at or near "ALL"
SELECT a FROM t MINUS ALL SELECT a FROM u

-- 42601 23 syntax error at or near "PARTITION"
CREATE TABLE t (a INT) PARTITION BY RANGE (a)

-- 42601 15 syntax error at or near "PARTITION"
CREATE TABLE t PARTITION OF u FOR VALUES IN (1)

-- 42601 23 syntax error at or near "INHERITS"
CREATE TABLE t (a INT) INHERITS (u)

-- 42601 23 syntax error at or near "WITH"
CREATE TABLE t (a INT) WITH (fillfactor = 70)

-- 42601 23 syntax error at or near "WITHOUT"
CREATE TABLE t (a INT) WITHOUT OIDS

-- 42601 28 syntax error at or near "ON"
CREATE TEMP TABLE t (a INT) ON COMMIT DROP

-- 42601 7 syntax error at or near "UNLOGGED"
CREATE UNLOGGED TABLE t (a INT)

-- 42601 29 syntax error at or near "GENERATED"
CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2) STORED)

-- 42601 22 syntax error at or near "CHECK"
CREATE TABLE t (a INT CHECK (a > 0))

-- 42601 31 syntax error at or near "USING"
CREATE TABLE t (a INT, EXCLUDE USING gist (a WITH =))

-- 42601 34 syntax error at or near "DEFERRABLE"
CREATE TABLE t (a INT PRIMARY KEY DEFERRABLE)

-- 42601 29 syntax error at or near "NULLS"
CREATE TABLE t (a INT UNIQUE NULLS NOT DISTINCT)

-- 42601 39 syntax error at or near "ON"
CREATE TABLE t (a INT REFERENCES u (a) ON DELETE CASCADE)

-- 42601 22 syntax error at or near "GENERATED"
CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY)

-- 42601 15 syntax error at or near "OF"
CREATE TABLE t OF ty

-- 0A000 22 COLLATE CASE_INSENSITIVE is not supported by this local warehouse (line 1, column 23: near 'COLLATE')
CREATE TABLE t (a INT COLLATE "C")

-- 42601 22 syntax error at or near "STORAGE"
CREATE TABLE t (a INT STORAGE PLAIN)

-- 42601 22 syntax error at or near "COMPRESSION"
CREATE TABLE t (a INT COMPRESSION pglz)

-- 42601 32 syntax error at or near "NO"
CREATE TABLE t AS SELECT 1 WITH NO DATA

-- 42601 18 syntax error at or near "EXECUTE"
CREATE TABLE t AS EXECUTE p

-- 42601 31 syntax error at or near "CHECK"
CREATE VIEW v AS SELECT 1 WITH CHECK OPTION

-- 42601 19 syntax error at or near "("
CREATE VIEW v WITH (security_barrier) AS SELECT 1

-- 42601 12 syntax error at or near "VIEW"
CREATE TEMP VIEW v AS SELECT 1

-- 42601 7 syntax error at or near "RECURSIVE"
CREATE RECURSIVE VIEW v (a) AS SELECT 1

-- 0A000 0 SQL command "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING" not supported on Redshift tables.
CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING

-- 42601 7 syntax error at or near "FOREIGN"
CREATE FOREIGN TABLE t (a INT) SERVER s

-- 0A000 0 SQL command "CREATE SERVER s FOREIGN DATA WRAPPER w" not supported on Redshift tables.
CREATE SERVER s FOREIGN DATA WRAPPER w

-- 42601 20 syntax error at or near "FOR"
CREATE USER MAPPING FOR u SERVER s

-- 0A000 0 SQL command "CREATE PUBLICATION p" not supported on Redshift tables.
CREATE PUBLICATION p

-- 0A000 0 SQL command "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p" not supported on Redshift tables.
CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p

-- 0A000 0 SQL command "CREATE POLICY p ON t" not supported on Redshift tables.
CREATE POLICY p ON t

-- 0A000 0 SQL command "CREATE STATISTICS s ON a, b FROM t" not supported on Redshift tables.
CREATE STATISTICS s ON a, b FROM t

-- 42601 7 syntax error at or near "TEXT"
CREATE TEXT SEARCH CONFIGURATION x (COPY = simple)

-- 42601 7 syntax error at or near "ACCESS"
CREATE ACCESS METHOD m TYPE index HANDLER h

-- 0A000 0 SQL command "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION f()" not supported on Redshift tables.
CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION f()

-- 0A000 0 SQL command "CREATE LANGUAGE plperl" not supported on Redshift tables.
CREATE LANGUAGE plperl

-- 0A000 0 SQL command "CREATE TRANSFORM FOR int LANGUAGE SQL (FROM SQL WITH FUNCTION f(internal))" not supported on Redshift tables.
CREATE TRANSFORM FOR int LANGUAGE SQL (FROM SQL WITH FUNCTION f(internal))

-- 0A000 0 SQL command "CREATE COLLATION c FROM "C"" not supported on Redshift tables.
CREATE COLLATION c FROM "C"

-- 42601 0 syntax error at or near "NOTIFY"
NOTIFY x

-- 42601 0 syntax error at or near "UNLISTEN"
UNLISTEN *

-- 42601 0 syntax error at or near "CLUSTER"
CLUSTER t

-- 42601 0 syntax error at or near "REINDEX"
REINDEX TABLE t

-- 42601 0 syntax error at or near "CHECKPOINT"
CHECKPOINT

-- 42601 0 syntax error at or near "LOAD"
LOAD 'x'

-- 42601 0 syntax error at or near "SECURITY"
SECURITY LABEL ON TABLE t IS 'x'

-- 42601 0 syntax error at or near "REASSIGN"
REASSIGN OWNED BY a TO b

-- 42601 5 syntax error at or near "OWNED"
DROP OWNED BY a

-- 42601 0 syntax error at or near "DISCARD"
DISCARD ALL

-- 42601 0 syntax error at or near "MOVE"
MOVE NEXT FROM c

-- 42601 0 syntax error at or near "TABLE"
TABLE t

-- 42601 0 syntax error at or near "IMPORT"
IMPORT FOREIGN SCHEMA x FROM SERVER s INTO y

-- 42601 16 syntax error at or near "SNAPSHOT"
SET TRANSACTION SNAPSHOT 'x'

-- 42601 4 syntax error at or near "CONSTRAINTS"
SET CONSTRAINTS ALL DEFERRED

-- 42601 8 syntax error at or near "TRANSACTION"
PREPARE TRANSACTION 'x'

-- 42601 7 syntax error at or near "PREPARED"
COMMIT PREPARED 'x'

-- 42601 9 syntax error at or near "PREPARED"
ROLLBACK PREPARED 'x'

-- 42601 7 syntax error at or near "AND"
COMMIT AND CHAIN

-- 42601 6 syntax error at or near "DEFERRABLE"
BEGIN DEFERRABLE

-- 42601 7 syntax error at or near "TO"
COPY t TO STDOUT

-- 42601 6 syntax error at or near "SELECT"
COPY (SELECT 1) TO PROGRAM 'x'

-- 42601 12 syntax error at or near "PROGRAM"
COPY t FROM PROGRAM 'x'

-- 0A000 0 SQL command "ALTER INDEX i RENAME TO j" not supported on Redshift tables.
ALTER INDEX i RENAME TO j

-- 0A000 0 SQL command "ALTER SEQUENCE s RESTART" not supported on Redshift tables.
ALTER SEQUENCE s RESTART

-- 0A000 0 SQL command "ALTER TYPE x ADD VALUE '***'" not supported on Redshift tables.
ALTER TYPE x ADD VALUE 'a'

-- 0A000 0 SQL command "ALTER DOMAIN d DROP NOT NULL" not supported on Redshift tables.
ALTER DOMAIN d DROP NOT NULL

-- 42601 6 syntax error at or near "VIEW"
ALTER VIEW v RENAME TO w

-- 0A000 0 SQL command "ALTER EXTENSION e UPDATE" not supported on Redshift tables.
ALTER EXTENSION e UPDATE

-- 42601 6 syntax error at or near "LARGE"
ALTER LARGE OBJECT 1 OWNER TO a

-- 0A000 6 ALTER SYSTEM is not supported by this local warehouse (line 1, column 7: near 'SYSTEM')
ALTER SYSTEM SET work_mem = 1

-- 0A000 0 SQL command "ALTER POLICY p ON t RENAME TO q" not supported on Redshift tables.
ALTER POLICY p ON t RENAME TO q

-- 0A000 0 SQL command "ALTER TRIGGER x ON t RENAME TO y" not supported on Redshift tables.
ALTER TRIGGER x ON t RENAME TO y

-- 0A000 6 ALTER DATASHARE is not supported by this local warehouse (line 1, column 7: near 'DATASHARE')
ALTER DATASHARE d ADD SCHEMA s

-- 42601 14 syntax error at or near "ENABLE"
ALTER TABLE t ENABLE TRIGGER ALL

-- 42601 14 syntax error at or near "INHERIT"
ALTER TABLE t INHERIT u

-- 42601 18 syntax error at or near "TABLESPACE"
ALTER TABLE t SET TABLESPACE x

-- 42601 18 syntax error at or near "("
ALTER TABLE t SET (fillfactor = 10)

-- 42601 14 syntax error at or near "CLUSTER"
ALTER TABLE t CLUSTER ON i

-- 42601 14 syntax error at or near "ATTACH"
ALTER TABLE t ATTACH PARTITION p DEFAULT

-- 42601 14 syntax error at or near "REPLICA"
ALTER TABLE t REPLICA IDENTITY FULL

-- 42601 37 syntax error at or near "("
ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)

-- 0A000 14 ALTER COLUMN SET DEFAULT is not supported
ALTER TABLE t ALTER COLUMN a SET DEFAULT 1

-- 0A000 14 ALTER COLUMN SET NOT NULL is not supported
ALTER TABLE t ALTER COLUMN a SET NOT NULL

-- 0A000 14 ALTER COLUMN SET STATISTICS is not supported
ALTER TABLE t ALTER COLUMN a SET STATISTICS 1

-- 42601 14 syntax error at or near "VALIDATE"
ALTER TABLE t VALIDATE CONSTRAINT c

-- 42601 30 syntax error at or near ","
ALTER TABLE t ADD COLUMN a INT, ADD COLUMN b INT

-- 0A000 7 DETACH MASKING POLICY is not supported by this local warehouse (line 1, column 8: near 'MASKING')
DETACH MASKING POLICY p ON t (a) FROM PUBLIC

-- 42601 8 syntax error at or near "ANALYZE"
EXPLAIN ANALYZE SELECT 1

-- 42601 9 syntax error at or near "ANALYZE"
EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1

-- 42601 10 syntax error at or near ","
TRUNCATE a, b

-- 42601 11 syntax error at or near "RESTART"
TRUNCATE t RESTART IDENTITY

-- 42601 11 syntax error at or near "CASCADE"
TRUNCATE t CASCADE

-- 42601 10 syntax error at or near "SCROLL"
DECLARE c SCROLL CURSOR FOR SELECT 1

-- 42601 17 syntax error at or near "WITH"
DECLARE c CURSOR WITH HOLD FOR SELECT 1

-- 42601 10 syntax error at or near "BINARY"
DECLARE c BINARY CURSOR FOR SELECT 1

-- 42601 6 syntax error at or near "BACKWARD"
FETCH BACKWARD 1 FROM c

-- 42601 6 syntax error at or near "LAST"
FETCH LAST FROM c

-- 42601 13 syntax error at or near "IN"
LOCK TABLE t IN ACCESS EXCLUSIVE MODE

-- 42601 14 syntax error at or near "OVERRIDING"
INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1)

-- 42601 51 syntax error at or near "BY"
MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED BY SOURCE THEN DELETE

-- 42601 52 syntax error at or near "DO"
MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DO NOTHING

-- 42601 14 syntax error at or near "UNLOGGED"
SELECT a INTO UNLOGGED x FROM t

-- 42601 10 syntax error at or near "MATERIALIZED"
WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x

-- 42601 11 syntax error at or near "INSERT"
WITH x AS (INSERT INTO t VALUES (1)) SELECT 1

-- 42601 34 syntax error at or near "SEARCH"
WITH RECURSIVE x(a) AS (SELECT 1) SEARCH DEPTH FIRST BY a SET o SELECT * FROM x

-- 42601 34 syntax error at or near "CYCLE"
WITH RECURSIVE x(a) AS (SELECT 1) CYCLE a SET c USING p SELECT * FROM x

-- 42601 35 syntax error at or near ""C""
SELECT a FROM t ORDER BY a COLLATE "C"

-- 42883 7 function pg_sleep does not exist
SELECT pg_sleep(1)

-- 42883 18 function pg_sleep does not exist
SELECT pg_catalog.pg_sleep(1)

-- 42883 7 function pg_sleep does not exist
SELECT "pg_sleep"(1)

-- 42883 7 function pg_read_file does not exist
SELECT pg_read_file('/etc/passwd')

-- 42883 7 function pg_ls_dir does not exist
SELECT pg_ls_dir('/')

-- 42883 7 function lo_import does not exist
SELECT lo_import('/etc/passwd')

-- 42883 7 function dblink does not exist
SELECT dblink('x', 'y')

-- 42883 7 function pg_advisory_lock does not exist
SELECT pg_advisory_lock(1)

-- 42883 7 function pg_notify does not exist
SELECT pg_notify('a', 'b')

-- 42883 18 function string_agg does not exist
SELECT pg_catalog.string_agg(a, ',') FROM t

-- 42883 7 function query_to_xml does not exist
SELECT query_to_xml('select 1', true, true, '')

-- 42883 9 operator does not exist: #>>
SELECT a #>> '{b}' FROM t

-- 42883 9 operator does not exist: @@
SELECT a @@ b FROM t

-- 42883 9 operator does not exist: &&
SELECT a && b FROM t

-- 42883 7 function to_tsvector does not exist
SELECT to_tsvector('a')

-- 42704 7 type "json" does not exist
SELECT JSON '{}'

-- 42704 7 type "uuid" does not exist
SELECT UUID 'a'

-- 42704 17 type "uuid" does not exist
SELECT CAST(a AS uuid) FROM t

-- 0A000 24 navigation into SUPER values is not supported by this local warehouse (line 1, column 25: near '[')
SELECT CAST(a AS numeric[]) FROM t

-- 42883 7 function corr does not exist
SELECT corr(a, b), covar_pop(a, b), regr_slope(a, b) FROM t

-- 42883 7 function width_bucket does not exist
SELECT width_bucket(1, 2, 3, 4), div(5, 2)

-- 42883 7 function xmlelement does not exist
SELECT xmlelement(name a)

-- 42883 7 function json_value does not exist
SELECT json_value('{}', '$')

-- 42883 14 function json_table does not exist
SELECT * FROM json_table('[]', '$' COLUMNS (a int))

-- 42601 12 syntax error at or near "JSON"
SELECT a IS JSON FROM t

-- 42883 7 function bit_length does not exist
SELECT bit_length('a')

-- 42883 7 function regexp_match does not exist
SELECT regexp_match('a', 'b')

-- 42883 7 function mode does not exist
SELECT mode() WITHIN GROUP (ORDER BY a) FROM t

-- 0A000 16 GROUP BY ALL is not supported by this local warehouse (line 1, column 17: near 'GROUP')
SELECT a FROM t GROUP BY ALL

-- 42601 15 syntax error at or near "SEQUENCE"
GRANT USAGE ON SEQUENCE s TO u

-- 42601 16 syntax error at or near "LARGE"
GRANT SELECT ON LARGE OBJECT 1 TO u

-- 42601 18 syntax error at or near "TEMPLATE"
CREATE DATABASE d TEMPLATE x

-- 42883 7 function currval does not exist
SELECT currval('s')

-- 42601 33 syntax error at or near "SETOF"
CREATE FUNCTION f(a INT) RETURNS SETOF INT AS $$ SELECT 1 $$ LANGUAGE sql

-- 42704 20 type "jsonb" does not exist
CREATE FUNCTION f(a JSONB) RETURNS INT IMMUTABLE AS $$ SELECT 1 $$ LANGUAGE sql

-- 0A000 0 SQL command "CREATE AGGREGATE a (int) (sfunc = f, stype = int)" not supported on Redshift tables.
CREATE AGGREGATE a (int) (sfunc = f, stype = int)

-- 42601 16 syntax error at or near "FOR"
SELECT a FROM t FOR KEY SHARE

-- 42601 21 syntax error at or near "["
CALL p(VARIADIC ARRAY[1])

-- 42601 14 syntax error at or near "ROWS"
SELECT a FROM ROWS FROM (f()) t

-- 42883 7 function overlay does not exist
SELECT OVERLAY('a' PLACING 'b' FROM 1)

-- 42883 7 function normalize does not exist
SELECT NORMALIZE('a'), a IS NORMALIZED FROM t

-- 42601 29 syntax error at or near ","
ALTER TABLE s.t DROP COLUMN a, DROP COLUMN b

-- 42601 0 syntax error at or near "ALTER"
ALTER

-- 0A000 14 ALTER COLUMN DROP NOT NULL is not supported
ALTER TABLE t ALTER COLUMN a DROP NOT NULL

-- 0A000 14 ALTER COLUMN DROP DEFAULT is not supported
ALTER TABLE t ALTER a DROP DEFAULT

-- 42601 17 syntax error at or near "VIEW"
CREATE TEMPORARY VIEW v AS SELECT 1

-- 42601 42 syntax error at or near "CASCADED"
CREATE OR REPLACE VIEW v AS SELECT 1 WITH CASCADED CHECK OPTION

-- 42601 28 syntax error at or near "TABLE"
CREATE FUNCTION f() RETURNS TABLE (a INT) AS $$ SELECT 1 $$ LANGUAGE sql

-- 42704 27 type "json" does not exist
CREATE PROCEDURE p(a INOUT JSON) AS $$ BEGIN END $$ LANGUAGE plpgsql

-- 0A000 20 type SUPER is not supported by this local warehouse (line 1, column 21: near 'SUPER')
CREATE FUNCTION f(a SUPER) RETURNS INT IMMUTABLE AS $$ SELECT 1 $$ LANGUAGE sql

-- 0A000 7 CREATE DATASHARE is not supported by this local warehouse (line 1, column 8: near 'DATASHARE')
CREATE DATASHARE d

-- 0A000 7 CREATE MODEL is not supported by this local warehouse (line 1, column 8: near 'MODEL')
CREATE MODEL m FROM t

-- 0A000 7 CREATE EXTERNAL SCHEMA is not supported by this local warehouse (line 1, column 8: near 'EXTERNAL')
CREATE EXTERNAL SCHEMA s FROM DATA CATALOG

-- 0A000 7 CREATE IDENTITY PROVIDER is not supported by this local warehouse (line 1, column 8: near 'IDENTITY')
CREATE IDENTITY PROVIDER p

-- 0A000 7 CREATE LIBRARY is not supported by this local warehouse (line 1, column 8: near 'LIBRARY')
CREATE LIBRARY l

-- 0A000 5 DROP DATASHARE is not supported by this local warehouse (line 1, column 6: near 'DATASHARE')
DROP DATASHARE d

-- 0A000 6 ALTER EXTERNAL VIEW is not supported by this local warehouse (line 1, column 7: near 'EXTERNAL')
ALTER EXTERNAL VIEW v

-- 0A000 6 ALTER IDENTITY PROVIDER is not supported by this local warehouse (line 1, column 7: near 'IDENTITY')
ALTER IDENTITY PROVIDER p

-- 0A000 0 DESC is not supported by this local warehouse (line 1, column 1: near 'DESC')
DESC DATASHARE d

-- 0A000 0 UNLOAD is not supported by this local warehouse (line 1, column 1: near 'UNLOAD')
UNLOAD ('SELECT 1') TO 's3://b/k'

-- 0A000 7 function TRY_CAST is not supported by this local warehouse (line 1, column 8: near 'TRY_CAST')
SELECT TRY_CAST(a AS INT) FROM t

-- 0A000 7 function ST_DISTANCE is not supported by this local warehouse (line 1, column 8: near 'ST_Distance')
SELECT ST_Distance(a, b) FROM t

-- 0A000 7 function HLL is not supported by this local warehouse (line 1, column 8: near 'HLL')
SELECT HLL(a) FROM t

-- 0A000 7 function JSON_PARSE is not supported by this local warehouse (line 1, column 8: near 'JSON_PARSE')
SELECT JSON_PARSE(a) FROM t

-- 0A000 7 type SUPER is not supported by this local warehouse (line 1, column 8: near 'SUPER')
SELECT SUPER '1'

-- 0A000 10 type VARBYTE is not supported by this local warehouse (line 1, column 11: near 'varbyte')
SELECT a::varbyte FROM t

-- 42883 18 function pg_try_advisory_xact_lock does not exist
SELECT PG_CATALOG.PG_TRY_ADVISORY_XACT_LOCK(1) FROM pg_class

-- 42883 16 function pg_sleep does not exist
SELECT relname, pg_sleep(1) FROM pg_catalog.pg_class

-- 42883 25 function pg_sleep_for does not exist
SELECT f(a) FROM t WHERE pg_sleep_for('1 s') IS NULL

-- 42883 7 function array_agg does not exist
SELECT ARRAY_AGG(a) FROM t

-- 42883 7 function every does not exist
SELECT EVERY(a) FROM t

-- 42883 7 function xml_agg does not exist
SELECT XML_AGG(a) FROM t

-- 42883 7 function covar_samp does not exist
SELECT COVAR_SAMP(a) FROM t

-- 42883 7 function regr_avgx does not exist
SELECT REGR_AVGX(a) FROM t

-- 42883 7 function regr_avgy does not exist
SELECT REGR_AVGY(a) FROM t

-- 42883 7 function regr_count does not exist
SELECT REGR_COUNT(a) FROM t

-- 42883 7 function regr_intercept does not exist
SELECT REGR_INTERCEPT(a) FROM t

-- 42883 7 function regr_r2 does not exist
SELECT REGR_R2(a) FROM t

-- 42883 7 function regr_sxx does not exist
SELECT REGR_SXX(a) FROM t

-- 42883 7 function regr_sxy does not exist
SELECT REGR_SXY(a) FROM t

-- 42883 7 function regr_syy does not exist
SELECT REGR_SYY(a) FROM t

-- 42883 7 function justify_days does not exist
SELECT JUSTIFY_DAYS(a) FROM t

-- 42883 7 function justify_hours does not exist
SELECT JUSTIFY_HOURS(a) FROM t

-- 42883 7 function justify_interval does not exist
SELECT JUSTIFY_INTERVAL(a) FROM t

-- 42883 7 function clock_timestamp does not exist
SELECT CLOCK_TIMESTAMP(a) FROM t

-- 42883 7 function transaction_timestamp does not exist
SELECT TRANSACTION_TIMESTAMP(a) FROM t

-- 42883 7 function setseed does not exist
SELECT SETSEED(a) FROM t

-- 42883 7 function generate_subscripts does not exist
SELECT GENERATE_SUBSCRIPTS(a) FROM t

-- 42883 7 function convert_from does not exist
SELECT CONVERT_FROM(a) FROM t

-- 42883 7 function convert_to does not exist
SELECT CONVERT_TO(a) FROM t

-- 42883 7 function encode does not exist
SELECT ENCODE(a) FROM t

-- 42883 7 function format does not exist
SELECT FORMAT(a) FROM t

-- 42883 7 function quote_nullable does not exist
SELECT QUOTE_NULLABLE(a) FROM t

-- 42883 7 function regexp_matches does not exist
SELECT REGEXP_MATCHES(a) FROM t

-- 42883 7 function regexp_split_to_array does not exist
SELECT REGEXP_SPLIT_TO_ARRAY(a) FROM t

-- 42883 7 function regexp_split_to_table does not exist
SELECT REGEXP_SPLIT_TO_TABLE(a) FROM t

-- 42883 7 function unnest does not exist
SELECT UNNEST(a) FROM t

-- 42883 7 function array_length does not exist
SELECT ARRAY_LENGTH(a) FROM t

-- 42883 7 function nextval does not exist
SELECT NEXTVAL(a) FROM t

-- 42883 7 function setval does not exist
SELECT SETVAL(a) FROM t

-- 42883 7 function lastval does not exist
SELECT LASTVAL(a) FROM t

-- 42883 7 function txid_current does not exist
SELECT TXID_CURRENT(a) FROM t

-- 42883 7 function xpath does not exist
SELECT XPATH(a) FROM t

-- 42883 7 function enum_first does not exist
SELECT ENUM_FIRST(a) FROM t

-- 42883 7 function netmask does not exist
SELECT NETMASK(a) FROM t

-- 42883 7 function lower_inc does not exist
SELECT LOWER_INC(a) FROM t

-- 42883 7 function ts_rank does not exist
SELECT TS_RANK(a) FROM t

-- 42883 7 function pg_stat_file does not exist
SELECT PG_STAT_FILE(a) FROM t

-- 42883 7 function pg_reload_conf does not exist
SELECT PG_RELOAD_CONF(a) FROM t

-- 42883 7 function pg_switch_wal does not exist
SELECT PG_SWITCH_WAL(a) FROM t

-- 42883 7 function pg_backup_start does not exist
SELECT PG_BACKUP_START(a) FROM t

-- 42883 7 function pg_promote does not exist
SELECT PG_PROMOTE(a) FROM t

-- 42883 7 function pg_export_snapshot does not exist
SELECT PG_EXPORT_SNAPSHOT(a) FROM t

-- 42883 7 function pg_relation_filenode does not exist
SELECT PG_RELATION_FILENODE(a) FROM t

-- 42883 7 function lo_get does not exist
SELECT LO_GET(a) FROM t

-- 42883 7 function loread does not exist
SELECT LOREAD(a) FROM t

-- 42883 7 function gen_random_uuid does not exist
SELECT GEN_RANDOM_UUID(a) FROM t

-- 0A000 18 Column "t.a" has unsupported type "bit".
CREATE TABLE t (a BIT)

-- 0A000 18 Column "t.a" has unsupported type "bytea".
CREATE TABLE t (a BYTEA)

-- 0A000 18 Column "t.a" has unsupported type "cidr".
CREATE TABLE t (a CIDR)

-- 0A000 18 Column "t.a" has unsupported type "circle".
CREATE TABLE t (a CIRCLE)

-- 0A000 18 Column "t.a" has unsupported type "daterange".
CREATE TABLE t (a DATERANGE)

-- 0A000 18 Column "t.a" has unsupported type "hstore".
CREATE TABLE t (a HSTORE)

-- 0A000 18 Column "t.a" has unsupported type "inet".
CREATE TABLE t (a INET)

-- 0A000 18 Column "t.a" has unsupported type "int4range".
CREATE TABLE t (a INT4RANGE)

-- 0A000 18 Column "t.a" has unsupported type "json".
CREATE TABLE t (a JSON)

-- 0A000 18 Column "t.a" has unsupported type "line".
CREATE TABLE t (a LINE)

-- 0A000 18 Column "t.a" has unsupported type "lseg".
CREATE TABLE t (a LSEG)

-- 0A000 18 Column "t.a" has unsupported type "macaddr".
CREATE TABLE t (a MACADDR)

-- 0A000 18 Column "t.a" has unsupported type "money".
CREATE TABLE t (a MONEY)

-- 0A000 18 Column "t.a" has unsupported type "numrange".
CREATE TABLE t (a NUMRANGE)

-- 0A000 18 Column "t.a" has unsupported type "path".
CREATE TABLE t (a PATH)

-- 0A000 18 Column "t.a" has unsupported type "point".
CREATE TABLE t (a POINT)

-- 0A000 18 Column "t.a" has unsupported type "polygon".
CREATE TABLE t (a POLYGON)

-- 0A000 18 Column "t.a" has unsupported type "box".
CREATE TABLE t (a BOX)

-- 0A000 18 Column "t.a" has unsupported type "tsquery".
CREATE TABLE t (a TSQUERY)

-- 0A000 18 Column "t.a" has unsupported type "tsrange".
CREATE TABLE t (a TSRANGE)

-- 0A000 18 Column "t.a" has unsupported type "tstzrange".
CREATE TABLE t (a TSTZRANGE)

-- 0A000 18 Column "t.a" has unsupported type "tsvector".
CREATE TABLE t (a TSVECTOR)

-- 0A000 18 Column "t.a" has unsupported type "xml".
CREATE TABLE t (a XML)

-- 0A000 18 Column "t.a" has unsupported type "bigserial".
CREATE TABLE t (a BIGSERIAL)

-- 0A000 18 Column "t.a" has unsupported type "smallserial".
CREATE TABLE t (a SMALLSERIAL)
