-- Row-level security: Redshift's policies belong to a database and are attached to tables for users and roles; here each
-- is a function, and each attachment a policy of PostgreSQL's that calls it.
-- https://docs.aws.amazon.com/redshift/latest/dg/t_rls.html
CREATE TABLE IF NOT EXISTS velodrome.rls_policies (
    name text PRIMARY KEY, columns jsonb NOT NULL, alias text NOT NULL, written text NOT NULL, modified_by text NOT NULL,
    modified_time timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS velodrome.rls_relations (relid oid PRIMARY KEY, is_on boolean NOT NULL, conjunction text NOT NULL);
CREATE TABLE IF NOT EXISTS velodrome.rls_attachments (
    relid oid, policy text REFERENCES velodrome.rls_policies, grantee oid, grantor text NOT NULL, PRIMARY KEY (relid, policy, grantee)
);

-- "RLS policies that are attached to superusers or to users with the sys:secadmin permission are ignored": r_ATTACH_RLS_POLICY.html
CREATE OR REPLACE FUNCTION velodrome.ignores_rls() RETURNS boolean LANGUAGE sql STABLE
RETURN velodrome.has_system_privilege('IGNORE RLS');

CREATE OR REPLACE PROCEDURE velodrome.must_manage_policies() LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (velodrome.is_superuser() OR (SELECT oid FROM pg_roles WHERE rolname = 'sys:secadmin') IN (SELECT velodrome.roles_of(velodrome.caller()))) THEN
        RAISE EXCEPTION 'permission denied to manage RLS policies' USING ERRCODE = '42501';
    END IF;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.note_rls_policy(policy text, columns jsonb, alias text, written text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CALL velodrome.must_manage_policies();
    IF octet_length(policy) > 63 THEN
        RAISE EXCEPTION 'RLS policy name "%" is too long', policy USING ERRCODE = '42622';
    ELSIF EXISTS (SELECT FROM velodrome.rls_policies p WHERE p.name = policy) THEN
        RAISE EXCEPTION 'RLS policy "%" already exists', policy USING ERRCODE = '42710';
    END IF;
    INSERT INTO velodrome.rls_policies VALUES (policy, columns, alias, written, (SELECT rolname FROM pg_roles WHERE oid = velodrome.caller()), localtimestamp);
END $$;

-- Made by, and belonging to, who makes the policy: what it calls it calls with no more than his rights, and lookup tables
-- are read with them. It is bound to the lookup tables, which cannot be dropped before it. Nobody else makes functions in
-- this schema; its name keeps it out of lists.
CREATE SCHEMA IF NOT EXISTS pg_velodrome_rls;
GRANT USAGE ON SCHEMA pg_velodrome_rls TO PUBLIC;
GRANT CREATE ON SCHEMA pg_velodrome_rls TO "sys:superuser", "sys:secadmin";
CREATE OR REPLACE PROCEDURE velodrome.define_rls_policy(policy text, columns jsonb, alias text, inside text) LANGUAGE plpgsql AS $$
DECLARE
    types text := (SELECT coalesce(string_agg(c ->> 1 || ', ', '' ORDER BY o), '') || 'text' FROM jsonb_array_elements(columns) WITH ORDINALITY x(c, o));
    selected text := (SELECT coalesce(string_agg(format('$%s AS %I, ', o, c ->> 0), '' ORDER BY o), '') FROM jsonb_array_elements(columns) WITH ORDINALITY x(c, o));
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION pg_velodrome_rls.%I(%s) RETURNS boolean STABLE %s RETURN (SELECT (%s) FROM (SELECT %s$%s AS "velodrome user") AS %I)',
        policy, types, CASE WHEN inside ~* 'select' THEN 'SECURITY DEFINER' ELSE '' END, inside, selected,
        jsonb_array_length(columns) + 1, coalesce(nullif(alias, ''), 'rls_table')
    );
END $$;
CREATE OR REPLACE PROCEDURE velodrome.create_rls_policy(policy text, columns jsonb, alias text, written text, inside text) LANGUAGE plpgsql AS $$
BEGIN
    CALL velodrome.note_rls_policy(policy, columns, alias, written);
    CALL velodrome.define_rls_policy(policy, columns, alias, inside);
END $$;

CREATE OR REPLACE PROCEDURE velodrome.expect_rls_policy(policy text) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM velodrome.rls_policies p WHERE p.name = policy) THEN
        RAISE EXCEPTION 'RLS policy "%" does not exist', policy USING ERRCODE = '42704';
    END IF;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.renote_rls_policy(policy text, new_text text, INOUT columns jsonb, INOUT alias text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CALL velodrome.must_manage_policies();
    CALL velodrome.expect_rls_policy(policy);
    UPDATE velodrome.rls_policies p SET written = new_text, modified_time = localtimestamp,
        modified_by = (SELECT rolname FROM pg_roles WHERE oid = velodrome.caller()) WHERE p.name = policy;
    SELECT p.columns, p.alias INTO columns, alias FROM velodrome.rls_policies p WHERE p.name = policy;
END $$;
CREATE OR REPLACE PROCEDURE velodrome.alter_rls_policy(policy text, new_text text, inside text) LANGUAGE plpgsql AS $$
DECLARE
    columns jsonb;
    alias text;
BEGIN
    CALL velodrome.renote_rls_policy(policy, new_text, columns, alias);
    CALL velodrome.define_rls_policy(policy, columns, alias, inside);
END $$;

-- The policies of PostgreSQL's on a table, made anew. Without one that lets a row through nobody sees it. With AND, an
-- attachment lets its grantees see all, less what each attachment takes away; with OR each attachment shows what it finds.
CREATE OR REPLACE PROCEDURE velodrome.rebuild_row_security(relation oid) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old name;
    attached record;
    all_of_them boolean := coalesce((SELECT conjunction = 'and' FROM velodrome.rls_relations WHERE relid = relation), true);
BEGIN
    FOR old IN SELECT polname FROM pg_policy WHERE polrelid = relation LOOP
        EXECUTE format('DROP POLICY %I ON %s', old, relation::regclass);
    END LOOP;
    DELETE FROM velodrome.rls_attachments a WHERE a.relid = relation AND a.grantee <> 0 AND NOT EXISTS (SELECT FROM pg_roles WHERE oid = a.grantee);
    EXECUTE format('CREATE POLICY ignored ON %s USING ((SELECT velodrome.ignores_rls())) WITH CHECK (true)', relation::regclass);
    FOR attached IN
        SELECT a.policy, a.grantee, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident((SELECT rolname FROM pg_roles WHERE oid = a.grantee)) END AS who,
            (SELECT coalesce(string_agg(quote_ident(c ->> 0) || ', ', '' ORDER BY o), '') FROM jsonb_array_elements(p.columns) WITH ORDINALITY x(c, o)) AS arguments
        FROM velodrome.rls_attachments a JOIN velodrome.rls_policies p ON p.name = a.policy WHERE a.relid = relation
    LOOP
        EXECUTE format(
            'CREATE POLICY %I ON %s AS %s TO %s USING ((SELECT velodrome.ignores_rls()) OR pg_velodrome_rls.%I(%scurrent_user::text)) WITH CHECK (true)',
            left(attached.policy, 50) || ' ' || attached.grantee, relation::regclass,
            CASE WHEN all_of_them THEN 'RESTRICTIVE' ELSE 'PERMISSIVE' END, attached.who, attached.policy, attached.arguments
        );
        IF all_of_them AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = relation AND polname = 'for ' || attached.grantee) THEN
            EXECUTE format('CREATE POLICY %I ON %s TO %s USING (true) WITH CHECK (true)', 'for ' || attached.grantee, relation::regclass, attached.who);
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.attach_rls_policy(change text, policy_name text, relations regclass[], grantees jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass;
    kind text;
    name text;
    who oid;
    is_there boolean;
BEGIN
    CALL velodrome.must_manage_policies();
    CALL velodrome.expect_rls_policy(policy_name);
    FOREACH relation IN ARRAY relations LOOP
        IF NOT EXISTS (SELECT FROM pg_class WHERE oid = relation AND relkind = 'r' AND relpersistence <> 't' AND oid >= 16384) THEN
            RAISE EXCEPTION 'RLS policies on % are not supported by this local warehouse: tables only', relation USING ERRCODE = '0A000';
        END IF;
        FOR kind, name IN SELECT e.key, n FROM jsonb_each(grantees) e, jsonb_array_elements_text(e.value) n LOOP
            who := CASE kind WHEN 'public' THEN 0 ELSE velodrome.find_role(kind, name) END;
            is_there := EXISTS (SELECT FROM velodrome.rls_attachments a WHERE (a.relid, a.policy, a.grantee) = (relation, policy_name, who));
            IF is_there = (change = 'attach') THEN
                RAISE EXCEPTION 'RLS policy "%" is % attached to relation "%" for "%"', policy_name,
                    CASE change WHEN 'attach' THEN 'already' ELSE 'not' END, relation, name
                    USING ERRCODE = CASE change WHEN 'attach' THEN '42710' ELSE '42704' END;
            ELSIF change = 'attach' THEN
                INSERT INTO velodrome.rls_attachments VALUES (relation, policy_name, who, (SELECT rolname FROM pg_roles WHERE oid = velodrome.caller()));
            ELSE
                DELETE FROM velodrome.rls_attachments a WHERE (a.relid, a.policy, a.grantee) = (relation, policy_name, who);
            END IF;
        END LOOP;
        CALL velodrome.rebuild_row_security(relation);
    END LOOP;
END $$;

CREATE OR REPLACE PROCEDURE velodrome.switch_row_security(relation regclass, wanted boolean, kind text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CALL velodrome.must_manage_policies();
    INSERT INTO velodrome.rls_relations AS r VALUES (relation, wanted, coalesce(nullif(kind, ''), 'and'))
    ON CONFLICT ON CONSTRAINT rls_relations_pkey DO UPDATE SET is_on = wanted, conjunction = coalesce(nullif(kind, ''), r.conjunction);
    CALL velodrome.rebuild_row_security(relation);
    -- Owners are not exempt: only who may ignore RLS is.
    EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY, %s ROW LEVEL SECURITY', relation,
        CASE WHEN wanted THEN 'ENABLE' ELSE 'DISABLE' END, CASE WHEN wanted THEN 'FORCE' ELSE 'NO FORCE' END);
END $$;

CREATE OR REPLACE PROCEDURE velodrome.drop_rls_policy(policy_name text, if_exists boolean, cascade boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation oid;
BEGIN
    CALL velodrome.must_manage_policies();
    IF if_exists AND NOT EXISTS (SELECT FROM velodrome.rls_policies p WHERE p.name = policy_name) THEN
        RAISE NOTICE 'RLS policy "%" does not exist, skipping', policy_name;
        RETURN;
    END IF;
    CALL velodrome.expect_rls_policy(policy_name);
    DELETE FROM velodrome.rls_attachments a WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.relid);
    IF NOT cascade AND EXISTS (SELECT FROM velodrome.rls_attachments a WHERE a.policy = policy_name) THEN
        RAISE EXCEPTION 'cannot drop RLS policy "%" because it is attached to a relation', policy_name
            USING ERRCODE = '2BP01', HINT = 'Use DROP RLS POLICY ... CASCADE to detach it as well.';
    END IF;
    FOR relation IN DELETE FROM velodrome.rls_attachments a WHERE a.policy = policy_name RETURNING a.relid LOOP
        CALL velodrome.rebuild_row_security(relation);
    END LOOP;
    EXECUTE format('DROP FUNCTION pg_velodrome_rls.%I', policy_name);
    DELETE FROM velodrome.rls_policies p WHERE p.name = policy_name;
END $$;

REVOKE ALL ON PROCEDURE velodrome.rebuild_row_security(oid) FROM PUBLIC;

-- "You can't drop a lookup table", with CASCADE neither: t_rls_object_dependency.html
CREATE OR REPLACE FUNCTION velodrome.keep_rls_policies() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE schema_name = 'pg_velodrome_rls' AND NOT original) THEN
        RAISE EXCEPTION 'cannot drop an object that an RLS policy refers to' USING ERRCODE = '2BP01', HINT = 'Drop the RLS policy first.';
    END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS velodrome_keep_rls_policies;
