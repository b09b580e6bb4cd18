#!/bin/sh
# Starts EMR Serverless in the foreground; its settings come from the environment.
set -eu
exec python -m velodrome.emr_serverless
