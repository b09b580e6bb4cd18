-- Statements that must be refused: a comment with SQLSTATE, the character it is refused for, and the message.

-- 42601 28 syntax error at or near "CONFLICT"
INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING

-- 42601 20 syntax error at or near "DISTINCT"
SELECT 1 WHERE a IS DISTINCT FROM b

-- 42601 24 syntax error at or near "DISTINCT"
SELECT 1 WHERE a IS NOT DISTINCT FROM b

-- 42601 25 syntax error at or near "RETURNING"
INSERT INTO t VALUES (1) RETURNING a

-- 42601 12 syntax error at or near "["
SELECT ARRAY[1, 2]

-- 42601 17 syntax error at or near "LATERAL"
SELECT a FROM t, LATERAL (SELECT 1) x

-- 42601 23 syntax error at or near "("
SELECT COUNT(*) FILTER (WHERE a > 1) FROM t

-- 42601 16 syntax error at or near "ON"
SELECT DISTINCT ON (a) a, b FROM t

-- 42601 16 syntax error at or near "FOR"
SELECT a FROM t FOR UPDATE

-- 0A000 0 SQL command "CREATE INDEX i ON t (a)" not supported on Redshift tables.
CREATE INDEX i ON t (a)

-- 0A000 0 SQL command "CREATE UNIQUE INDEX i ON t (a)" not supported on Redshift tables.
CREATE UNIQUE INDEX i ON t (a)

-- 0A000 0 SQL command "CREATE EXTENSION hstore" not supported on Redshift tables.
CREATE EXTENSION hstore

-- 0A000 0 SQL command "CREATE SEQUENCE s" not supported on Redshift tables.
CREATE SEQUENCE s

-- 0A000 0 SQL command "CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()" not supported on Redshift tables.
CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()

-- 0A000 18 Column "t.a" has unsupported type "serial".
CREATE TABLE t (a SERIAL)

-- 0A000 18 Column "t.a" has unsupported type "jsonb".
CREATE TABLE t (a JSONB)

-- 0A000 18 Column "t.a" has unsupported type "integer[]".
CREATE TABLE t (a INT[])

-- 0A000 18 Column "t.a" has unsupported type "uuid".
CREATE TABLE t (a UUID)

-- 0A000 18 type SUPER is not supported by this local warehouse (line 1, column 19: near 'SUPER')
CREATE TABLE t (a SUPER)

-- 42601 22 syntax error at or near "CHECK"
CREATE TABLE t (a INT CHECK (a > 1))

-- 42601 29 syntax error at or near "("
CREATE TABLE t (a INT, CHECK (a > 1))

-- 42601 22 syntax error at or near "GENERATED"
CREATE TABLE t (a INT GENERATED ALWAYS AS (1) STORED)

-- 42601 23 syntax error at or near "TABLESPACE"
CREATE TABLE t (a INT) TABLESPACE x

-- 42601 23 syntax error at or near "DISTKEY"
CREATE TABLE t (a INT) DISTKEY

-- 42601 29 syntax error at or near "fast"
CREATE TABLE t (a INT ENCODE fast)

-- 0A000 29 COLLATE CASE_INSENSITIVE is not supported by this local warehouse (line 1, column 30: near 'COLLATE')
CREATE TABLE t (a VARCHAR(9) COLLATE CASE_INSENSITIVE)

-- 0A000 7 CREATE EXTERNAL TABLE is not supported by this local warehouse (line 1, column 8: near 'EXTERNAL')
CREATE EXTERNAL TABLE s.t (a INT)

-- 0A000 70 language "plpgsql" is not supported for functions
CREATE FUNCTION f() RETURNS INT AS $$ BEGIN RETURN 1; END $$ LANGUAGE plpgsql

-- 0A000 66 a function in plpythonu is not supported by this local warehouse (line 1, column 67: near 'plpythonu')
CREATE FUNCTION f() RETURNS INT STABLE AS $$ return 1 $$ LANGUAGE plpythonu

-- 0A000 21 a NONATOMIC procedure is not supported by this local warehouse (line 1, column 22: near 'NONATOMIC')
CREATE PROCEDURE p() NONATOMIC AS $$ BEGIN NULL; END $$ LANGUAGE plpgsql

-- 0A000 33 COPY inside a procedure is not supported by this local warehouse (line 1, column 34: near 'COPY')
CREATE PROCEDURE p() AS $$ BEGIN COPY t FROM 's3://b/x' IAM_ROLE DEFAULT PARQUET; END $$ LANGUAGE plpgsql

-- 42601 61 syntax error at or near "CONFLICT"
CREATE PROCEDURE p() AS $$ BEGIN INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; END $$ LANGUAGE plpgsql

-- 0A000 0 SQL command "SAVEPOINT" not supported.
SAVEPOINT a

-- 0A000 0 SQL command "SAVEPOINT" not supported.
ROLLBACK TO SAVEPOINT a

-- 42601 0 syntax error at or near "DO"
DO $$ BEGIN END $$

-- 42601 0 syntax error at or near "LISTEN"
LISTEN x

-- 0A000 0 UNLOAD is not supported by this local warehouse (line 1, column 1: near 'UNLOAD')
UNLOAD ('SELECT 1') TO 's3://b/x' IAM_ROLE DEFAULT

