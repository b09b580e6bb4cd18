#!/bin/sh
# Starts the source database (RDS PostgreSQL) in the foreground; its settings come from the environment.
# To be stopped with SIGINT: PostgreSQL takes SIGTERM as "wait until every client has left".
set -eu
exec python -m velodrome.rds
