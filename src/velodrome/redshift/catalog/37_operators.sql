-- + joins strings too, as old definitions of Redshift's own have it beside ||:
-- https://docs.aws.amazon.com/redshift/latest/dg/r_concat_op.html
DO $$
BEGIN
    IF to_regoperator('pg_catalog.+(text,text)') IS NULL THEN
        CREATE OPERATOR pg_catalog.+ (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.textcat);
    END IF;
END $$;