-- 0A000 0 COPY of delimited text (only FORMAT AS PARQUET) is not supported by this local warehouse (line 1, column 1: near 'COPY')
COPY t FROM 's3://b/x' IAM_ROLE DEFAULT

-- 0A000 40 COPY … CSV is not supported by this local warehouse (line 1, column 41: near 'CSV')
COPY t FROM 's3://b/x' IAM_ROLE DEFAULT CSV

-- 0A000 58 COPY … MANIFEST is not supported by this local warehouse (line 1, column 59: near 'MANIFEST')
COPY t FROM 's3://b/x' IAM_ROLE DEFAULT FORMAT AS PARQUET MANIFEST

-- 42601 33 COPY from Amazon S3 requires an authorization: IAM_ROLE { default | 'arn:aws:iam::…:role/…' }
COPY t FROM 's3://b/x' FORMAT AS PARQUET

-- 42601 12 COPY source is not an S3 path: s3://bucket/prefix
COPY t FROM '/etc/passwd'

-- 42601 12 syntax error at or near "PROGRAM"
COPY t FROM PROGRAM 'id'

-- 42601 12 syntax error at or near "STDIN"
COPY t FROM STDIN

-- 42601 6 syntax error at or near "SELECT"
COPY (SELECT 1) TO STDOUT

-- 42601 7 syntax error at or near "TO"
COPY t TO '/tmp/x'

-- 42883 7 function string_agg does not exist
SELECT STRING_AGG(a, ',') FROM t

-- 42883 7 function gen_random_uuid does not exist
SELECT GEN_RANDOM_UUID()

-- 42704 10 type "jsonb" does not exist
SELECT a::jsonb FROM t

-- 42883 9 operator does not exist: ->
SELECT a -> 'b' FROM t

-- 0A000 8 navigation into SUPER values is not supported by this local warehouse (line 1, column 9: near '[')
SELECT a[0] FROM t

-- 0A000 16 PIVOT is not supported by this local warehouse (line 1, column 17: near 'PIVOT')
SELECT * FROM t PIVOT (SUM(a) FOR b IN (1, 2))

-- 0A000 14 IGNORE NULLS is not supported by this local warehouse (line 1, column 15: near 'IGNORE')
SELECT LAG(a) IGNORE NULLS OVER (ORDER BY b) FROM t

-- 0A000 23 QUALIFY with * and several tables (name the columns) is not supported by this local warehouse (line 1, column 24: near 'USING')
SELECT * FROM t JOIN u USING (a) QUALIFY ROW_NUMBER() OVER (ORDER BY t.a) = 1

-- 0A000 4 changing standard_conforming_strings is not supported by this local warehouse (line 1, column 5: near 'standard_conforming_strings')
SET standard_conforming_strings TO on

-- 0A000 8 ANALYZE COMPRESSION is not supported by this local warehouse (line 1, column 9: near 'COMPRESSION')
ANALYZE COMPRESSION t

-- 42601 7 unterminated quoted string
SELECT 'unterminated

-- 42601 7 unterminated quoted identifier
SELECT "unterminated

-- 42601 9 unterminated /* comment
SELECT 1 /* open

-- 0A000 28 A text with "/*velodrome" is not supported by this local warehouse.
CREATE TABLE t (a int) --   /*velodrome:{"table": "t"}:velodrome*/

-- 0A000 23 A text with "/*velodrome" is not supported by this local warehouse.
INSERT INTO t VALUES ('/*velodrome-view:{}:velodrome*/')

-- 3F000 14 schema "velodrome" does not exist
SELECT * FROM velodrome.late_binding_views

-- 3F000 7 schema "velodrome" does not exist
SELECT "Velodrome".caller() FROM t AS velodrome

-- 3F000 42 schema "velodrome" does not exist
CREATE PROCEDURE p() AS $$ BEGIN TRUNCATE velodrome.table_notes; END $$ LANGUAGE plpgsql

-- 42501 19 permission denied for schema velodrome
SET search_path TO public, Velodrome

-- 0A000 20 CREATE DATABASE … COLLATE CI is not supported by this local warehouse (line 1, column 21: near 'COLLATE')
CREATE DATABASE new COLLATE CI

-- 0A000 19 ALTER DATABASE … ISOLATION LEVEL SERIALIZABLE is not supported by this local warehouse (line 1, column 20: near 'ISOLATION')
ALTER DATABASE new ISOLATION LEVEL SERIALIZABLE

-- 0A000 16 ALTER TABLE … ADD IF NOT EXISTS PARTITION of an external table is not supported by this local warehouse (line 1, column 17: near 'ADD')
ALTER TABLE s.t ADD IF NOT EXISTS PARTITION (d = '2026-01-01') LOCATION 's3://b/k'

-- 0A000 14 DROP SCHEMA … DROP EXTERNAL DATABASE is not supported by this local warehouse (line 1, column 15: near 'DROP')
DROP SCHEMA s DROP EXTERNAL DATABASE CASCADE

-- 3F000 41 schema "velodrome" does not exist
CREATE PROCEDURE p() AS $$ BEGIN EXECUTE 'DELETE FROM velodrome.table_notes'; END $$ LANGUAGE plpgsql
