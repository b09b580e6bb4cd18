-- An alias of a column in the WHERE of its own SELECT, in queries of the system catalog.

-- by quoted and plain names, in each part of a union
SELECT n.nspname AS "schema", c.relname AS name FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace AND schema = 'x' AND "name" = 'y' UNION SELECT d.datname AS "schema", 'z' AS name FROM pg_catalog.pg_database d WHERE schema = 'x' ORDER BY "schema"
-- =>
SELECT n.nspname AS "schema", c.relname AS name FROM velodrome.pg_class c, velodrome.pg_namespace n WHERE n.oid = c.relnamespace AND n.nspname = 'x' AND c.relname = 'y' UNION SELECT d.datname AS "schema", 'z' AS name FROM velodrome.pg_database d WHERE d.datname = 'x' ORDER BY "schema"

-- not: a column of a table, a subquery's own name, a function and a type
SELECT c.relname AS name FROM pg_catalog.pg_class c WHERE c.name = 'x' AND name('y') = 'y'::name AND EXISTS (SELECT 1 FROM x WHERE name = 'z')
-- =>
SELECT c.relname AS name FROM velodrome.pg_class c WHERE c.name = 'x' AND name('y') = 'y'::name AND EXISTS (SELECT 1 FROM x WHERE name = 'z')
