-- Redshift's functions, as functions of the server inside. Those in pg_catalog are found whatever the search path is;
-- those in velodrome are called by the gateway in place of PostgreSQL's function of the same name.
CREATE SCHEMA IF NOT EXISTS velodrome;
GRANT USAGE ON SCHEMA velodrome TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_VERSION.html
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE
RETURN 'PostgreSQL 8.0.2 on x86_64-unknown-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.0';

-- Without fractions of a second: https://docs.aws.amazon.com/redshift/latest/dg/r_GETDATE.html
CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
RETURN pg_catalog.date_trunc('second', pg_catalog.statement_timestamp()::timestamp);

-- Of the transaction's start, with fractions: https://docs.aws.amazon.com/redshift/latest/dg/r_SYSDATE.html
CREATE OR REPLACE FUNCTION pg_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE
RETURN pg_catalog.now()::timestamp;

-- Full names for the abbreviations of
-- https://docs.aws.amazon.com/redshift/latest/dg/r_Dateparts_for_datetime_functions.html
CREATE OR REPLACE FUNCTION velodrome.date_part_name(part text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN CASE
    WHEN lower(part) IN ('millennium', 'millennia', 'mil', 'mils') THEN 'millennium'
    WHEN lower(part) IN ('century', 'centuries', 'c', 'cent', 'cents') THEN 'century'
    WHEN lower(part) IN ('decade', 'decades', 'dec', 'decs') THEN 'decade'
    WHEN lower(part) IN ('year', 'years', 'y', 'yr', 'yrs') THEN 'year'
    WHEN lower(part) IN ('quarter', 'quarters', 'qtr', 'qtrs') THEN 'quarter'
    WHEN lower(part) IN ('month', 'months', 'mon', 'mons') THEN 'month'
    WHEN lower(part) IN ('week', 'weeks', 'w') THEN 'week'
    WHEN lower(part) IN ('day', 'days', 'd') THEN 'day'
    WHEN lower(part) IN ('dayofyear', 'doy', 'dy', 'yearday') THEN 'doy'
    WHEN lower(part) IN ('dayofweek', 'dow', 'dw', 'weekday') THEN 'dow'
    WHEN lower(part) IN ('hour', 'hours', 'h', 'hr', 'hrs') THEN 'hour'
    WHEN lower(part) IN ('minute', 'minutes', 'm', 'min', 'mins') THEN 'minute'
    WHEN lower(part) IN ('second', 'seconds', 's', 'sec', 'secs') THEN 'second'
    WHEN lower(part) IN ('millisecond', 'milliseconds', 'ms', 'msec', 'msecs', 'msecond', 'mseconds', 'millisec', 'millisecs', 'millisecon') THEN 'millisecond'
    WHEN lower(part) IN ('microsecond', 'microseconds', 'microsec', 'microsecs', 'usecond', 'useconds', 'us', 'usec', 'usecs') THEN 'microsecond'
    ELSE lower(part)
END;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEADD_function.html: months are cut at the target month's last day;
-- a DATE argument gives a TIMESTAMP.
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, value timestamp) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN CASE velodrome.date_part_name(part)
        WHEN 'millennium' THEN value + make_interval(years => (amount * 1000)::int)
        WHEN 'century' THEN value + make_interval(years => (amount * 100)::int)
        WHEN 'decade' THEN value + make_interval(years => (amount * 10)::int)
        WHEN 'year' THEN value + make_interval(years => amount::int)
        WHEN 'quarter' THEN value + make_interval(months => (amount * 3)::int)
        WHEN 'month' THEN value + make_interval(months => amount::int)
        WHEN 'week' THEN value + make_interval(days => (amount * 7)::int)
        WHEN 'day' THEN value + make_interval(days => amount::int)
        WHEN 'doy' THEN value + make_interval(days => amount::int)
        WHEN 'dow' THEN value + make_interval(days => amount::int)
        WHEN 'hour' THEN value + amount * interval '1 hour'
        WHEN 'minute' THEN value + amount * interval '1 minute'
        WHEN 'second' THEN value + amount * interval '1 second'
        WHEN 'millisecond' THEN value + amount * interval '1 millisecond'
        WHEN 'microsecond' THEN value + amount * interval '1 microsecond'
        ELSE velodrome.no_date_part(part)::timestamp
    END;
