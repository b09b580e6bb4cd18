-- The columns of Redshift's set functions, spelled out with their types as its pages have it.

-- names stay, types go
SELECT * FROM pg_get_late_binding_view_cols() cols(view_schema name, view_name name, col_name name, col_type varchar(10), col_num int) WHERE view_name = 'x'
-- =>
SELECT * FROM pg_get_late_binding_view_cols() cols(view_schema, view_name, col_name, col_type, col_num) WHERE view_name = 'x'

-- after AS
SELECT * FROM pg_get_cols('sales') AS cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)
-- =>
SELECT * FROM pg_get_cols('sales') AS cols(view_schema, view_name, col_name, col_type, col_num)

-- unchanged: without a list
SELECT * FROM pg_get_late_binding_view_cols() c
-- =>
SELECT * FROM pg_get_late_binding_view_cols() c
