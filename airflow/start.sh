#!/bin/sh
# Starts one of Airflow's processes (init, api-server, scheduler, dag-processor, triggerer), or any other airflow command,
# with the profile's settings: from the environment, or from SETTINGS_FILE (lines NAME=value, as in env/).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ -n "${SETTINGS_FILE:-}" ]; then
    set -a
    . "$SETTINGS_FILE"
    set +a
fi
exec python -P "$here/environment.py" "$@"
