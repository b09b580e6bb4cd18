-- Queries of the system catalog: PostgreSQL's own SQL, but for the tables that Redshift has more columns or rows in.

-- a table of the catalog, with and without its schema
SELECT ARRAY(SELECT 1) AS "X" FROM pg_catalog.pg_class c, PG_ATTRIBUTE a JOIN "pg_catalog"."pg_namespace" n ON true WHERE c.relhasoids
-- =>
SELECT ARRAY(SELECT 1) AS "x" FROM velodrome.pg_class c, velodrome.PG_ATTRIBUTE a JOIN velodrome."pg_namespace" n ON true WHERE c.relhasoids

-- its name before a column, in a cast and as an alias
SELECT pg_class.relname, pg_catalog.pg_class.oid, 'pg_class'::regclass, 1 AS pg_class, pg_class(1) FROM pg_class
-- =>
SELECT pg_class.relname, velodrome.pg_class.oid, 'pg_class'::regclass, 1 AS pg_class, pg_class(1) FROM velodrome.pg_class

-- Redshift's functions are known there
SELECT NVL(relname, 'x'), SYSDATE FROM pg_class
-- =>
SELECT COALESCE(relname, 'x'), pg_catalog.sysdate() AS "timestamp" FROM velodrome.pg_class

-- a default's text, also of identity columns
SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true), pg_get_expr(adbin, adrelid), pg_get_expr(i.indpred, i.indrelid) FROM pg_attrdef d
-- =>
SELECT d.adsrc, adsrc, pg_get_expr(i.indpred, i.indrelid) FROM velodrome.pg_attrdef d

-- an alias of the same list
SELECT left(pg_get_expr(d.adbin, d.adrelid), 2) AS a, a AS b FROM pg_catalog.pg_attrdef d
-- =>
SELECT left(d.adsrc, 2) AS a, left(d.adsrc, 2) AS b FROM velodrome.pg_attrdef d

-- unchanged: a table that is the same on Redshift
SELECT description FROM pg_catalog.pg_description
-- =>
SELECT description FROM pg_catalog.pg_description

-- a number that touches the next word
SELECT CASE a WHEN 'x' THEN 1WHEN 'y' THEN -4ELSE 1.5END FROM pg_class
-- =>
SELECT CASE a WHEN 'x' THEN 1 WHEN 'y' THEN -4 ELSE 1.5 END FROM velodrome.pg_class

-- columns that only tables have
SELECT c.tableoid, a.xmin AS state FROM pg_catalog.pg_class AS c, pg_attribute a, pg_description d WHERE d.classoid = c.tableoid
-- =>
SELECT 'pg_catalog.pg_class'::regclass::oid, (SELECT hidden.xmin FROM pg_catalog.pg_attribute AS hidden WHERE hidden.attrelid = a.attrelid AND hidden.attnum = a.attnum) AS state FROM velodrome.pg_class AS c, velodrome.pg_attribute a, pg_description d WHERE d.classoid = 'pg_catalog.pg_class'::regclass::oid

-- a function that needs the syntax tree
SELECT DECODE(c.reldiststyle, 0, 'EVEN', 'other') AS style FROM pg_class c
-- =>
SELECT (CASE  WHEN (c.reldiststyle) = 0 THEN  'EVEN'  ELSE 'other' END) AS style FROM velodrome.pg_class c

-- a number and the word after it are two tokens, though no blank is between them
SELECT CASE typname WHEN 'x' THEN 4WHEN 'y' THEN 5 END FROM pg_type
-- =>
SELECT CASE typname WHEN 'x' THEN 4 WHEN 'y' THEN 5 END FROM velodrome.pg_type
