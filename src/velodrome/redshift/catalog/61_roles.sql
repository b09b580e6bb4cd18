-- Redshift's users as the catalog of roles that newer PostgreSQL clients ask for (psql's \du): groups and roles are none
-- of it, and who is a superuser of the warehouse shows as one.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_USER.html, https://www.postgresql.org/docs/9.2/view-pg-roles.html
CREATE VIEW velodrome.pg_roles AS
SELECT r.rolname, u.usesuper AS rolsuper, r.rolinherit, u.usesuper AS rolcreaterole, u.usecreatedb AS rolcreatedb,
    r.rolcanlogin, false AS rolreplication, r.rolconnlimit, r.rolpassword, r.rolvaliduntil, false AS rolbypassrls,
    u.useconfig AS rolconfig, r.oid
FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_user u ON u.usename = r.rolname;

-- What makes groups and roles of them inside does not show: https://docs.aws.amazon.com/redshift/latest/dg/r_PG_GROUP.html
CREATE VIEW velodrome.pg_auth_members AS
SELECT m.* FROM pg_catalog.pg_auth_members m WHERE false;
GRANT SELECT ON velodrome.pg_roles, velodrome.pg_auth_members TO PUBLIC;
