-- An integer is a boolean where one is wanted, as SQLAlchemy's queries of the catalog say WHERE 1:
-- https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html#r_Type_conversion
UPDATE pg_catalog.pg_cast SET castcontext = 'a'
WHERE castsource = 'int'::regtype AND casttarget = 'boolean'::regtype AND castcontext <> 'a';
