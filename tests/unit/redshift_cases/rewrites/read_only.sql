-- Sessions that only read: as JDBC's Connection.setReadOnly() asks for them.

-- a driver's spelling
SET readonly=1
-- =>
SET default_transaction_read_only=1

-- back again
SET SESSION readonly TO off
-- =>
SET SESSION default_transaction_read_only TO off
