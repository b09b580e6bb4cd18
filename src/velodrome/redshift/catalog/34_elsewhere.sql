-- What comes from outside the warehouse, which this one has nothing of: always empty, with the columns that are asked for.

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_EXTERNAL_SCHEMAS.html
CREATE VIEW pg_catalog.svv_external_schemas AS
SELECT 0::oid AS esoid, 0::smallint AS eskind, ''::name AS schemaname, 0 AS esowner, ''::text AS databasename, ''::text AS esoptions
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_EXTERNAL_SCHEMA.html
CREATE VIEW pg_catalog.pg_external_schema AS
SELECT 0::oid AS esoid, 0 AS eskind, ''::text AS esdbname, ''::text AS esoptions WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_EXTERNAL_DATABASES.html
CREATE VIEW pg_catalog.svv_external_databases AS
SELECT 0 AS eskind, ''::text AS esoptions, ''::text AS databasename, ''::text AS location, ''::text AS parameters WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_EXTERNAL_TABLES.html
CREATE VIEW pg_catalog.svv_external_tables AS
SELECT ''::text AS redshift_database_name, ''::text AS schemaname, ''::text AS tablename, ''::text AS tabletype, ''::text AS location,
    ''::text AS input_format, ''::text AS output_format, ''::text AS serialization_lib, ''::text AS serde_parameters,
    0 AS compressed, ''::text AS parameters
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_EXTERNAL_COLUMNS.html
CREATE VIEW pg_catalog.svv_external_columns AS
SELECT ''::text AS redshift_database_name, ''::text AS schemaname, ''::text AS tablename, ''::text AS columnname,
    ''::text AS external_type, 0 AS columnnum, 0 AS part_key, ''::text AS is_nullable
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_EXTERNAL_PARTITIONS.html
CREATE VIEW pg_catalog.svv_external_partitions AS
SELECT ''::text AS schemaname, ''::text AS tablename, ''::text AS values, ''::text AS location, ''::text AS input_format,
    ''::text AS output_format, ''::text AS serialization_lib, ''::text AS serde_parameters, 0 AS compressed, ''::text AS parameters
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_DATASHARES.html
CREATE VIEW pg_catalog.svv_datashares AS
SELECT ''::varchar(128) AS share_name, 0 AS share_id, 0 AS share_owner, ''::varchar(128) AS source_database,
    ''::varchar(128) AS consumer_database, ''::varchar(8) AS share_type, NULL::timestamp AS createdate, false AS is_publicaccessible,
    ''::varchar(256) AS share_acl, ''::varchar(16) AS producer_account, ''::varchar(64) AS producer_namespace,
    ''::varchar(64) AS managed_by
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_DATASHARE_CONSUMERS.html
CREATE VIEW pg_catalog.svv_datashare_consumers AS
SELECT ''::varchar(128) AS share_name, ''::varchar(16) AS consumer_account, ''::varchar(64) AS consumer_namespace,
    NULL::timestamp AS share_date
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_DATASHARE_OBJECTS.html
CREATE VIEW pg_catalog.svv_datashare_objects AS
SELECT ''::varchar(8) AS share_type, ''::varchar(128) AS share_name, ''::varchar(64) AS object_type, ''::varchar(512) AS object_name,
    ''::varchar(16) AS producer_account, ''::varchar(64) AS producer_namespace, false AS include_new
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_GEOMETRY_COLUMNS.html
CREATE VIEW pg_catalog.svv_geometry_columns AS
SELECT ''::varchar(128) AS f_table_catalog, ''::varchar(128) AS f_table_schema, ''::varchar(128) AS f_table_name,
    ''::varchar(128) AS f_geometry_column, 0 AS coord_dimension, 0 AS srid, ''::varchar(128) AS type
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_GEOGRAPHY_COLUMNS.html
CREATE VIEW pg_catalog.svv_geography_columns AS
SELECT ''::varchar(128) AS f_table_catalog, ''::varchar(128) AS f_table_schema, ''::varchar(128) AS f_table_name,
    ''::varchar(128) AS f_geography_column, 0 AS coord_dimension, 0 AS srid, ''::varchar(128) AS type
WHERE false;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_PG_LIBRARY.html
CREATE VIEW pg_catalog.pg_library AS
SELECT ''::name AS name, 0::oid AS language_oid, 0 AS file_store_id, 0 AS owner WHERE false;

GRANT SELECT ON pg_catalog.svv_external_schemas, pg_catalog.pg_external_schema, pg_catalog.svv_external_databases,
    pg_catalog.svv_external_tables, pg_catalog.svv_external_columns, pg_catalog.svv_external_partitions,
    pg_catalog.svv_datashares, pg_catalog.svv_datashare_consumers, pg_catalog.svv_datashare_objects,
    pg_catalog.svv_geometry_columns, pg_catalog.svv_geography_columns, pg_catalog.pg_library TO PUBLIC;
