#!/bin/sh
# Starts one of Airflow's processes (init, api-server, scheduler, dag-processor, triggerer), or any other airflow command,
# with the profile's settings.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec python -P "$here/environment.py" "$@"
