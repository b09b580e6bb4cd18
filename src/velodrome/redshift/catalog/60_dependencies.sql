-- What depends on what, with the constraints that are noted only: Amazon's JDBC driver finds the key that a foreign key
-- refers to by it. https://www.postgresql.org/docs/8.0/catalog-pg-depend.html
CREATE VIEW velodrome.pg_depend AS
SELECT d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype FROM pg_catalog.pg_depend d
UNION ALL
SELECT 'pg_constraint'::regclass, f.oid, 0, 'pg_class'::regclass, k.index, 0, 'n'
FROM velodrome.noted_keys f
JOIN velodrome.noted_keys k ON k.relid = f.referenced AND k.kind <> 'foreign key' AND k.columns = f.referenced_columns
WHERE f.kind = 'foreign key'
UNION ALL
SELECT 'pg_class'::regclass, k.index, 0, 'pg_constraint'::regclass, k.oid, 0, 'i'
FROM velodrome.noted_keys k WHERE k.kind <> 'foreign key';
GRANT SELECT ON velodrome.pg_depend TO PUBLIC;
