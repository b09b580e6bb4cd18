-- Groups, roles and who is in them. https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_GROUP.html, …/r_CREATE_ROLE.html
CREATE OR REPLACE PROCEDURE velodrome.must_be_superuser(what text) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT velodrome.is_superuser() THEN
        RAISE EXCEPTION 'must be superuser to %', what USING ERRCODE = '42501';
    END IF;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.alter_group_users(change text, groups text[], users text[]) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of text;
    name text;
BEGIN
    FOREACH of IN ARRAY groups LOOP
        PERFORM velodrome.find_role('group', of);
        FOREACH name IN ARRAY users LOOP
            PERFORM velodrome.find_role('user', name);
            IF change = 'add' THEN
                EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET FALSE', 'group ' || of, name);
            ELSE
                EXECUTE format('REVOKE %I FROM %I', 'group ' || of, name);
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.create_group(name text, users text[]) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CALL velodrome.must_be_superuser('create groups');
    EXECUTE format('CREATE ROLE %I NOLOGIN', velodrome.new_role('group', name));
    CALL velodrome.alter_group_users('add', ARRAY[name], users);
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_GROUP.html
CREATE OR REPLACE PROCEDURE velodrome.alter_group(name text, change text, users text[]) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CALL velodrome.must_be_superuser('alter groups');
    PERFORM velodrome.find_role('group', name);
    IF change = 'rename' THEN
        EXECUTE format('ALTER ROLE %I RENAME TO %I', 'group ' || name, velodrome.new_role('group', users[1]));
    ELSE
        CALL velodrome.alter_group_users(change, ARRAY[name], users);
    END IF;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_GROUP.html
CREATE OR REPLACE PROCEDURE velodrome.drop_group(name text, if_exists boolean) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CALL velodrome.must_be_superuser('drop groups');
    IF if_exists AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'group ' || name) THEN
        RAISE NOTICE 'group "%" does not exist, skipping', name;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = velodrome.find_role('group', name)
        AND classid <> 'pg_auth_members'::regclass) THEN
        RAISE EXCEPTION 'group "%" can''t be dropped because the group has a privilege on some object', name USING ERRCODE = '55006';
    END IF;
    EXECUTE format('DROP ROLE %I', 'group ' || name);
END $$;

-- Who may hand out a role: superusers, who has GRANT ROLE, and who has the role WITH ADMIN OPTION (its creator too).
CREATE OR REPLACE FUNCTION velodrome.administers_role(role oid) RETURNS boolean LANGUAGE sql STABLE
RETURN velodrome.is_superuser() OR EXISTS (
    SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = role AND m.admin_option
    AND (m.member = velodrome.caller() OR m.member IN (SELECT velodrome.roles_of(velodrome.caller())))
);

