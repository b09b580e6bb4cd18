-- Procedures that are refused: a comment with SQLSTATE, the character it is refused for, and the message.

-- 42601 25 syntax error at or near "DEFAULT"
CREATE PROCEDURE p(a int DEFAULT 5) AS $$ BEGIN END $$ LANGUAGE plpgsql

-- 0A000 39 language "sql" is not supported for procedures
CREATE PROCEDURE p() AS $$ SELECT 1 $$ LANGUAGE sql

-- 0A000 19 an OUT parameter before one that is not is not supported by this local warehouse (line 1, column 20: near 'OUT')
CREATE PROCEDURE p(OUT a int, b int) AS $$ BEGIN END $$ LANGUAGE plpgsql

-- 0A000 33 VACUUM inside a procedure is not supported by this local warehouse (line 1, column 34: near 'VACUUM')
CREATE PROCEDURE p() AS $$ BEGIN VACUUM t; END $$ LANGUAGE plpgsql

-- 0A000 33 CREATE USER inside a procedure is not supported by this local warehouse (line 1, column 34: near 'CREATE')
CREATE PROCEDURE p() AS $$ BEGIN CREATE USER x; END $$ LANGUAGE plpgsql

-- 42601 58 syntax error at or near "RETURNING"
CREATE PROCEDURE p() AS $$ BEGIN INSERT INTO t VALUES (1) RETURNING a; END $$ LANGUAGE plpgsql
