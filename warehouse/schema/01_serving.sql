-- Schema serving: the star schema that reports read.
CREATE SCHEMA IF NOT EXISTS serving;
