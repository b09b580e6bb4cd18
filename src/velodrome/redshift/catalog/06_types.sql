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
    WHEN 'intervaly2m' THEN 'interval year to month'
    -- 65535 is the precision that is not written: src/include/utils/timestamp.h of PostgreSQL
    WHEN 'intervald2s' THEN 'interval day to second' || coalesce('(' || nullif(nullif(modifier, -1) & 65535, 65535) || ')', '')
    ELSE velodrome.type_name(type, modifier)
END;

-- A procedure with OUT arguments has INOUT ones with a default inside, so that CALL can leave them away, and in front of those
-- a mark, so that its signature is no other routine's (Redshift counts IN and INOUT arguments alone): an argument that takes
-- values of no type that a client knows.
DO $$
BEGIN
    IF to_regtype('velodrome.out_mark') IS NULL THEN
        CREATE TYPE velodrome.out_mark AS ENUM ();
    END IF;
END $$;
-- Where the mark is among a routine's arguments, from 1; NULL if it has none.
CREATE OR REPLACE FUNCTION velodrome.mark_place(types oidvector) RETURNS int LANGUAGE sql IMMUTABLE
RETURN array_position((types::oid[])[0:], 'anyenum'::regtype::oid);
-- A list of a routine's arguments without the mark.
CREATE OR REPLACE FUNCTION velodrome.unmarked(list anyarray, types oidvector) RETURNS anyarray LANGUAGE sql IMMUTABLE AS '
    SELECT CASE WHEN velodrome.mark_place(types) IS NULL THEN list
        ELSE list[:velodrome.mark_place(types) - 1] OPERATOR(pg_catalog.||) list[velodrome.mark_place(types) + 1:] END
';
-- The types of its IN and INOUT arguments.
CREATE OR REPLACE FUNCTION velodrome.signature(kind "char", types oidvector, defaults int) RETURNS oidvector LANGUAGE sql IMMUTABLE
RETURN CASE WHEN kind = 'p' AND defaults > 0 THEN array_to_string(trim_array(types::oid[], defaults), ' ')::oidvector ELSE types END;
