-- What drivers' own queries of the catalog rely on and PostgreSQL has otherwise.

-- An integer is a boolean where one is wanted (WHERE 1):
-- https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html#r_Type_conversion
UPDATE pg_catalog.pg_cast SET castcontext = 'a'
WHERE castsource = 'int'::regtype AND casttarget = 'boolean'::regtype AND castcontext <> 'a';

-- Without a replacement, what matches is taken out, every time:
-- https://docs.aws.amazon.com/redshift/latest/dg/REGEXP_REPLACE.html
CREATE OR REPLACE FUNCTION pg_catalog.regexp_replace(value text, pattern text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN pg_catalog.regexp_replace(value, pattern, '', 'g');