CREATE OR REPLACE PROCEDURE velodrome.create_role(name text, external_id text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT velodrome.has_system_privilege('CREATE ROLE') THEN
        RAISE EXCEPTION 'permission denied to create role' USING ERRCODE = '42501';
    END IF;
    EXECUTE format('CREATE ROLE %I NOLOGIN', velodrome.new_role('role', name));
    IF external_id IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %I SET velodrome.external_id = %L', name, external_id);
    END IF;
    EXECUTE format('ALTER ROLE %I SET velodrome.owner = %L', name, (SELECT rolname FROM pg_roles WHERE oid = velodrome.caller()));
    IF NOT velodrome.is_superuser() THEN
        EXECUTE format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', name, (SELECT rolname FROM pg_roles WHERE oid = velodrome.caller()));
    END IF;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.must_own_role(name text) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF name ~ '^sys:' THEN
        RAISE EXCEPTION 'system-defined role "%" can''t be changed', name USING ERRCODE = '42501';
    ELSIF NOT velodrome.administers_role(velodrome.find_role('role', name)) THEN
        RAISE EXCEPTION 'must be owner of role %', name USING ERRCODE = '42501';
    END IF;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_ROLE.html
CREATE OR REPLACE PROCEDURE velodrome.alter_role(name text, change text, value text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CALL velodrome.must_own_role(name);
    CASE change
        WHEN 'rename' THEN EXECUTE format('ALTER ROLE %I RENAME TO %I', name, velodrome.new_role('role', value));
        WHEN 'external_id' THEN EXECUTE format('ALTER ROLE %I SET velodrome.external_id = %L', name, value);
        WHEN 'owner' THEN
            PERFORM velodrome.find_role('user', value);
            EXECUTE format('ALTER ROLE %I SET velodrome.owner = %L', name, value);
    END CASE;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_ROLE.html: RESTRICT (the default) refuses a role that is granted,
-- FORCE takes it away from everybody first.
CREATE OR REPLACE PROCEDURE velodrome.drop_role(name text, force boolean) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid := velodrome.find_role('role', name);
BEGIN
    IF velodrome.has_system_privilege('DROP ROLE') AND name !~ '^sys:' THEN
        NULL;
    ELSE
        CALL velodrome.must_own_role(name);
    END IF;
    IF NOT force AND EXISTS (SELECT FROM pg_auth_members WHERE found IN (roleid, member) AND NOT (admin_option AND NOT inherit_option)) THEN
        RAISE EXCEPTION 'role "%" can''t be dropped because some roles or users depend on it', name
            USING ERRCODE = '2BP01', HINT = 'Use DROP ROLE ... FORCE to revoke the role assignments as well.';
    ELSIF NOT force AND EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = found AND classid <> 'pg_auth_members'::regclass) THEN
        RAISE EXCEPTION 'role "%" can''t be dropped because the role has a privilege on some object', name USING ERRCODE = '2BP01';
    END IF;
    IF force THEN
        EXECUTE format('DROP OWNED BY %I', name);
    END IF;
    EXECUTE format('DROP ROLE %I', name);
END $$;

-- GRANT ROLE and REVOKE ROLE: https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html. `grantees` has names by kind.
CREATE OR REPLACE PROCEDURE velodrome.change_role_members(change text, roles text[], grantees jsonb, admin boolean) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role text;
    kind text;
    name text;
BEGIN
    FOREACH role IN ARRAY roles LOOP
        IF NOT (velodrome.administers_role(velodrome.find_role('role', role)) OR (role <> 'sys:superuser' AND velodrome.has_system_privilege('GRANT ROLE'))) THEN
            RAISE EXCEPTION 'permission denied for role %', role USING ERRCODE = '42501';
        END IF;
        FOR kind, name IN SELECT e.key, n FROM jsonb_each(grantees) e, jsonb_array_elements_text(e.value) n LOOP
            PERFORM velodrome.find_role(kind, name);
            IF role = 'sys:superuser' THEN
                IF kind <> 'user' THEN
                    RAISE EXCEPTION 'granting sys:superuser to a role is not supported by this local warehouse' USING ERRCODE = '0A000';
                END IF;
                CALL velodrome.set_superuser(name, change = 'grant');
            ELSIF change = 'grant' THEN
                EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET FALSE', role, name);
                IF admin THEN
                    EXECUTE format('GRANT %I TO %I WITH ADMIN TRUE', role, name);
                END IF;
            ELSIF admin THEN
                EXECUTE format('REVOKE ADMIN OPTION FOR %I FROM %I', role, name);
            ELSE
                EXECUTE format('REVOKE %I FROM %I', role, name);
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- System permissions of roles: https://docs.aws.amazon.com/redshift/latest/dg/r_roles-system-privileges.html
CREATE OR REPLACE PROCEDURE velodrome.change_system_privileges(change text, privileges text[], grantees jsonb) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    held text[];
    inside CONSTANT jsonb := '{"ANALYZE": "pg_maintain", "VACUUM": "pg_maintain", "CANCEL": "pg_signal_backend", "ACCESS SYSTEM TABLE": "pg_monitor", "ACCESS CATALOG": "pg_monitor"}';
    means text;
BEGIN
    CALL velodrome.must_be_superuser(change || ' system permissions');
    FOR name IN SELECT jsonb_array_elements_text(grantees -> 'role') LOOP
        IF name ~ '^sys:' THEN
            RAISE EXCEPTION 'system-defined role "%" can''t be changed', name USING ERRCODE = '42501';
        END IF;
        held := string_to_array((SELECT velodrome.kept(rolconfig, 'system_privileges') FROM pg_roles WHERE oid = velodrome.find_role('role', name)), ',');
        held := ARRAY(SELECT p FROM unnest(held) p WHERE p <> ALL (privileges) UNION SELECT p FROM unnest(privileges) p WHERE change = 'grant' ORDER BY 1);
        EXECUTE format('ALTER ROLE %I SET velodrome.system_privileges = %L', name, array_to_string(held, ','));
        FOR means IN SELECT DISTINCT value FROM jsonb_each_text(inside) LOOP
            IF EXISTS (SELECT FROM jsonb_each_text(inside) i WHERE i.value = means AND i.key = ANY (held)) THEN
                EXECUTE format('GRANT %I TO %I', means, name);
            ELSIF EXISTS (SELECT FROM pg_auth_members WHERE roleid = to_regrole(means) AND member = to_regrole(quote_ident(name))) THEN
                EXECUTE format('REVOKE %I FROM %I', means, name);
            END IF;
        END LOOP;
    END LOOP;
END $$;

REVOKE ALL ON PROCEDURE velodrome.alter_group_users(text, text[], text[]) FROM PUBLIC;

-- Superusers give rights on languages, which are the server's own.
GRANT USAGE ON LANGUAGE sql, plpgsql TO "sys:superuser" WITH GRANT OPTION;
