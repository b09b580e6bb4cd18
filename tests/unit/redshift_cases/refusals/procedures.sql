-- Procedures that are refused: a comment with SQLSTATE, the character it is refused for, and the message.

-- 42601 25 syntax error at or near "DEFAULT"
CREATE PROCEDURE p(a int DEFAULT 5) AS $$ BEGIN END $$ LANGUAGE plpgsql

-- 0A000 39 language "sql" is not supported for procedures
CREATE PROCEDURE p() AS $$ SELECT 1 $$ LANGUAGE sql

-- 0A000 19 an OUT parameter before one that is not is not supported by this local warehouse (line 1, column 20: near 'OUT')
CREATE PROCEDURE p(OUT a int, b int) AS $$ BEGIN END $$ LANGUAGE plpgsql

-- 0A000 33 VACUUM inside a procedure is not supported by this local warehouse (line 1, column 34: near 'VACUUM')
CREATE PROCEDURE p() AS $$ BEGIN VACUUM t; END $$ LANGUAGE plpgsql

-- 0A000 62 The body of a SQL function must be one SELECT of an expression
CREATE FUNCTION f(int) RETURNS int STABLE AS $$ SELECT max(a) FROM t $$ LANGUAGE sql

-- 0A000 48 The body of a SQL function must be one SELECT of an expression
CREATE FUNCTION f(int) RETURNS int STABLE AS $$ WITH x AS (SELECT 1 AS a) SELECT a FROM x $$ LANGUAGE sql

-- 42601 58 syntax error at or near "RETURNING"
CREATE PROCEDURE p() AS $$ BEGIN INSERT INTO t VALUES (1) RETURNING a; END $$ LANGUAGE plpgsql

-- 0A000 33 SQL command "CREATE INDEX i ON t(a)" not supported on Redshift tables.
CREATE PROCEDURE p() AS $$ BEGIN CREATE INDEX i ON t(a); END $$ LANGUAGE plpgsql

-- 0A000 46 SQL command "CREATE TYPE x AS (a int)" not supported on Redshift tables.
CREATE PROCEDURE p() AS $$ BEGIN IF true THEN CREATE TYPE x AS (a int); END IF; END $$ LANGUAGE plpgsql

-- 0A000 41 SQL command "CREATE TRIGGER t AFTER INSERT ON t EXECUTE FUNCTION f()" not supported on Redshift tables.
CREATE PROCEDURE p() AS $$ BEGIN EXECUTE 'CREATE TRIGGER t AFTER INSERT ON t EXECUTE FUNCTION f()'; END $$ LANGUAGE plpgsql

-- 42601 33 syntax error at or near "LISTEN"
CREATE PROCEDURE p() AS $$ BEGIN LISTEN a; END $$ LANGUAGE plpgsql

-- 42601 73 syntax error at or near "NOTIFY"
CREATE PROCEDURE p() AS $$ BEGIN SELECT 1 INTO a; FOR r IN SELECT 1 LOOP NOTIFY a; END LOOP; END $$ LANGUAGE plpgsql

-- 42601 33 syntax error at or near "DO"
CREATE PROCEDURE p() AS $$ BEGIN DO 'BEGIN END'; END $$ LANGUAGE plpgsql

-- 42601 33 syntax error at or near "CLUSTER"
CREATE PROCEDURE p() AS $$ BEGIN CLUSTER t; END $$ LANGUAGE plpgsql

-- 42601 41 syntax error at or near "LISTEN"
CREATE PROCEDURE p() AS $$ BEGIN EXECUTE 'LISTEN a'; END $$ LANGUAGE plpgsql

-- 0A000 37 changing standard_conforming_strings is not supported by this local warehouse (line 1, column 38: near 'standard_conforming_strings')
CREATE PROCEDURE p() AS $$ BEGIN SET standard_conforming_strings TO on; END $$ LANGUAGE plpgsql

-- 42601 48 syntax error at or near "CREATE"
CREATE FUNCTION f(int) RETURNS int STABLE AS $$ CREATE INDEX i ON t(a) $$ LANGUAGE sql
