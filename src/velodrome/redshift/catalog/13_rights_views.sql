-- Who there is and who may do what, as Redshift's views show it; their columns and types are those of their pages.
-- PostgreSQL's own views of these names have other columns.
DO $$
DECLARE
    own name;
BEGIN
    FOR own IN
        SELECT relname FROM pg_class
        WHERE relname IN ('pg_user', 'pg_group') AND relnamespace = 'pg_catalog'::regnamespace AND oid < 16384
    LOOP
        EXECUTE format('DROP VIEW pg_catalog.%I CASCADE', own);
    END LOOP;
END $$;

-- Users, roles and groups by their number: 0 is PUBLIC, which is no role inside.
CREATE OR REPLACE VIEW velodrome.identities AS
SELECT oid, CASE WHEN starts_with(rolname, 'group ') THEN substr(rolname, 7) ELSE rolname::text END AS name,
    CASE WHEN rolcanlogin THEN 'user' WHEN starts_with(rolname, 'group ') THEN 'group' ELSE 'role' END AS type
FROM pg_catalog.pg_roles WHERE NOT starts_with(rolname, 'pg_')
UNION ALL SELECT 0, 'public', 'public';

-- Superusers and who has ACCESS SYSTEM TABLE see every row of the privilege views, others what concerns themselves.
CREATE OR REPLACE FUNCTION velodrome.sees_identity(who oid, owner oid DEFAULT NULL) RETURNS boolean LANGUAGE sql STABLE
RETURN who = 0 OR velodrome.caller() IN (who, owner) OR who IN (SELECT velodrome.roles_of(velodrome.caller()))
    OR velodrome.has_system_privilege('ACCESS SYSTEM TABLE');

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_USER.html
CREATE OR REPLACE VIEW pg_catalog.pg_user AS
SELECT rolname AS usename, oid::bigint::int AS usesysid, rolcreatedb AS usecreatedb, velodrome.is_superuser(oid) AS usesuper,
    rolname = 'rdsdb' AS usecatupd, '********'::text AS passwd, rolvaliduntil AS valuntil,
    nullif(ARRAY(SELECT CASE c WHEN 'scram_iterations=4097' THEN 'enable_case_sensitive_identifier=on'
        WHEN 'scram_iterations=4096' THEN 'enable_case_sensitive_identifier=off' ELSE regexp_replace(c, '^velodrome\.', '') END FROM unnest(rolconfig) c WHERE c !~ '^velodrome\.(administrator|syslog_access|external_id)='), '{}') AS useconfig
FROM pg_catalog.pg_roles WHERE rolcanlogin;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_USER_INFO.html
CREATE OR REPLACE VIEW pg_catalog.pg_user_info AS
SELECT u.*, CASE r.rolconnlimit WHEN -1 THEN 'UNLIMITED' ELSE r.rolconnlimit::text END AS useconnlimit
FROM pg_catalog.pg_user u JOIN pg_catalog.pg_roles r ON r.rolname = u.usename;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_GROUP.html
CREATE OR REPLACE VIEW pg_catalog.pg_group AS
SELECT substr(g.rolname, 7)::name AS groname, g.oid::bigint::int AS grosysid,
    ARRAY(SELECT m.member::bigint::int FROM pg_catalog.pg_auth_members m WHERE m.roleid = g.oid ORDER BY m.member) AS grolist
FROM pg_catalog.pg_roles g WHERE starts_with(g.rolname, 'group ');

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_USER_INFO.html
CREATE OR REPLACE VIEW pg_catalog.svv_user_info AS
SELECT rolname::text AS user_name, oid::bigint::int AS user_id, rolcreatedb AS createdb, velodrome.is_superuser(oid) AS superuser,
    rolname = 'rdsdb' AS catalog_update, CASE rolconnlimit WHEN -1 THEN 'UNLIMITED' ELSE rolconnlimit::text END AS connection_limit,
    coalesce(velodrome.kept(rolconfig, 'syslog_access'), CASE WHEN velodrome.is_superuser(oid) THEN 'UNRESTRICTED' ELSE 'RESTRICTED' END) AS syslog_access,
    NULL::timestamp AS last_ddl_timestamp,
    coalesce((SELECT extract(epoch FROM substr(c, 22)::interval)::int FROM unnest(rolconfig) c WHERE starts_with(c, 'idle_session_timeout=')), 0) AS session_timeout,
    velodrome.kept(rolconfig, 'external_id') AS external_user_id
FROM pg_catalog.pg_roles WHERE rolcanlogin AND (oid = velodrome.caller() OR velodrome.has_system_privilege('ACCESS SYSTEM TABLE'));

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ROLES.html
CREATE OR REPLACE VIEW pg_catalog.svv_roles AS
SELECT r.oid::bigint::int AS role_id, r.rolname::text AS role_name, coalesce(velodrome.kept(r.rolconfig, 'owner'), 'rdsdb') AS role_owner,
    velodrome.kept(r.rolconfig, 'external_id') AS external_id
