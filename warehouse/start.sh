#!/bin/sh
# Starts the warehouse (Amazon Redshift's stand-in) in the foreground; settings come from the environment.
set -eu
exec python -m velodrome.redshift
