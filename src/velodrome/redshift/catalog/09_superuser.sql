-- Redshift's superusers are the administrator, who owns the database, and who has been given the administrator's role.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_superusers.html
CREATE OR REPLACE FUNCTION velodrome.is_superuser() RETURNS boolean LANGUAGE sql STABLE
RETURN pg_catalog.pg_has_role('pg_database_owner', 'USAGE');
