-- Rights and parameters that are refused: a comment with SQLSTATE, the character it is refused for, and the message.

-- 42601 23 conflicting or redundant options
CREATE USER a CREATEDB NOCREATEDB NOCREATEDB

-- 0A000 6 ASSUMEROLE is not supported by this local warehouse (line 1, column 7: near 'ASSUMEROLE')
GRANT ASSUMEROLE ON ALL TO PUBLIC FOR ALL

-- 0A000 6 the system permission CREATE TABLE is not supported by this local warehouse (line 1, column 7: near 'CREATE')
GRANT CREATE TABLE TO ROLE r

-- 0A000 6 the DROP privilege on tables is not supported by this local warehouse (line 1, column 7: near 'DROP')
GRANT DROP ON t TO a

-- 0LP01 29 grant options can only be granted to users
GRANT SELECT ON t TO GROUP g WITH GRANT OPTION

-- 42704 4 unrecognized configuration parameter "velodrome.x"
SET velodrome.x TO 1

-- 22023 28 60 is outside the valid range for parameter "wlm_query_slot_count" (1 .. 50)
SET wlm_query_slot_count TO 60

-- 22023 17 parameter "auto_mv" requires a Boolean value
SET auto_mv TO   maybe

-- 42601 9 syntax error at or near "x"
SET ROLE x

-- 0A000 13 a scoped permission (FOR … IN) is not supported by this local warehouse (line 1, column 14: near 'FOR')
GRANT SELECT FOR TABLES IN SCHEMA s TO a
