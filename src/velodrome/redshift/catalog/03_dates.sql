-- Functions of dates and times whose names, types or values differ from PostgreSQL's; the gateway calls them in place of
-- the functions that are written. A literal without a type counts as a timestamp without time zone.

-- The whole number of one part alone: https://docs.aws.amazon.com/redshift/latest/dg/r_EXTRACT_function.html,
-- …/r_Dateparts_for_datetime_functions.html (the first decade is the years 1 to 9)
CREATE OR REPLACE FUNCTION velodrome.part_of(part text, value timestamp) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT
RETURN CASE velodrome.date_part_name(part)
    WHEN 'millisecond' THEN pg_catalog.floor(pg_catalog.date_part('millisecond', value))::int % 1000
    WHEN 'microsecond' THEN pg_catalog.date_part('microsecond', value)::int % 1000
    WHEN 'decade' THEN pg_catalog.date_part('decade', value) + 1
    ELSE pg_catalog.floor(pg_catalog.date_part(velodrome.date_part_name(part), value))
END;
CREATE OR REPLACE FUNCTION velodrome.date_part(part text, value timestamp) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN velodrome.part_of(part, value)::int;
CREATE OR REPLACE FUNCTION velodrome.date_part(part text, value date) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN velodrome.part_of(part, value::timestamp)::int;
CREATE OR REPLACE FUNCTION velodrome.date_part(part text, value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN velodrome.part_of(part, value::timestamp)::int;
CREATE OR REPLACE FUNCTION velodrome.date_part(part text, value timestamptz) RETURNS double precision LANGUAGE sql STABLE STRICT
RETURN CASE
    WHEN lower(part) IN ('epoch', 'timezone', 'timezone_hour', 'timezone_minute') THEN pg_catalog.date_part(part, value)
    ELSE velodrome.part_of(part, value::timestamp)
END;
CREATE OR REPLACE FUNCTION velodrome.date_part(part text, value time) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN CASE velodrome.date_part_name(part)
    WHEN 'millisecond' THEN pg_catalog.floor(pg_catalog.date_part('millisecond', value))::int % 1000
    WHEN 'microsecond' THEN pg_catalog.date_part('microsecond', value)::int % 1000
    ELSE pg_catalog.floor(pg_catalog.date_part(velodrome.date_part_name(part), value))::int
END;
CREATE OR REPLACE FUNCTION velodrome.date_part(part text, value timetz) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN CASE velodrome.date_part_name(part)
    WHEN 'millisecond' THEN pg_catalog.floor(pg_catalog.date_part('millisecond', value))::int % 1000
    WHEN 'microsecond' THEN pg_catalog.date_part('microsecond', value)::int % 1000
    ELSE pg_catalog.floor(pg_catalog.date_part(velodrome.date_part_name(part), value))::int
END;
CREATE OR REPLACE FUNCTION velodrome.date_part(part text, value interval) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN CASE velodrome.date_part_name(part)
    WHEN 'millisecond' THEN pg_catalog.floor(pg_catalog.date_part('millisecond', value))::int % 1000
    WHEN 'microsecond' THEN pg_catalog.date_part('microsecond', value)::int % 1000
    ELSE pg_catalog.floor(pg_catalog.date_part(velodrome.date_part_name(part), value))::int
END;

-- The complete seconds, whatever part of them is asked; the column is called so:
-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATE_PART_function.html
DO $$
DECLARE
    type text;
BEGIN
    FOREACH type IN ARRAY ARRAY['timestamp', 'date', 'text', 'timestamptz', 'time', 'timetz', 'interval'] LOOP
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION velodrome.pgdate_part(part text, value %s) RETURNS double precision LANGUAGE sql %s STRICT
            RETURN CASE WHEN velodrome.date_part_name(part) = ''decade'' THEN pg_catalog.date_part(''decade'', value%s) + 1
            ELSE pg_catalog.date_part(velodrome.date_part_name(part), value%s) END',
            type, CASE WHEN type = 'timestamptz' THEN 'STABLE' ELSE 'IMMUTABLE' END,
            CASE WHEN type IN ('date', 'text') THEN '::timestamp' ELSE '' END,
            CASE WHEN type IN ('date', 'text') THEN '::timestamp' ELSE '' END
        );
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.date_part_year(value date) RETURNS int LANGUAGE sql IMMUTABLE STRICT
RETURN pg_catalog.date_part('year', value)::int;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEADD_function.html: TIME stays TIME
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, value text) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.dateadd(part, amount, value::timestamp);
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, value time) RETURNS time
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.dateadd(part, amount, date '2000-01-01' + value)::time;
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, value timetz) RETURNS timetz
LANGUAGE sql IMMUTABLE STRICT RETURN value + (pg_catalog.dateadd(part, amount, timestamp '2000-01-01') - timestamp '2000-01-01');

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEDIFF_function.html
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, first text, last text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.datediff(part, first::timestamp, last::timestamp);
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, first time, last time) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT RETURN pg_catalog.datediff(part, date '2000-01-01' + first, date '2000-01-01' + last);
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, first timetz, last timetz) RETURNS bigint
LANGUAGE sql STABLE STRICT RETURN pg_catalog.datediff(part, date '2000-01-01' + first, date '2000-01-01' + last);

-- Their columns are called date_add and date_diff, as the pages' examples print them.
DO $$
DECLARE
    type text;
    result text;
BEGIN
    FOREACH type IN ARRAY ARRAY['timestamp', 'date', 'text', 'timestamptz', 'time', 'timetz'] LOOP
        result := CASE WHEN type IN ('date', 'text') THEN 'timestamp' ELSE type END;
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION velodrome.date_add(part text, amount bigint, value %s) RETURNS %s LANGUAGE sql %s STRICT
            RETURN pg_catalog.dateadd(part, amount, value)', type, result, CASE WHEN type = 'timestamptz' THEN 'STABLE' ELSE 'IMMUTABLE' END
        );
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION velodrome.date_diff(part text, first %1$s, last %1$s) RETURNS bigint LANGUAGE sql %2$s STRICT
            RETURN pg_catalog.datediff(part, first, last)', type, CASE WHEN type IN ('timestamptz', 'timetz') THEN 'STABLE' ELSE 'IMMUTABLE' END
        );
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION velodrome.date_trunc(part text, value text) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT RETURN velodrome.date_trunc(part, value::timestamp);

-- The days' difference over 31, with the time of day: https://docs.aws.amazon.com/redshift/latest/dg/r_MONTHS_BETWEEN_function.html
CREATE OR REPLACE FUNCTION pg_catalog.months_between(first timestamp, last timestamp) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT
RETURN (pg_catalog.date_part('year', first) - pg_catalog.date_part('year', last)) * 12
    + pg_catalog.date_part('month', first) - pg_catalog.date_part('month', last)
    + CASE
        WHEN pg_catalog.date_part('day', first) = pg_catalog.date_part('day', last)
            OR (first::date = pg_catalog.last_day(first) AND last::date = pg_catalog.last_day(last)) THEN 0
        ELSE (pg_catalog.date_part('day', first) - pg_catalog.date_part('day', last)
            + pg_catalog.date_part('epoch', first::time - last::time) / 86400) / 31.0
    END;
