-- Redshift's two types of intervals, where a type of PostgreSQL's stands for both:
-- https://docs.aws.amazon.com/redshift/latest/dg/r_interval_data_types.html
DO $$
BEGIN
    IF to_regtype('pg_catalog.intervaly2m') IS NULL THEN
        CREATE DOMAIN pg_catalog.intervaly2m AS interval YEAR TO MONTH;
        CREATE DOMAIN pg_catalog.intervald2s AS interval DAY TO SECOND;
    END IF;
END $$;

-- A column's type as the catalog names it; an interval's is told by its fields, which the modifier has.
CREATE OR REPLACE FUNCTION velodrome.type_name(type oid, modifier int, with_length boolean DEFAULT false) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN type <> 'interval'::regtype OR modifier < 0 THEN pg_catalog.format_type(type, CASE WHEN with_length THEN modifier END)
    -- YEAR is 4, MONTH is 2: src/include/utils/datetime.h of PostgreSQL
    WHEN (modifier >> 16) & 32767 IN (2, 4, 6) THEN 'intervaly2m'
    ELSE 'intervald2s'
END;
-- The same as SHOW writes it.
CREATE OR REPLACE FUNCTION velodrome.shown_type(type oid, modifier int) RETURNS text LANGUAGE sql STABLE
RETURN CASE velodrome.type_name(type, modifier)
    WHEN 'intervaly2m' THEN 'interval year to month' WHEN 'intervald2s' THEN 'interval day to second'
    ELSE velodrome.type_name(type, modifier)
END;
