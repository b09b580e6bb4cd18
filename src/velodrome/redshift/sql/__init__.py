"""Redshift's SQL, statement by statement, into what the PostgreSQL inside executes."""
