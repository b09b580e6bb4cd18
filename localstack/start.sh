#!/bin/sh
# Starts S3, IAM and STS in the foreground; its settings come from the environment.
set -eu
exec python -m velodrome.s3
