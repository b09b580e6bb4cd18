"""Amazon Redshift's stand-in: a gateway that speaks its protocol and dialect in front of a PostgreSQL of its own."""
