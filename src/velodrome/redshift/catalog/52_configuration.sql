-- Parameters and their values, for superusers: https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_ConfigurationRef.html
CREATE OR REPLACE VIEW pg_catalog.pg_conf WITH (security_barrier) AS
SELECT parameter::varchar(128) AS key, pg_catalog.current_setting('velodrome.' || parameter, true)::varchar(256) AS value
FROM unnest(string_to_array(pg_catalog.current_setting('velodrome.parameters', true), ',')) AS parameter
WHERE velodrome.sees_system();
GRANT SELECT ON pg_catalog.pg_conf TO PUBLIC;
