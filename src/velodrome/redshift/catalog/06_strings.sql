-- Functions of strings whose values differ from PostgreSQL's, and how strings are compared.

-- Trailing blanks are insignificant in comparisons of CHAR and VARCHAR alike, in joins, groups and sorts too:
-- https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html#r_Character_types-significance-of-trailing-blanks
-- PostgreSQL compares CHAR so, by functions that its other strings get here.
UPDATE pg_catalog.pg_operator SET oprcode = ('pg_catalog.' || CASE oprname
    WHEN '=' THEN 'bpchareq' WHEN '<>' THEN 'bpcharne' WHEN '<' THEN 'bpcharlt' WHEN '<=' THEN 'bpcharle'
    WHEN '>' THEN 'bpchargt' WHEN '>=' THEN 'bpcharge' END)::regproc
WHERE oprleft = 'text'::regtype AND oprright = 'text'::regtype AND oprname IN ('=', '<>', '<', '<=', '>', '>=')
    AND oprcode::text NOT LIKE '%bpchar%';
UPDATE pg_catalog.pg_amproc SET amproc = (CASE amprocnum WHEN 1 THEN 'pg_catalog.bpcharcmp' ELSE 'pg_catalog.bpchar_sortsupport' END)::regproc
WHERE amproclefttype = 'text'::regtype AND amprocrighttype = 'text'::regtype AND amprocnum IN (1, 2) AND amproc::text NOT LIKE '%bpchar%'
    AND amprocfamily = (SELECT oid FROM pg_catalog.pg_opfamily WHERE opfname = 'text_ops' AND opfmethod = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'btree'));
UPDATE pg_catalog.pg_amproc SET amproc = (CASE amprocnum WHEN 1 THEN 'pg_catalog.hashbpchar' ELSE 'pg_catalog.hashbpcharextended' END)::regproc
WHERE amproclefttype = 'text'::regtype AND amprocrighttype = 'text'::regtype AND amprocnum IN (1, 2) AND amproc::text NOT LIKE '%bpchar%'
    AND amprocfamily = (SELECT oid FROM pg_catalog.pg_opfamily WHERE opfname = 'text_ops' AND opfmethod = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'hash'));

-- https://docs.aws.amazon.com/redshift/latest/dg/r_LISTAGG.html: at most 65535 bytes; with DISTINCT each value once, in
-- the order of its first
-- (FOUND is PL/pgSQL's own variable)
CREATE OR REPLACE FUNCTION velodrome.listed(list text, value text, delimiter text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF octet_length(list) > 65535 THEN
        RAISE EXCEPTION 'Result size exceeds LISTAGG limit' USING ERRCODE = '54000', DETAIL = 'LISTAGG limit: 65535';
    END IF;
    RETURN CASE WHEN value IS NULL THEN list WHEN list IS NULL THEN value ELSE list || delimiter || value END;
END $$;
CREATE OR REPLACE FUNCTION velodrome.listed(found text, value text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN velodrome.listed(found, value, '');
CREATE OR REPLACE FUNCTION velodrome.list_of(found text) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
RETURN velodrome.listed(found, NULL);
CREATE OR REPLACE FUNCTION velodrome.listed_once(found text[], value text, delimiter text) RETURNS text[] LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN value IS NULL OR value = ANY (found[2:]) THEN found
    WHEN found IS NULL THEN ARRAY[delimiter, value] ELSE pg_catalog.array_append(found, value)
END;
CREATE OR REPLACE FUNCTION velodrome.listed_once(found text[], value text) RETURNS text[] LANGUAGE sql IMMUTABLE
RETURN velodrome.listed_once(found, value, '');
CREATE OR REPLACE FUNCTION velodrome.list_of(found text[]) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
RETURN velodrome.listed(pg_catalog.array_to_string(found[2:], found[1]), NULL);
DO $$
DECLARE
    arguments text;
BEGIN
    FOREACH arguments IN ARRAY ARRAY['text', 'text, text'] LOOP
        EXECUTE format('CREATE OR REPLACE AGGREGATE velodrome.listagg(%s) (SFUNC = velodrome.listed, STYPE = text, FINALFUNC = velodrome.list_of)', arguments);
        EXECUTE format('CREATE OR REPLACE AGGREGATE velodrome.listagg_once(%s) (SFUNC = velodrome.listed_once, STYPE = text[], FINALFUNC = velodrome.list_of)', arguments);
    END LOOP;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_LOWER.html and its neighbours: of a VARCHAR they are VARCHAR
CREATE OR REPLACE FUNCTION velodrome.regexp_replace(value text, pattern text, replacement text, start int, parameters text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.regexp_replace(value, pattern, replacement, start, 0, replace(replace(parameters, 'p', ''), 'e', ''));
CREATE OR REPLACE FUNCTION pg_catalog.strpos(value numeric, part text) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.strpos(value::text, part);
CREATE OR REPLACE FUNCTION pg_catalog.reverse(value numeric) RETURNS text LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.reverse(value::text);
CREATE OR REPLACE FUNCTION pg_catalog.repeat(value numeric, times int) RETURNS text LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.repeat(value::text, times);
