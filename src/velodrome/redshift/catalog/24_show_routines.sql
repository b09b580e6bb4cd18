-- SHOW of procedures, functions, grants and definitions; see 23_show.sql.

-- Arguments as they were declared: OUT parameters of procedures are INOUT ones with a default inside (14_routines.sql).
CREATE OR REPLACE FUNCTION velodrome.routine_arguments(routine oid) RETURNS TABLE (place int, name text, mode text, type oid) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT (u.place - CASE WHEN u.place > velodrome.mark_place(p.proargtypes) THEN 1 ELSE 0 END)::int, coalesce(u.name, ''), CASE
        WHEN u.mode = 'o' OR (p.prokind = 'p' AND u.mode = 'b' AND u.place > p.pronargs - p.pronargdefaults) THEN 'OUT'
        WHEN u.mode = 'b' THEN 'INOUT' WHEN u.mode = 't' THEN 'TABLE' ELSE 'IN' END, u.type
    FROM pg_proc p, unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames) WITH ORDINALITY u (type, mode, name, place)
    WHERE p.oid = routine AND u.place IS DISTINCT FROM velodrome.mark_place(p.proargtypes)
$$;
CREATE OR REPLACE FUNCTION velodrome.shown_routines(of_kind "char", schema text)
RETURNS TABLE (routine oid, schema_name varchar, routine_name varchar, arguments int, argument_list varchar, return_type varchar, remarks varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid, n.nspname::varchar, p.proname::varchar, a.count::int, coalesce(a.given, '')::varchar,
        (CASE WHEN p.prokind = 'p' THEN a.taken ELSE format_type(p.prorettype, NULL) END)::varchar, obj_description(p.oid, 'pg_proc')::varchar
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, LATERAL (
        SELECT count(*) FILTER (WHERE mode IN ('IN', 'INOUT')),
            string_agg(format_type(type, NULL), ', ' ORDER BY place) FILTER (WHERE mode IN ('IN', 'INOUT')) AS given,
            string_agg(format_type(type, NULL), ', ' ORDER BY place) FILTER (WHERE mode IN ('OUT', 'INOUT')) AS taken
        FROM velodrome.routine_arguments(p.oid)
    ) a
    WHERE p.prokind = of_kind AND (schema IS NULL OR n.nspname = schema) AND n.nspname NOT IN ('velodrome', 'information_schema', 'pg_catalog')
    AND (velodrome.is_superuser() OR pg_has_role(p.proowner, 'USAGE') OR (has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')))
    ORDER BY 2, 3, 5
$$;
CREATE OR REPLACE FUNCTION velodrome.show_procedures(database text, schema text)
RETURNS TABLE (database_name varchar, schema_name varchar, procedure_name varchar, number_of_arguments int, argument_list varchar, return_type varchar, remarks varchar)
LANGUAGE sql STABLE AS $$
    SELECT velodrome.this_database(database), schema_name, routine_name, arguments, argument_list, return_type, remarks FROM velodrome.shown_routines('p', schema)
$$;
CREATE OR REPLACE FUNCTION velodrome.show_functions(database text, schema text)
RETURNS TABLE (database_name varchar, schema_name varchar, function_name varchar, number_of_arguments int, argument_list varchar, return_type varchar, remarks varchar)
LANGUAGE sql STABLE AS $$
    SELECT velodrome.this_database(database), schema_name, routine_name, arguments, argument_list, return_type, remarks FROM velodrome.shown_routines('f', schema)
$$;

-- A routine by its name and its arguments' types; without these, the only one of that name.
CREATE OR REPLACE FUNCTION velodrome.shown_routine(kind "char", database text, schema text, name text, types text[]) RETURNS oid LANGUAGE plpgsql STABLE AS $$
DECLARE
    wanted text := (SELECT string_agg(format_type(to_regtype(t), NULL), ', ' ORDER BY place) FROM unnest(types) WITH ORDINALITY u (t, place));
    found oid[] := ARRAY(SELECT routine FROM velodrome.shown_routines(kind, schema) r WHERE r.routine_name = name
        AND (schema IS NOT NULL OR pg_function_is_visible(routine)) AND (types IS NULL OR r.argument_list = coalesce(wanted, '')));
BEGIN
    PERFORM velodrome.this_database(database);
    IF cardinality(found) <> 1 THEN
        RAISE EXCEPTION '% "%" %', CASE kind WHEN 'p' THEN 'procedure' ELSE 'function' END, name || coalesce('(' || coalesce(wanted, '') || ')', ''),
            CASE cardinality(found) WHEN 0 THEN 'does not exist' ELSE 'is not unique' END USING ERRCODE = CASE cardinality(found) WHEN 0 THEN '42883' ELSE '42725' END;
    END IF;
    RETURN found[1];
END $$;

CREATE OR REPLACE FUNCTION velodrome.routine_parameters(routine oid)
RETURNS TABLE (database_name varchar, schema_name varchar, routine_name varchar, parameter_name varchar, ordinal_position int, parameter_type varchar,
    data_type varchar, character_maximum_length int, numeric_precision int, numeric_scale int)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT current_database()::varchar, n.nspname::varchar, p.proname::varchar, a.name::varchar, a.place, a.mode::varchar, format_type(a.type, NULL)::varchar,
        CASE WHEN a.type IN ('varchar'::regtype, 'bpchar'::regtype) THEN (s.size ->> 0)::int END,
        coalesce(CASE WHEN a.type = 'numeric'::regtype THEN (s.size ->> 0)::int END, information_schema._pg_numeric_precision(a.type, -1)),
        coalesce(CASE WHEN a.type = 'numeric'::regtype AND s.size ->> 0 IS NOT NULL THEN coalesce((s.size ->> 1)::int, 0) END, information_schema._pg_numeric_scale(a.type, -1))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, velodrome.routine_arguments(p.oid) a,
    -- A function forgets the sizes of its arguments, as on Redshift.
    LATERAL (SELECT (SELECT r.sizes -> (a.place - 1) FROM velodrome.routine_notes r WHERE r.routine = p.oid AND p.prokind = 'p') AS size) s
    WHERE p.oid = routine
    UNION ALL
    SELECT current_database()::varchar, n.nspname::varchar, p.proname::varchar, ''::varchar, 0, 'RETURN'::varchar, format_type(p.prorettype, NULL)::varchar,
        NULL::int, information_schema._pg_numeric_precision(p.prorettype, -1)::int, information_schema._pg_numeric_scale(p.prorettype, -1)::int
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = routine AND p.prokind = 'f'
    ORDER BY 5
$$;
CREATE OR REPLACE FUNCTION velodrome.show_procedure_parameters(database text, schema text, name text, types text[])
RETURNS TABLE (database_name varchar, schema_name varchar, procedure_name varchar, parameter_name varchar, ordinal_position int, parameter_type varchar,
    data_type varchar, character_maximum_length int, numeric_precision int, numeric_scale int)
LANGUAGE sql STABLE AS $$ SELECT * FROM velodrome.routine_parameters(velodrome.shown_routine('p', database, schema, name, types)) $$;
CREATE OR REPLACE FUNCTION velodrome.show_function_parameters(database text, schema text, name text, types text[])
RETURNS TABLE (database_name varchar, schema_name varchar, function_name varchar, parameter_name varchar, ordinal_position int, parameter_type varchar,
    data_type varchar, character_maximum_length int, numeric_precision int, numeric_scale int)
LANGUAGE sql STABLE AS $$ SELECT * FROM velodrome.routine_parameters(velodrome.shown_routine('f', database, schema, name, types)) $$;

-- Grants, one row per grantee and privilege. Groups are roles inside whose names begin with "group ".
CREATE OR REPLACE FUNCTION velodrome.grants(list aclitem[], object_type text, scope text)
RETURNS TABLE (object_type varchar, privilege_type varchar, identity_id int, identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT object_type::varchar, a.privilege_type::varchar, a.grantee::int,
        (CASE WHEN a.grantee = 0 THEN 'public' WHEN starts_with(r.rolname, 'group ') THEN substr(r.rolname, 7) ELSE r.rolname END)::varchar,
        k.kind::varchar, a.is_grantable, scope::varchar, pg_get_userbyid(a.grantor)::varchar
    FROM aclexplode(list) a LEFT JOIN pg_roles r ON r.oid = a.grantee, LATERAL (
        SELECT CASE WHEN a.grantee = 0 THEN 'public' WHEN starts_with(r.rolname, 'group ') THEN 'group' WHEN r.rolcanlogin THEN 'user' ELSE 'role' END AS kind
    ) k
    WHERE a.grantee <> a.grantor AND (velodrome.is_superuser() OR a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE') OR pg_has_role(a.grantor, 'USAGE'))
    ORDER BY array_position(ARRAY['user', 'group', 'role', 'public'], k.kind), a.grantee, 2
$$;
CREATE OR REPLACE FUNCTION velodrome.show_all_grants(database text, only_relation oid DEFAULT NULL)
RETURNS TABLE (database_name varchar, schema_name varchar, object_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT velodrome.this_database(database), r.schema_name, r.table_name, g.* FROM velodrome.shown_relations() r JOIN pg_class c ON c.oid = r.relid,
    velodrome.grants(c.relacl, CASE WHEN c.relkind IN ('v', 'm') THEN 'VIEW' ELSE 'TABLE' END, 'TABLE') g
    WHERE only_relation IS NULL OR c.oid = only_relation
    ORDER BY 2, 3, array_position(ARRAY['user', 'group', 'role', 'public'], g.identity_type::text), g.identity_id, g.privilege_type
$$;
CREATE OR REPLACE FUNCTION velodrome.show_grants_on_table(database text, schema text, relation text)
RETURNS TABLE (database_name varchar, schema_name varchar, object_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE AS $$ SELECT * FROM velodrome.show_all_grants(database, velodrome.listed_relation(database, schema, relation)) $$;
CREATE OR REPLACE FUNCTION velodrome.show_grants_on_schema(database text, schema text)
RETURNS TABLE (database_name varchar, schema_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT velodrome.this_database(database), n.nspname::varchar, g.* FROM pg_namespace n, velodrome.grants(n.nspacl, 'SCHEMA', 'SCHEMA') g WHERE n.nspname = schema
$$;
CREATE OR REPLACE FUNCTION velodrome.show_grants_on_database(database text)
RETURNS TABLE (database_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.datname::varchar, g.object_type, CASE g.privilege_type WHEN 'TEMPORARY' THEN 'TEMP' WHEN 'CONNECT' THEN 'USAGE' ELSE g.privilege_type END::varchar,
        g.identity_id, g.identity_name, g.identity_type, g.admin_option, g.privilege_scope, g.grantor_name
    FROM pg_database d, velodrome.grants(d.datacl, 'DATABASE', 'DATABASE') g WHERE d.datname = (SELECT velodrome.check_database(x.datname) FROM pg_database x WHERE x.datname = database)
$$;
CREATE OR REPLACE FUNCTION velodrome.routine_grants(routine oid, kind text)
RETURNS TABLE (database_name varchar, schema_name varchar, object_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT current_database()::varchar, n.nspname::varchar, format('%s(%s)', p.proname, oidvectortypes(velodrome.signature(p.prokind, p.proargtypes, p.pronargdefaults)))::varchar, g.*
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, velodrome.grants(coalesce(p.proacl, acldefault('f', p.proowner)), kind, kind) g WHERE p.oid = routine
$$;
CREATE OR REPLACE FUNCTION velodrome.show_grants_on_function(database text, schema text, name text, types text[])
RETURNS TABLE (database_name varchar, schema_name varchar, object_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE AS $$ SELECT * FROM velodrome.routine_grants(velodrome.shown_routine('f', database, schema, name, types), 'FUNCTION') $$;
CREATE OR REPLACE FUNCTION velodrome.show_grants_on_procedure(database text, schema text, name text, types text[])
RETURNS TABLE (database_name varchar, schema_name varchar, object_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE AS $$ SELECT * FROM velodrome.routine_grants(velodrome.shown_routine('p', database, schema, name, types), 'PROCEDURE') $$;
-- SHOW GRANTS FOR …: what somebody holds on relations, schemas and routines of this database.
CREATE OR REPLACE FUNCTION velodrome.show_grants()
RETURNS TABLE (database_name varchar, schema_name varchar, object_name varchar, object_type varchar, privilege_type varchar, identity_id int,
    identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM velodrome.show_all_grants(NULL)
    UNION ALL
    SELECT current_database()::varchar, n.nspname::varchar, n.nspname::varchar, g.* FROM pg_namespace n, velodrome.grants(n.nspacl, 'SCHEMA', 'SCHEMA') g
    WHERE n.nspname NOT IN ('velodrome', 'pg_catalog', 'information_schema', 'pg_toast')
    UNION ALL
    SELECT g.* FROM velodrome.shown_routines('f', NULL) r, velodrome.routine_grants(r.routine, 'FUNCTION') g
    UNION ALL
    SELECT g.* FROM velodrome.shown_routines('p', NULL) r, velodrome.routine_grants(r.routine, 'PROCEDURE') g
    ORDER BY 2, 3, 7, 5
$$;
CREATE OR REPLACE FUNCTION velodrome.show_column_grants(database text, schema text, relation text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, column_name varchar, object_type varchar, privilege_type varchar,
    identity_id int, identity_name varchar, identity_type varchar, admin_option boolean, privilege_scope varchar, grantor_name varchar)
LANGUAGE sql STABLE AS $$
    SELECT current_database()::varchar, n.nspname::varchar, c.relname::varchar, a.attname::varchar, g.*
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0,
    velodrome.grants(a.attacl, 'COLUMN', 'COLUMN') g WHERE c.oid = velodrome.listed_relation(database, schema, relation) ORDER BY a.attnum
$$;

-- What a constraint is called that was given no name.
CREATE OR REPLACE FUNCTION velodrome.usual_constraint_name(relation name, kind text, columns text[]) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE kind WHEN 'primary key' THEN relation || '_pkey' WHEN 'foreign key' THEN relation || '_' || columns[1] || '_fkey'
    ELSE relation || '_' || array_to_string(columns, '_') || '_key' END;
CREATE OR REPLACE FUNCTION velodrome.table_definition(relation oid) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'CREATE TABLE %s (\n    %s\n)\nDISTSTYLE %s%s;', velodrome.relation_name(c.oid),
        (SELECT string_agg(line, E',\n    ' ORDER BY rank, place) FROM (
            SELECT 0 AS rank, a.attnum::int AS place, concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                CASE WHEN velodrome.is_not_null(a) THEN 'NOT NULL' END,
                CASE WHEN a.attidentity = '' THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE (
                    SELECT format(CASE a.attidentity WHEN 'a' THEN 'identity(%s,%s)' ELSE 'GENERATED BY DEFAULT AS IDENTITY(%s,%s)' END, seqstart, seqincrement)
                    FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence(velodrome.relation_name(a.attrelid), a.attname)::regclass) END,
                'ENCODE ' || replace(nullif(velodrome.shown_encoding(c.oid, a.attname::text, a.atttypid), CASE WHEN a.attname = ANY (t.sortkey_columns) THEN 'none' END), 'none', 'raw'),
                CASE WHEN t.distkey = a.attname THEN 'distkey' END,
                CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype, 'text'::regtype) THEN 'COLLATE case_sensitive' END) AS line
            FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT 1, row_number() OVER ()::int, concat_ws(' ', 'CONSTRAINT ' || quote_ident(nullif(k.name, velodrome.usual_constraint_name(c.relname, k.kind, k.columns))), upper(k.kind), '(' || velodrome.name_list(k.columns) || ')',
                'REFERENCES ' || replace(velodrome.name_list(k.referenced_table), ', ', '.') || coalesce('(' || velodrome.name_list(k.referenced_columns) || ')', ''))
            FROM velodrome.constraint_notes k WHERE k.relid = c.oid
        ) lines),
        upper(coalesce(t.diststyle, 'auto')),
        CASE WHEN t.sortkey_style = 'auto' THEN E'\nSORTKEY AUTO' WHEN t.sortkey_columns <> '{}' THEN
            format(E'\n%sSORTKEY ( %s )', CASE t.sortkey_style WHEN 'interleaved' THEN 'INTERLEAVED ' END, velodrome.name_list(t.sortkey_columns)) END)
    FROM pg_class c LEFT JOIN velodrome.table_notes t ON t.relid = c.oid WHERE c.oid = relation
$$;
CREATE OR REPLACE FUNCTION velodrome.show_table(database text, schema text, relation text) RETURNS TABLE ("Show Table DDL statement" varchar)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found oid := velodrome.shown_relation(database, schema, relation);
BEGIN
    IF (SELECT relkind FROM pg_catalog.pg_class WHERE oid = found) NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '"%" is not a table', relation USING ERRCODE = '42809';
    END IF;
    RETURN QUERY SELECT velodrome.table_definition(found)::varchar;
END $$;
CREATE OR REPLACE FUNCTION velodrome.show_view(database text, schema text, relation text) RETURNS TABLE ("Show View DDL statement" varchar)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found oid := velodrome.shown_relation(database, schema, relation);
    kind "char" := (SELECT relkind FROM pg_catalog.pg_class WHERE oid = found);
    text text := velodrome.view_definition(found, NULL);
BEGIN
    IF kind NOT IN ('v', 'm') THEN
        RAISE EXCEPTION '"%" is not a view', relation USING ERRCODE = '42809';
    END IF;
    RETURN QUERY SELECT (CASE WHEN EXISTS (SELECT FROM velodrome.late_binding_views WHERE relid = found)
            OR EXISTS (SELECT FROM velodrome.materialized_views WHERE relid = found AND source IS NOT NULL) THEN text
        ELSE format(E'CREATE %s %s AS\n%s', CASE kind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'OR REPLACE VIEW' END, velodrome.relation_name(found), ltrim(text)) END)::varchar;
END $$;
CREATE OR REPLACE FUNCTION velodrome.show_procedure(database text, schema text, name text, types text[]) RETURNS TABLE ("Stored Procedure Definition" varchar)
LANGUAGE sql STABLE SET standard_conforming_strings = on AS $$
    SELECT pg_catalog.format(E'CREATE OR REPLACE PROCEDURE %I.%I(%s)\nLANGUAGE %s%s\nAS $_$%s$_$', n.nspname, p.proname,
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', nullif(a.mode, 'IN'), nullif(pg_catalog.quote_ident(a.name), '""'), pg_catalog.format_type(a.type, NULL)), ', ' ORDER BY place)
            FROM velodrome.routine_arguments(p.oid) a),
        l.lanname, CASE WHEN p.prosecdef THEN ' SECURITY DEFINER' END, coalesce(r.body, p.prosrc))::varchar
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN velodrome.routine_notes r ON r.routine = p.oid
    WHERE p.oid = velodrome.shown_routine('p', database, schema, name, types)
$$;
