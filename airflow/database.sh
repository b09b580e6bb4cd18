#!/bin/sh
# Starts Airflow's own database in the foreground; its settings come from the environment.
# To be stopped with SIGINT: PostgreSQL takes SIGTERM as "wait until every client has left".
set -eu
exec python -m velodrome.postgres \
    --data "$VELODROME_HOME/data/airflow-db" --port "$AIRFLOW_DATABASE_PORT" \
    --user airflow --database airflow --password-setting AIRFLOW_DATABASE_PASSWORD