CREATE EVENT TRIGGER velodrome_keep_rls_policies ON sql_drop EXECUTE FUNCTION velodrome.keep_rls_policies();

-- Only sys:secadmin and superusers see them: https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_RLS_POLICY.html
CREATE OR REPLACE VIEW pg_catalog.svv_rls_policy AS
SELECT current_database()::text AS poldb, name AS polname, alias AS polalias,
    (SELECT json_agg(json_build_object('colname', c ->> 0, 'type', c ->> 1))::text FROM jsonb_array_elements(columns) c) AS polatts,
    written AS polqual, true AS polenabled, modified_by AS polmodifiedby, modified_time AS polmodifiedtime
FROM velodrome.rls_policies WHERE velodrome.ignores_rls();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_RLS_ATTACHED_POLICY.html
CREATE OR REPLACE VIEW pg_catalog.svv_rls_attached_policy AS
SELECT n.nspname::text AS relschema, c.relname::text AS relname, 'table'::text AS relkind, a.policy AS polname, a.grantor,
    i.name AS grantee, i.type AS granteekind, true AS is_pol_on, c.relrowsecurity AS is_rls_on,
    coalesce(r.conjunction, 'and')::character(3) AS rls_conjunction_type
FROM velodrome.rls_attachments a JOIN pg_class c ON c.oid = a.relid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN velodrome.identities i ON i.oid = a.grantee LEFT JOIN velodrome.rls_relations r ON r.relid = a.relid WHERE velodrome.ignores_rls();
-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_RLS_RELATION.html
CREATE OR REPLACE VIEW pg_catalog.svv_rls_relation AS
SELECT current_database()::text AS datname, n.nspname::text AS relschema, c.relname::text AS relname, 'table'::text AS relkind,
    c.relrowsecurity AS is_rls_on, false AS is_rls_datashare_on, r.conjunction::character(3) AS rls_conjunction_type,
    NULL::character(3) AS rls_datashare_conjunction_type
FROM velodrome.rls_relations r JOIN pg_class c ON c.oid = r.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE velodrome.ignores_rls();
GRANT SELECT ON pg_catalog.svv_rls_policy, pg_catalog.svv_rls_attached_policy, pg_catalog.svv_rls_relation TO PUBLIC;