FROM velodrome.identities i JOIN pg_catalog.pg_roles r ON r.oid = i.oid
WHERE i.type = 'role' AND (velodrome.sees_identity(r.oid) OR velodrome.administers_role(r.oid));

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ROLE_GRANTS.html
CREATE OR REPLACE VIEW pg_catalog.svv_role_grants AS
SELECT m.oid::bigint::int AS role_id, m.name AS role_name, g.oid::bigint::int AS granted_role_id, g.name AS granted_role_name
FROM pg_catalog.pg_auth_members a JOIN velodrome.identities m ON m.oid = a.member AND m.type = 'role'
JOIN velodrome.identities g ON g.oid = a.roleid AND g.type = 'role'
WHERE velodrome.sees_identity(m.oid);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_USER_GRANTS.html
CREATE OR REPLACE VIEW pg_catalog.svv_user_grants AS
SELECT u.oid::bigint::int AS user_id, u.name AS user_name, r.oid::bigint::int AS role_id, r.name AS role_name, bool_or(a.admin_option) AS admin_option
FROM pg_catalog.pg_auth_members a JOIN velodrome.identities u ON u.oid = a.member AND u.type = 'user'
JOIN velodrome.identities r ON r.oid = a.roleid AND r.type = 'role'
WHERE velodrome.sees_identity(u.oid) AND u.oid IS DISTINCT FROM velodrome.administrator()
    AND (a.inherit_option OR a.admin_option) AND u.name <> 'rdsdb'
GROUP BY u.oid, u.name, r.oid, r.name;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_RELATION_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_relation_privileges AS
SELECT n.nspname::text AS namespace_name, c.relname::text AS relation_name, a.privilege_type, i.oid::bigint::int AS identity_id,
    i.name AS identity_name, i.type AS identity_type, a.is_grantable AND i.type = 'user' AS admin_option
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
JOIN velodrome.identities i ON i.oid = a.grantee
WHERE c.relkind IN ('r', 'v', 'm', 'f') AND n.nspname NOT IN ('velodrome', 'pg_catalog', 'information_schema')
    AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRUNCATE') AND velodrome.sees_identity(i.oid, c.relowner);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_COLUMN_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_column_privileges AS
SELECT n.nspname::text AS namespace_name, c.relname::text AS relation_name, t.attname::text AS column_name, a.privilege_type,
    i.oid::bigint::int AS identity_id, i.name AS identity_name, i.type AS identity_type
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped, aclexplode(t.attacl) a
JOIN velodrome.identities i ON i.oid = a.grantee
WHERE n.nspname NOT IN ('velodrome', 'pg_catalog', 'information_schema') AND velodrome.sees_identity(i.oid, c.relowner);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_SCHEMA_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_schema_privileges AS
SELECT n.nspname::text AS namespace_name, a.privilege_type, i.oid::bigint::int AS identity_id, i.name AS identity_name,
    i.type AS identity_type, a.is_grantable AND i.type = 'user' AS admin_option, 'SCHEMA'::text AS privilege_scope
FROM pg_catalog.pg_namespace n, aclexplode(n.nspacl) a JOIN velodrome.identities i ON i.oid = a.grantee
WHERE n.nspname <> 'velodrome' AND velodrome.sees_identity(i.oid, n.nspowner);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_DATABASE_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_database_privileges AS
SELECT d.datname::text AS database_name, CASE a.privilege_type WHEN 'TEMPORARY' THEN 'TEMP' ELSE a.privilege_type END AS privilege_type,
    i.oid::bigint::int AS identity_id, i.name AS identity_name, i.type AS identity_type,
    a.is_grantable AND i.type = 'user' AS admin_option, 'DATABASE'::text AS privilege_scope
FROM pg_catalog.pg_database d, aclexplode(d.datacl) a JOIN velodrome.identities i ON i.oid = a.grantee
WHERE d.datname NOT IN ('postgres', 'template0', 'template1') AND a.privilege_type <> 'CONNECT' AND velodrome.sees_identity(i.oid, d.datdba);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_FUNCTION_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_function_privileges AS
SELECT n.nspname::text AS namespace_name, p.proname::text AS function_name,
    (SELECT string_agg(format_type(t, NULL), ', ' ORDER BY o) FROM unnest(velodrome.signature(p.prokind, p.proargtypes, p.pronargdefaults)) WITH ORDINALITY x(t, o)) AS argument_types,
    a.privilege_type, i.oid::bigint::int AS identity_id, i.name AS identity_name, i.type AS identity_type,
    a.is_grantable AND i.type = 'user' AS admin_option
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) a
JOIN velodrome.identities i ON i.oid = a.grantee
WHERE n.nspname NOT IN ('velodrome', 'pg_catalog', 'information_schema') AND velodrome.sees_identity(i.oid, p.proowner);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_LANGUAGE_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_language_privileges AS
SELECT l.lanname::text AS language_name, a.privilege_type, i.oid::bigint::int AS identity_id, i.name AS identity_name,
    i.type AS identity_type, a.is_grantable AND i.type = 'user' AS admin_option
