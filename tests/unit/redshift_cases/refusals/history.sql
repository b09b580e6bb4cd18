-- Views of the system that are not here, and CANCEL without a process.

-- 0A000 14 system view STL_EXPLAIN is not supported by this local warehouse (line 1, column 15: near 'stl_explain')
SELECT * FROM stl_explain

-- 0A000 27 system view SYS_PROCEDURE_MESSAGES is not supported by this local warehouse (line 2, column 18: near '"sys_procedure_messages"')
SELECT 1;
SELECT 2 FROM a, "sys_procedure_messages"

-- 42601 7 syntax error at or near "'***'"
CANCEL 'x'

-- 42601 0 syntax error at or near "CANCEL"
CANCEL

-- 42601 9 syntax error at or near "2"
CANCEL 1 2
