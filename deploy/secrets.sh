#!/bin/sh
# Makes the file .env with the secrets of docker-compose.yml, unless there is one already.
# Keep it as you keep the database: without HOKUSAI_KEY_PEPPER no API key works.
set -eu
cd "$(dirname "$0")/.."
umask 077
# All of them before any is written: half a file would pass for a whole one at the next try.
secrets=$(
    for name in POSTGRES_PASSWORD GATEWAY_DB_PASSWORD MLFLOW_DB_PASSWORD REDIS_PASSWORD \
        HOKUSAI_KEY_PEPPER HOKUSAI_ATTESTOR_KEY S3_SECRET_KEY; do
        value=$(openssl rand -hex 32) || exit 1
        echo "$name=$value"
    done
    value=$(openssl rand -hex 10) || exit 1
    echo "S3_ACCESS_KEY=$value"
)
# An old file stays: its passwords are those of the databases that there are.
set -C
printf '%s\n' "$secrets" > "${1:-.env}"
