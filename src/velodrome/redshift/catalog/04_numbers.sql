-- Functions of numbers whose types or values differ from PostgreSQL's.

-- ROUND, TRUNC, CEIL and FLOOR keep the argument's type: https://docs.aws.amazon.com/redshift/latest/dg/r_ROUND.html,
-- …/r_TRUNC.html, …/r_CEILING_FLOOR.html
DO $$
DECLARE
    type text;
    name text;
BEGIN
    FOREACH type IN ARRAY ARRAY['smallint', 'int', 'bigint'] LOOP
        FOREACH name IN ARRAY ARRAY['round', 'trunc', 'ceil', 'ceiling', 'floor'] LOOP
            EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.%s(value %2$s) RETURNS %2$s LANGUAGE sql IMMUTABLE STRICT RETURN value', name, type);
        END LOOP;
        FOREACH name IN ARRAY ARRAY['round', 'trunc'] LOOP
            EXECUTE format(
                'CREATE OR REPLACE FUNCTION pg_catalog.%s(value %2$s, places int) RETURNS %2$s LANGUAGE sql IMMUTABLE STRICT
                RETURN pg_catalog.%1$s(value::numeric, places)::%2$s', name, type
            );
        END LOOP;
    END LOOP;
    FOREACH type IN ARRAY ARRAY['real', 'double precision'] LOOP
        FOREACH name IN ARRAY ARRAY['round', 'trunc'] LOOP
            EXECUTE format(
                'CREATE OR REPLACE FUNCTION pg_catalog.%s(value %2$s, places int) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT
                RETURN CASE WHEN value IN (''Infinity'', ''-Infinity'', ''NaN'') THEN value ELSE pg_catalog.%1$s(value::numeric, places)::double precision END',
                name, type
            );
        END LOOP;
    END LOOP;
END $$;

-- These are of DOUBLE PRECISION whatever they are given: r_LOG.html, r_LN.html, r_EXP.html, r_SQRT.html, r_POWER.html,
-- r_DLOG1.html, r_DLOG10.html, r_DEXP.html
CREATE OR REPLACE FUNCTION velodrome.log(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.log(value);
CREATE OR REPLACE FUNCTION velodrome.ln(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.ln(value);
CREATE OR REPLACE FUNCTION velodrome.exp(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.exp(value);
CREATE OR REPLACE FUNCTION velodrome.sqrt(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.sqrt(value);
CREATE OR REPLACE FUNCTION velodrome.power(value double precision, exponent double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.power(value, exponent);
CREATE OR REPLACE FUNCTION pg_catalog.dlog1(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.ln(value);
CREATE OR REPLACE FUNCTION pg_catalog.dlog10(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.log(value);
CREATE OR REPLACE FUNCTION pg_catalog.dexp(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.exp(value);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_VARIANCE_functions.html, …/r_STDDEV_functions.html
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['stddev', 'stddev_samp', 'stddev_pop', 'variance', 'var_samp', 'var_pop'] LOOP
        EXECUTE format(
            'CREATE OR REPLACE AGGREGATE velodrome.%s(double precision) (SFUNC = float8_accum, STYPE = float8[], FINALFUNC = float8_%s, INITCOND = ''{0,0,0}'', COMBINEFUNC = float8_combine, PARALLEL = SAFE)',
            name, CASE name WHEN 'stddev' THEN 'stddev_samp' WHEN 'variance' THEN 'var_samp' ELSE name END
        );
    END LOOP;
END $$;

-- A quotient with the digits behind the point that Redshift's rule says, which PostgreSQL has no type for:
-- https://docs.aws.amazon.com/redshift/latest/dg/r_numeric_computations201.html
CREATE OR REPLACE FUNCTION velodrome.quotient(value numeric, divisor numeric, places int) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT
RETURN pg_catalog.trunc(pg_catalog.round(value, greatest(places + 1, pg_catalog.scale(value))) / divisor, places);

-- MEDIAN, also over a window: https://docs.aws.amazon.com/redshift/latest/dg/r_MEDIAN.html (of an integer: one place)
CREATE OR REPLACE FUNCTION velodrome.middle(found double precision[]) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT
RETURN (SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY each) FROM pg_catalog.unnest(found) AS each);
CREATE OR REPLACE FUNCTION velodrome.middle(found numeric[]) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT
RETURN (
    SELECT (max(each) FILTER (WHERE place = (size + 1) / 2) + max(each) FILTER (WHERE place = size / 2 + 1)) * 0.5
    FROM (SELECT each, row_number() OVER (ORDER BY each) AS place, count(*) OVER () AS size FROM pg_catalog.unnest(found) AS each WHERE each IS NOT NULL) AS sorted
);
CREATE OR REPLACE FUNCTION velodrome.middle(found smallint[]) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT RETURN velodrome.middle(found::numeric[]);
CREATE OR REPLACE FUNCTION velodrome.middle(found int[]) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT RETURN velodrome.middle(found::numeric[]);
CREATE OR REPLACE FUNCTION velodrome.middle(found bigint[]) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT RETURN velodrome.middle(found::numeric[]);
CREATE OR REPLACE FUNCTION velodrome.middle(found real[]) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT RETURN velodrome.middle(found::float8[]);
CREATE OR REPLACE FUNCTION velodrome.middle(found timestamp[]) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
RETURN timestamp 'epoch' + (SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY each - timestamp 'epoch') FROM pg_catalog.unnest(found) AS each);
CREATE OR REPLACE FUNCTION velodrome.middle(found timestamptz[]) RETURNS timestamptz LANGUAGE sql STABLE STRICT
RETURN timestamptz 'epoch' + (SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY each - timestamptz 'epoch') FROM pg_catalog.unnest(found) AS each);
DO $$
DECLARE
    type text;
BEGIN
    FOREACH type IN ARRAY ARRAY['smallint', 'int', 'bigint', 'real', 'double precision', 'numeric', 'timestamp', 'timestamptz'] LOOP
        EXECUTE format('CREATE OR REPLACE AGGREGATE velodrome.median(%1$s) (SFUNC = pg_catalog.array_append, STYPE = %1$s[], FINALFUNC = velodrome.middle)', type);
    END LOOP;
END $$;

-- PERCENTILE_CONT and PERCENTILE_DISC over a window: https://docs.aws.amazon.com/redshift/latest/dg/r_WF_PERCENTILE_CONT.html
CREATE OR REPLACE FUNCTION velodrome.percentile(found float8[], value float8, fraction float8) RETURNS float8[] LANGUAGE sql IMMUTABLE
RETURN CASE WHEN found IS NULL THEN ARRAY[fraction, value] ELSE pg_catalog.array_append(found, value) END;
CREATE OR REPLACE FUNCTION velodrome.percentile_between(found float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT
RETURN (SELECT pg_catalog.percentile_cont(found[1]) WITHIN GROUP (ORDER BY each) FROM pg_catalog.unnest(found[2:]) AS each);
CREATE OR REPLACE FUNCTION velodrome.percentile_there(found float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT
RETURN (SELECT pg_catalog.percentile_disc(found[1]) WITHIN GROUP (ORDER BY each) FROM pg_catalog.unnest(found[2:]) AS each);
CREATE OR REPLACE AGGREGATE velodrome.percentile_cont(float8, float8) (SFUNC = velodrome.percentile, STYPE = float8[], FINALFUNC = velodrome.percentile_between);
CREATE OR REPLACE AGGREGATE velodrome.percentile_disc(float8, float8) (SFUNC = velodrome.percentile, STYPE = float8[], FINALFUNC = velodrome.percentile_there);
