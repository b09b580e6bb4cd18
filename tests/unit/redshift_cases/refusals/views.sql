-- Views: expected "SQLSTATE position message" behind the dashes, then the statement.

-- 0A000 31 All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING.
CREATE VIEW v AS SELECT * FROM t WITH NO SCHEMA BINDING

-- 42601 14 syntax error at or near "s"
CREATE VIEW v s WITH NO SCHEMA BINDING

-- 42601 28 syntax error at or near "x"
CREATE MATERIALIZED VIEW mv x ON COMMIT AS SELECT 1

-- 0A000 28 this form of ALTER MATERIALIZED VIEW is not supported by this local warehouse (line 1, column 29: near 'ROW')
ALTER MATERIALIZED VIEW mv  ROW LEVEL SECURITY ON

-- 42601 29 syntax error at or near "CONCURRENTLY"
REFRESH MATERIALIZED VIEW mv CONCURRENTLY

-- 42601 33 syntax error at or near "x"
SHOW SCHEMAS FROM DATABASE dev   x

-- 0A000 20 SHOW DATABASES FROM DATA CATALOG is not supported by this local warehouse (line 1, column 21: near 'DATA')
SHOW DATABASES FROM DATA CATALOG ACCOUNT '123456789012'

-- 42601 39 syntax error at or near "FILLTARGET"
ALTER TABLE a APPEND FROM FILLTARGET.b FILLTARGET IGNOREEXTRA

-- 42601 15 syntax error at or near "APPEND"
ALTER TABLE a  APPEND b

-- 0A000 5 SHOW EXTERNAL TABLE is not supported by this local warehouse (line 1, column 6: near 'EXTERNAL')
SHOW EXTERNAL TABLE s.t PARTITION

-- 0A000 5 SHOW MODEL ALL is not supported by this local warehouse (line 1, column 6: near 'MODEL')
SHOW MODEL ALL
