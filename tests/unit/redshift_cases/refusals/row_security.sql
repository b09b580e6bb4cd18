-- Policies that are refused: a comment with SQLSTATE, the character it is refused for, and the message.

-- 0A000 7 CREATE MASKING POLICY is not supported by this local warehouse (line 1, column 8: near 'MASKING')
CREATE MASKING POLICY m WITH (a int) USING (0)

-- 0A000 7 ATTACH MASKING POLICY is not supported by this local warehouse (line 1, column 8: near 'MASKING')
ATTACH MASKING POLICY m ON t(a) TO PUBLIC

-- 0A000 36 ROW LEVEL SECURITY FOR DATASHARES is not supported by this local warehouse (line 1, column 37: near 'FOR')
ALTER TABLE t ROW LEVEL SECURITY ON FOR DATASHARES

-- 42601 26 syntax error at or near "x"
CREATE RLS POLICY p USING x
