-- Users, and what a superuser is. A Redshift superuser is no superuser of the server inside, who could run programs on
-- this machine. Instead: every user who is no superuser is granted to sys:superuser; the administrator is a member of
-- sys:superuser, further superusers are members of the administrator. So they have the rights of all users, and read
-- and write everything. CREATEROLE marks a superuser (Redshift's CREATEUSER); it alone lets nobody touch other users.
-- A user may log in, a role may not, a group may not and is kept as "group NAME": the three have names of their own.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_superusers.html, …/r_roles-default.html
DO $$
DECLARE
    role text;
BEGIN
    PERFORM pg_advisory_xact_lock(x'56454C50'::int);
    FOREACH role IN ARRAY ARRAY['sys:superuser', 'sys:dba', 'sys:operator', 'sys:monitor', 'sys:secadmin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
    GRANT pg_read_all_data, pg_write_all_data, pg_maintain, pg_monitor, pg_signal_backend TO "sys:superuser";
    GRANT pg_monitor TO "sys:monitor";
    GRANT pg_monitor, pg_maintain, pg_signal_backend TO "sys:operator";
    GRANT "sys:operator" TO "sys:dba";
    ALTER ROLE "sys:monitor" SET velodrome.system_privileges = 'ACCESS CATALOG,ACCESS SYSTEM TABLE';
    ALTER ROLE "sys:operator" SET velodrome.system_privileges = 'ACCESS CATALOG,ACCESS SYSTEM TABLE,ANALYZE,VACUUM,CANCEL';
    ALTER ROLE "sys:secadmin" SET velodrome.system_privileges =
        'CREATE USER,ALTER USER,DROP USER,CREATE ROLE,DROP ROLE,GRANT ROLE,EXPLAIN RLS,IGNORE RLS,EXPLAIN MASKING';
END $$;

-- Who asks: the session's user, or whom SET SESSION AUTHORIZATION made him (see sql/settings.py).
CREATE OR REPLACE FUNCTION velodrome.caller() RETURNS oid LANGUAGE sql STABLE
RETURN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = coalesce(nullif(current_setting('role'), 'none'), session_user));

CREATE OR REPLACE FUNCTION velodrome.is_superuser(who oid) RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce((SELECT rolcreaterole AND rolcanlogin FROM pg_catalog.pg_roles WHERE oid = who), false)
    OR pg_catalog.pg_has_role(who, 'sys:superuser', 'MEMBER');
CREATE OR REPLACE FUNCTION velodrome.is_superuser() RETURNS boolean LANGUAGE sql STABLE
RETURN velodrome.is_superuser(velodrome.caller());

-- What ALTER ROLE … SET keeps of a user or role beyond PostgreSQL's attributes.
CREATE OR REPLACE FUNCTION velodrome.kept(config text[], name text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN (SELECT substr(item, length(name) + 12) FROM unnest(config) item WHERE starts_with(item, 'velodrome.' || name || '='));

-- The roles and groups that a user or role is in, directly or through roles; rights are inherited from all of them.
CREATE OR REPLACE FUNCTION velodrome.roles_of(who oid) RETURNS SETOF oid LANGUAGE sql STABLE AS $$
    WITH RECURSIVE held AS (
        SELECT roleid FROM pg_catalog.pg_auth_members WHERE member = who
        UNION
        SELECT m.roleid FROM held JOIN pg_catalog.pg_roles r ON r.oid = held.roleid AND NOT r.rolcanlogin
        JOIN pg_catalog.pg_auth_members m ON m.member = held.roleid
    )
    SELECT held.roleid FROM held JOIN pg_catalog.pg_roles r ON r.oid = held.roleid
    WHERE NOT r.rolcanlogin AND NOT starts_with(r.rolname, 'pg_')
$$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_roles-system-privileges.html
CREATE OR REPLACE FUNCTION velodrome.has_system_privilege(privilege text, who oid DEFAULT velodrome.caller())
RETURNS boolean LANGUAGE sql STABLE
RETURN velodrome.is_superuser(who) OR EXISTS (
    -- Of roles only: a user may set what he likes for himself, with dynamic SQL in a procedure.
    SELECT FROM pg_catalog.pg_roles r WHERE NOT r.rolcanlogin AND (r.oid = who OR r.oid IN (SELECT velodrome.roles_of(who)))
    AND privilege = ANY (string_to_array(velodrome.kept(r.rolconfig, 'system_privileges'), ','))
);

-- The role inside that is a user, a role or a group of this name.
CREATE OR REPLACE FUNCTION velodrome.find_role(kind text, name text) RETURNS oid LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid := (
        SELECT oid FROM pg_roles WHERE rolname = CASE kind WHEN 'group' THEN 'group ' || name ELSE name END
        AND rolcanlogin = (kind = 'user') AND NOT starts_with(rolname, 'pg_')
        AND starts_with(rolname, 'group ') = (kind = 'group')
    );
BEGIN
    IF found IS NULL THEN
        -- The gateway says `user` for the server's own `role "…"`, and `role` for this one.
        RAISE EXCEPTION '%', format(CASE kind WHEN 'role' THEN 'role "role %s" does not exist' ELSE kind || ' "%s" does not exist' END, name)
            USING ERRCODE = '42704';
    END IF;
    RETURN found;
END $$;

-- Run before a GRANT or REVOKE: each grantee has to be what it is called (the names, as JSON, by kind).
CREATE OR REPLACE PROCEDURE velodrome.expect_grantees(grantees jsonb) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM velodrome.find_role(kind, name) FROM jsonb_each(grantees) e(kind, list), jsonb_array_elements_text(list) name;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html: the rules for a password in clear text
CREATE OR REPLACE FUNCTION velodrome.password_verifier(name text, password text) RETURNS text LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
BEGIN
    IF password ~ '^md5[0-9a-f]{32}$' OR starts_with(password, 'SCRAM-SHA-256$') THEN
        RETURN password;
    ELSIF password ~ '^sha256\|[0-9a-f]{64}\|([0-9a-f]{2})+$' THEN
        -- As authentication.py reads it: salt and digest in the form of a SCRAM verifier whose server key is zero.
        RETURN format('SCRAM-SHA-256$1:%s$%s:%s', translate(encode(decode(split_part(password, '|', 3), 'hex'), 'base64'), E'\n', ''),
            encode(decode(split_part(password, '|', 2), 'hex'), 'base64'), encode(decode(repeat('00', 32), 'hex'), 'base64'));
    ELSIF starts_with(password, 'sha256|') THEN
        password := substr(password, 8);
    END IF;
    IF length(password) NOT BETWEEN 8 AND 64 THEN
        RAISE EXCEPTION 'password must be between 8 and 64 characters long' USING ERRCODE = '22023';
    ELSIF password !~ '[A-Z]' OR password !~ '[a-z]' OR password !~ '[0-9]' THEN
        RAISE EXCEPTION 'password must contain at least one uppercase letter, one lowercase letter, and one number'
            USING ERRCODE = '22023';
    ELSIF password ~ $class$[\x01-\x20\x7f'"\\/@]$class$ THEN  -- letters beyond ASCII are taken, whatever the page says
        RAISE EXCEPTION 'password can contain only printable ASCII characters except '' (single quote), " (double quote), \, /, or @'
            USING ERRCODE = '22023';
    END IF;
    RETURN 'md5' || md5(password || name);
END $$;

CREATE OR REPLACE FUNCTION velodrome.administrator() RETURNS oid LANGUAGE sql STABLE
RETURN (SELECT oid FROM pg_catalog.pg_roles WHERE rolcreaterole AND velodrome.kept(rolconfig, 'administrator') = 'true' ORDER BY oid LIMIT 1);

CREATE OR REPLACE PROCEDURE velodrome.set_superuser(name text, wanted boolean) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first text := (SELECT rolname FROM pg_roles WHERE oid = velodrome.administrator());
    who oid := (SELECT oid FROM pg_roles WHERE rolname = name);
BEGIN
    IF wanted = velodrome.is_superuser(who) THEN
        RETURN;
    ELSIF wanted THEN
        IF EXISTS (SELECT FROM pg_auth_members WHERE roleid = who AND member = (SELECT oid FROM pg_roles WHERE rolname = 'sys:superuser')) THEN
            EXECUTE format('REVOKE %I FROM "sys:superuser"', name);
        END IF;
        EXECUTE format('ALTER ROLE %I CREATEDB CREATEROLE BYPASSRLS', name);
        IF first IS NULL OR first = name THEN
            EXECUTE format('ALTER ROLE %I SET velodrome.administrator = true', name);
            EXECUTE format('GRANT "sys:superuser" TO %I WITH INHERIT TRUE, SET TRUE', name);
        ELSE
            EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET TRUE, ADMIN TRUE', first, name);
        END IF;
    ELSIF first = name THEN
        RAISE EXCEPTION 'the administrator stays a superuser' USING ERRCODE = '55006';
    ELSE
        EXECUTE format('REVOKE %I FROM %I', first, name);
        EXECUTE format('ALTER ROLE %I NOCREATEROLE NOBYPASSRLS', name);
        EXECUTE format('GRANT %I TO "sys:superuser" WITH INHERIT TRUE, SET TRUE, ADMIN TRUE', name);
    END IF;
END $$;

-- What CREATE USER and ALTER USER have in common; `options` is what sql/users.py has read.
CREATE OR REPLACE PROCEDURE velodrome.set_user_options(name text, options jsonb) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    option text;
    value text;
    groups text[];
BEGIN
    FOR option, value IN SELECT * FROM jsonb_each_text(options) LOOP
        CASE option
            WHEN 'password' THEN
                IF value IS NULL AND velodrome.is_superuser(velodrome.find_role('user', name)) THEN
                    RAISE EXCEPTION 'cannot disable password of superuser "%"', name USING ERRCODE = '42501';
                END IF;
                EXECUTE format('ALTER ROLE %I PASSWORD %L', name, velodrome.password_verifier(name, value));
            WHEN 'createdb' THEN
                EXECUTE format('ALTER ROLE %I %s', name, CASE value WHEN 'true' THEN 'CREATEDB' ELSE 'NOCREATEDB' END);
            WHEN 'createuser' THEN
                CALL velodrome.set_superuser(name, value::boolean);
            WHEN 'valid_until' THEN
                EXECUTE format('ALTER ROLE %I VALID UNTIL %L', name, value);
            WHEN 'connection_limit' THEN
                EXECUTE format('ALTER ROLE %I CONNECTION LIMIT %s', name, value::int);
            WHEN 'session_timeout' THEN
                IF value IS NULL THEN
                    EXECUTE format('ALTER ROLE %I RESET idle_session_timeout', name);
                ELSIF value::bigint NOT BETWEEN 60 AND 1728000 THEN
                    RAISE EXCEPTION 'SESSION TIMEOUT must be between 60 and 1728000 seconds' USING ERRCODE = '22023';
                ELSE
                    EXECUTE format('ALTER ROLE %I SET idle_session_timeout = %L', name, value || 's');
                END IF;
            WHEN 'syslog_access', 'external_id' THEN
                EXECUTE format('ALTER ROLE %I SET velodrome.%I = %L', name, option, value);
            WHEN 'groups' THEN
                groups := ARRAY(SELECT jsonb_array_elements_text(options -> 'groups'));
                CALL velodrome.alter_group_users('add', groups, ARRAY[name]);
        END CASE;
    END LOOP;
END $$;

-- A name that a new user, role or group may have.
CREATE OR REPLACE FUNCTION velodrome.new_role(kind text, name text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    inside text := CASE kind WHEN 'group' THEN 'group ' || name ELSE name END;
BEGIN
    IF lower(name) IN ('public', 'none') OR starts_with(name, 'pg_') OR starts_with(name, 'group ') OR name ~ '^(sys|ds):' THEN
        RAISE EXCEPTION '% name "%" is reserved', kind, name USING ERRCODE = '42939';
    ELSIF octet_length(inside) > 63 THEN
        RAISE EXCEPTION '% name "%" is longer than % bytes', kind, name, 63 - octet_length(inside) + octet_length(name)
            USING ERRCODE = '0A000';
    ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = inside) THEN
        RAISE EXCEPTION '% "%" already exists', (SELECT CASE WHEN kind = 'group' THEN kind WHEN rolcanlogin THEN 'user' ELSE 'role' END
            FROM pg_roles WHERE rolname = inside), name USING ERRCODE = '42710';
    END IF;
    RETURN inside;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.create_user(name text, options jsonb) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT velodrome.has_system_privilege('CREATE USER') OR (options ->> 'createuser' = 'true' AND NOT velodrome.is_superuser()) THEN
        RAISE EXCEPTION 'must be superuser to create users' USING ERRCODE = '42501';
    END IF;
    EXECUTE format('CREATE ROLE %I LOGIN', velodrome.new_role('user', name));
    EXECUTE format('GRANT %I TO "sys:superuser" WITH INHERIT TRUE, SET TRUE, ADMIN TRUE', name);
    CALL velodrome.set_user_options(name, options);
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_USER.html: everybody may change his own password and defaults
CREATE OR REPLACE PROCEDURE velodrome.alter_user(name text, options jsonb) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid := velodrome.find_role('user', name);
    touches_superuser boolean := velodrome.is_superuser(found) OR options ? 'createuser';
BEGIN
    IF name = 'rdsdb' THEN
        RAISE EXCEPTION 'permission denied' USING ERRCODE = '42501';
    ELSIF found = velodrome.caller() AND NOT velodrome.is_superuser() AND options - 'password' = '{}' AND options ->> 'password' IS NOT NULL THEN
        NULL;
    ELSIF NOT velodrome.has_system_privilege('ALTER USER') OR (touches_superuser AND NOT velodrome.is_superuser()) THEN
        RAISE EXCEPTION 'permission denied' USING ERRCODE = '42501';
    END IF;
    CALL velodrome.set_user_options(name, options);
END $$;

CREATE OR REPLACE PROCEDURE velodrome.rename_user(name text, new_name text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid := velodrome.find_role('user', name);
BEGIN
    IF NOT velodrome.is_superuser() THEN
        RAISE EXCEPTION 'must be superuser to rename users' USING ERRCODE = '42501';
    ELSIF name IN ('rdsdb', session_user) OR found = velodrome.caller() THEN
        RAISE EXCEPTION 'session user may not be renamed' USING ERRCODE = '0A000';
    END IF;
    EXECUTE format('ALTER ROLE %I RENAME TO %I', name, velodrome.new_role('user', new_name));
END $$;

-- ALTER USER … SET and RESET: the value is one string, or several where the parameter is a list; NULL resets.
CREATE OR REPLACE PROCEDURE velodrome.alter_user_parameter(name text, parameter text, setting text[]) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid := velodrome.find_role('user', name);
BEGIN
    IF name = 'rdsdb' OR (found <> velodrome.caller() AND NOT velodrome.has_system_privilege('ALTER USER'))
        OR (velodrome.is_superuser(found) AND NOT velodrome.is_superuser()) THEN
        RAISE EXCEPTION 'permission denied' USING ERRCODE = '42501';
    ELSIF NOT velodrome.is_parameter(parameter) THEN
        RAISE EXCEPTION 'unrecognized configuration parameter "%"', parameter USING ERRCODE = '42704';
    ELSIF setting IS NULL THEN
        EXECUTE format('ALTER ROLE %I RESET %s', name, velodrome.parameter_inside(parameter));
    ELSE
        EXECUTE format('ALTER ROLE %I SET %s TO %s', name, velodrome.parameter_inside(parameter),
            (SELECT string_agg(quote_literal(velodrome.case_inside(parameter, item)), ', ') FROM unnest(setting) item));
    END IF;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_USER.html
CREATE OR REPLACE PROCEDURE velodrome.drop_users(names text[], if_exists boolean) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    found oid;
BEGIN
    IF NOT velodrome.has_system_privilege('DROP USER') THEN
        RAISE EXCEPTION 'must be superuser to drop users' USING ERRCODE = '42501';
    END IF;
    FOREACH name IN ARRAY names LOOP
        IF if_exists AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name AND rolcanlogin) THEN
            RAISE NOTICE 'user "%" does not exist, skipping', name;
            CONTINUE;
        END IF;
        found := velodrome.find_role('user', name);
        IF name IN (session_user) OR found = velodrome.caller() THEN
            RAISE EXCEPTION 'current user cannot be dropped' USING ERRCODE = '55006';
        ELSIF name = 'rdsdb' OR found = velodrome.administrator() OR (velodrome.is_superuser(found) AND NOT velodrome.is_superuser()) THEN
            RAISE EXCEPTION 'user "%" cannot be dropped', name USING ERRCODE = '42501';
        ELSIF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = found AND deptype = 'o' AND classid <> 'pg_auth_members'::regclass) THEN
            RAISE EXCEPTION 'user "%" can''t be dropped because the user owns some object', name USING ERRCODE = '55006';
        ELSIF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = found AND classid <> 'pg_auth_members'::regclass) THEN
            RAISE EXCEPTION 'user "%" can''t be dropped because the user has a privilege on some object', name USING ERRCODE = '55006';
        END IF;
        EXECUTE format('DROP ROLE %I', name);
    END LOOP;
END $$;

REVOKE ALL ON PROCEDURE velodrome.set_superuser(text, boolean), velodrome.set_user_options(text, jsonb) FROM PUBLIC;