END $$;

CREATE OR REPLACE FUNCTION velodrome.no_date_part(part text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION 'date part "%" is not supported', part USING ERRCODE = '22023';
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, value date) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.dateadd(part, amount, value::timestamp);
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, value timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE STRICT RETURN pg_catalog.dateadd(part, amount, value::timestamp)::timestamptz;

-- Counts the boundaries that are crossed: https://docs.aws.amazon.com/redshift/latest/dg/r_DATEDIFF_function.html
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, first timestamp, last timestamp) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    unit text := velodrome.date_part_name(part);
    years bigint := extract(year FROM last) - extract(year FROM first);
BEGIN
    RETURN CASE unit
        WHEN 'millennium' THEN extract(millennium FROM last) - extract(millennium FROM first)
        WHEN 'century' THEN extract(century FROM last) - extract(century FROM first)
        WHEN 'decade' THEN extract(decade FROM last) - extract(decade FROM first)
        WHEN 'year' THEN years
        WHEN 'quarter' THEN years * 4 + extract(quarter FROM last) - extract(quarter FROM first)
        WHEN 'month' THEN years * 12 + extract(month FROM last) - extract(month FROM first)
        -- A week begins on Sunday here, unlike in DATE_TRUNC.
        WHEN 'week' THEN ((last::date - extract(dow FROM last)::int) - (first::date - extract(dow FROM first)::int)) / 7
        WHEN 'day' THEN last::date - first::date
        WHEN 'doy' THEN last::date - first::date
        WHEN 'dow' THEN last::date - first::date
        WHEN 'hour' THEN extract(epoch FROM date_trunc('hour', last) - date_trunc('hour', first))::bigint / 3600
        WHEN 'minute' THEN extract(epoch FROM date_trunc('minute', last) - date_trunc('minute', first))::bigint / 60
        WHEN 'second' THEN extract(epoch FROM date_trunc('second', last) - date_trunc('second', first))::bigint
        WHEN 'millisecond' THEN (extract(epoch FROM date_trunc('millisecond', last) - date_trunc('millisecond', first)) * 1000)::bigint
        WHEN 'microsecond' THEN (extract(epoch FROM last - first) * 1000000)::bigint
        ELSE velodrome.no_date_part(part)::bigint
    END;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, first timestamptz, last timestamptz) RETURNS bigint
