-- Users, roles, grants and parameters: what they become for the server inside.

-- a user with a group
CREATE USER "Ann" WITH PASSWORD 'Secret123' NOCREATEUSER IN GROUP etl, bi
-- =>
CALL velodrome.create_user('ann', '{"password": "Secret123", "createuser": false, "groups": ["etl", "bi"]}'::jsonb)

-- a password that is disabled
ALTER USER ann PASSWORD DISABLE
-- =>
CALL velodrome.alter_user('ann', '{"password": null}'::jsonb)

-- a parameter of a user
ALTER USER ann SET search_path TO a, '$user'
-- =>
CALL velodrome.alter_user_parameter('ann', 'search_path', ARRAY['a', '$user']::text[])

-- groups are kept under a name of their own
GRANT SELECT, INSERT ON TABLE s.t TO ann, GROUP etl, ROLE reader, PUBLIC
-- =>
GRANT SELECT, INSERT ON TABLE s.t TO "ann", "group etl", "reader", PUBLIC

-- ALL has Redshift's privileges only
GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA s TO ann
-- =>
GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON ALL TABLES IN SCHEMA s TO "ann"

-- a function's arguments are no grantees
REVOKE EXECUTE ON FUNCTION f(int, varchar) FROM GROUP etl
-- =>
REVOKE EXECUTE ON FUNCTION f(int, varchar) FROM "group etl"

-- default privileges
ALTER DEFAULT PRIVILEGES FOR USER ann IN SCHEMA s GRANT EXECUTE ON PROCEDURES TO GROUP etl
-- =>
ALTER DEFAULT PRIVILEGES FOR USER ann IN SCHEMA s GRANT EXECUTE ON ROUTINES TO "group etl"

-- a role
GRANT ROLE reader, sys:operator TO ann, ROLE writer WITH ADMIN OPTION
-- =>
CALL velodrome.change_role_members('grant', ARRAY['reader', 'sys:operator']::text[], '{"user": ["ann"], "role": ["writer"]}'::jsonb, true)

-- a system permission
GRANT CREATE USER, VACUUM TO ROLE hr
-- =>
CALL velodrome.change_system_privileges('grant', ARRAY['CREATE USER', 'VACUUM']::text[], '{"role": ["hr"]}'::jsonb)

-- a parameter that PostgreSQL lacks
SET LOCAL query_group = nightly
-- =>
SET LOCAL velodrome.query_group TO 'nightly'

-- its value has the name that was asked for
SHOW Query_Group
-- =>
SELECT velodrome.shown('query_group') AS "query_group"

-- unchanged: a parameter that PostgreSQL has
SET statement_timeout TO 1000
-- =>
SET statement_timeout TO 1000

-- another user for the session
SET SESSION AUTHORIZATION 'ann'
-- =>
SET ROLE "ann"