FROM pg_catalog.pg_language l, aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a JOIN velodrome.identities i ON i.oid = a.grantee
WHERE l.lanname IN ('sql', 'plpgsql') AND i.name NOT IN ('rdsdb', 'sys:superuser') AND velodrome.sees_identity(i.oid);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_DEFAULT_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_default_privileges AS
SELECT n.nspname::text AS schema_name, CASE d.defaclobjtype WHEN 'r' THEN 'RELATION' WHEN 'f' THEN 'FUNCTION' ELSE 'SCHEMA' END AS object_type,
    o.oid::bigint::int AS owner_id, o.name AS owner_name, o.type AS owner_type, a.privilege_type, i.oid::bigint::int AS grantee_id,
    i.name AS grantee_name, i.type AS grantee_type, a.is_grantable AND i.type = 'user' AS admin_option
FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
JOIN velodrome.identities o ON o.oid = d.defaclrole, aclexplode(d.defaclacl) a JOIN velodrome.identities i ON i.oid = a.grantee
WHERE d.defaclobjtype IN ('r', 'f', 'n') AND a.privilege_type NOT IN ('MAINTAIN', 'TRIGGER') AND velodrome.sees_identity(i.oid, o.oid);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_SYSTEM_PRIVILEGES.html
CREATE OR REPLACE VIEW pg_catalog.svv_system_privileges AS
SELECT p AS system_privilege, i.oid::bigint::int AS identity_id, i.name AS identity_name, i.type AS identity_type
FROM velodrome.identities i JOIN pg_catalog.pg_roles r ON r.oid = i.oid,
    unnest(string_to_array(velodrome.kept(r.rolconfig, 'system_privileges'), ',')) p
WHERE i.type = 'role' AND p <> '' AND velodrome.sees_identity(i.oid);

-- Masking policies are refused here: https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_MASKING_POLICY.html,
-- …/r_SVV_ATTACHED_MASKING_POLICY.html
CREATE OR REPLACE VIEW pg_catalog.svv_masking_policy AS
SELECT NULL::text AS policy_name, NULL::text AS input_columns, NULL::text AS policy_expression, NULL::text AS policy_modified_by,
    NULL::timestamp AS policy_modified_time WHERE false;
CREATE OR REPLACE VIEW pg_catalog.svv_attached_masking_policy AS
SELECT NULL::text AS policy_name, NULL::text AS schema_name, NULL::text AS table_name, NULL::text AS table_type, NULL::text AS grantor,
    NULL::text AS grantee, NULL::text AS grantee_type, NULL::int AS priority, NULL::text AS input_columns, NULL::text AS output_columns,
    NULL::boolean AS is_masking_datashare_on WHERE false;

GRANT SELECT ON velodrome.identities, pg_catalog.pg_user, pg_catalog.pg_user_info, pg_catalog.pg_group, pg_catalog.svv_user_info,
    pg_catalog.svv_roles, pg_catalog.svv_role_grants, pg_catalog.svv_user_grants, pg_catalog.svv_relation_privileges,
    pg_catalog.svv_column_privileges, pg_catalog.svv_schema_privileges, pg_catalog.svv_database_privileges,
    pg_catalog.svv_function_privileges, pg_catalog.svv_language_privileges, pg_catalog.svv_default_privileges,
    pg_catalog.svv_system_privileges, pg_catalog.svv_masking_policy, pg_catalog.svv_attached_masking_policy TO PUBLIC;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_USER_IS_MEMBER_OF.html, …/r_ROLE_IS_MEMBER_OF.html
CREATE OR REPLACE FUNCTION pg_catalog.user_is_member_of(user_name text, role_name text) RETURNS boolean LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    who oid := (SELECT oid FROM velodrome.identities WHERE name = user_name AND type = 'user');
BEGIN
    IF who IS DISTINCT FROM velodrome.caller() AND NOT velodrome.has_system_privilege('ACCESS SYSTEM TABLE')
        AND NOT velodrome.has_system_privilege('GRANT ROLE') AND user_name <> current_user THEN
        RAISE EXCEPTION 'permission denied to see roles of user "%"', user_name USING ERRCODE = '42501';
    END IF;
    RETURN EXISTS (SELECT FROM velodrome.roles_of(who) r JOIN velodrome.identities i ON i.oid = r WHERE i.name = role_name AND i.type = 'role');
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.role_is_member_of(role_name text, granted_role_name text) RETURNS boolean LANGUAGE sql STABLE STRICT
RETURN EXISTS (
    SELECT FROM velodrome.identities r, velodrome.roles_of(r.oid) g JOIN velodrome.identities i ON i.oid = g
    WHERE r.name = role_name AND r.type = 'role' AND i.name = granted_role_name AND i.type = 'role'
);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_CURRENT_USER_ID.html
CREATE OR REPLACE FUNCTION velodrome.current_user_id() RETURNS int LANGUAGE sql STABLE
RETURN (SELECT oid::bigint::int FROM pg_catalog.pg_roles WHERE rolname = current_user);
