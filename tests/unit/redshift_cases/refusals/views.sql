-- Views: expected "SQLSTATE position message" behind the dashes, then the statement.

-- 0A000 31 All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING.
CREATE VIEW v AS SELECT * FROM t WITH NO SCHEMA BINDING

-- 42601 14 syntax error at or near "s"
CREATE VIEW v s WITH NO SCHEMA BINDING