LANGUAGE sql STABLE STRICT RETURN pg_catalog.datediff(part, first::timestamp, last::timestamp);
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, first date, last date) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.datediff(part, first::timestamp, last::timestamp);

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATE_TRUNC.html: a DATE argument gives a TIMESTAMP
CREATE OR REPLACE FUNCTION velodrome.date_trunc(part text, value timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.date_trunc(velodrome.date_part_name(part), value);
CREATE OR REPLACE FUNCTION velodrome.date_trunc(part text, value timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE STRICT RETURN pg_catalog.date_trunc(velodrome.date_part_name(part), value);
CREATE OR REPLACE FUNCTION velodrome.date_trunc(part text, value date) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.date_trunc(velodrome.date_part_name(part), value::timestamp);

-- The last day of a month stays the last day: https://docs.aws.amazon.com/redshift/latest/dg/r_ADD_MONTHS.html
CREATE OR REPLACE FUNCTION pg_catalog.last_day(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT
RETURN (pg_catalog.date_trunc('month', value) + interval '1 month' - interval '1 day')::date;
CREATE OR REPLACE FUNCTION pg_catalog.add_months(value timestamp, months bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
RETURN CASE
    WHEN value::date = pg_catalog.last_day(value)
    THEN pg_catalog.last_day(value + make_interval(months => months::int)) + value::time
    ELSE value + make_interval(months => months::int)
END;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_MONTHS_BETWEEN_function.html
CREATE OR REPLACE FUNCTION pg_catalog.months_between(first timestamp, last timestamp) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT
RETURN (extract(year FROM first) - extract(year FROM last)) * 12 + extract(month FROM first) - extract(month FROM last)
    + CASE
        WHEN extract(day FROM first) = extract(day FROM last)
            OR (first::date = pg_catalog.last_day(first) AND last::date = pg_catalog.last_day(last)) THEN 0
        ELSE (extract(day FROM first) - extract(day FROM last)) / 31.0
    END;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNC_date.html
CREATE OR REPLACE FUNCTION pg_catalog.trunc(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT RETURN value::date;

-- https://docs.aws.amazon.com/redshift/latest/dg/CONVERT_TIMEZONE.html
CREATE OR REPLACE FUNCTION pg_catalog.convert_timezone(source text, target text, value timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT RETURN value AT TIME ZONE source AT TIME ZONE target;
CREATE OR REPLACE FUNCTION pg_catalog.convert_timezone(target text, value timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT RETURN value AT TIME ZONE 'UTC' AT TIME ZONE target;

-- Strings: LEN counts characters without a CHAR's trailing blanks (r_LEN.html), CHARINDEX has its arguments the other
-- way round (r_CHARINDEX.html), CONCAT takes two and is NULL if one is (r_CONCAT.html).
CREATE OR REPLACE FUNCTION pg_catalog.len(value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.length(value);
CREATE OR REPLACE FUNCTION pg_catalog.charindex(part text, value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN pg_catalog.strpos(value, part);
CREATE OR REPLACE FUNCTION velodrome.concat(first text, last text) RETURNS text LANGUAGE sql IMMUTABLE STRICT RETURN first || last;

-- Every match is replaced: https://docs.aws.amazon.com/redshift/latest/dg/REGEXP_REPLACE.html
CREATE OR REPLACE FUNCTION velodrome.regexp_replace(value text, pattern text, replacement text DEFAULT '') RETURNS text
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.regexp_replace(value, pattern, replacement, 'g');
CREATE OR REPLACE FUNCTION velodrome.regexp_replace(value text, pattern text, replacement text, start int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.regexp_replace(value, pattern, replacement, start, 0);

-- https://docs.aws.amazon.com/redshift/latest/dg/SHA2.html
CREATE OR REPLACE FUNCTION pg_catalog.sha2(value text, bits int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN CASE bits
        WHEN 0 THEN encode(sha256(convert_to(value, 'UTF8')), 'hex')
        WHEN 224 THEN encode(sha224(convert_to(value, 'UTF8')), 'hex')
        WHEN 256 THEN encode(sha256(convert_to(value, 'UTF8')), 'hex')
        WHEN 384 THEN encode(sha384(convert_to(value, 'UTF8')), 'hex')
        WHEN 512 THEN encode(sha512(convert_to(value, 'UTF8')), 'hex')
    END;
END $$;

-- AVG of integers is a BIGINT, cut and not rounded: https://docs.aws.amazon.com/redshift/latest/dg/r_AVG.html
CREATE OR REPLACE FUNCTION velodrome.integer_average(state bigint[]) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN state[1] = 0 THEN NULL ELSE state[2] / state[1] END;
CREATE OR REPLACE FUNCTION velodrome.bigint_add(state numeric[], value bigint) RETURNS numeric[] LANGUAGE sql IMMUTABLE STRICT
RETURN ARRAY[state[1] + 1, state[2] + value];
CREATE OR REPLACE FUNCTION velodrome.bigint_average(state numeric[]) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN state[1] = 0 THEN NULL ELSE trunc(state[2] / state[1])::bigint END;
CREATE OR REPLACE AGGREGATE velodrome.avg(smallint) (SFUNC = int2_avg_accum, STYPE = bigint[], FINALFUNC = velodrome.integer_average, INITCOND = '{0,0}');
CREATE OR REPLACE AGGREGATE velodrome.avg(int) (SFUNC = int4_avg_accum, STYPE = bigint[], FINALFUNC = velodrome.integer_average, INITCOND = '{0,0}');
CREATE OR REPLACE AGGREGATE velodrome.avg(bigint) (SFUNC = velodrome.bigint_add, STYPE = numeric[], FINALFUNC = velodrome.bigint_average, INITCOND = '{0,0}');
CREATE OR REPLACE AGGREGATE velodrome.avg(numeric) (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg);
CREATE OR REPLACE AGGREGATE velodrome.avg(real) (SFUNC = float4_accum, STYPE = float8[], FINALFUNC = float8_avg, INITCOND = '{0,0,0}');
CREATE OR REPLACE AGGREGATE velodrome.avg(double precision) (SFUNC = float8_accum, STYPE = float8[], FINALFUNC = float8_avg, INITCOND = '{0,0,0}');
