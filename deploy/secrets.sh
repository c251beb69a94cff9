#!/bin/sh
# Makes the file .env with the secrets of docker-compose.yml, unless there is one already.
# Keep it as you keep the database: without HOKUSAI_KEY_PEPPER no API key works.
set -eu
cd "$(dirname "$0")/.."
umask 077
# An old file stays: its passwords are those of the databases that there are.
set -C
{
    for name in POSTGRES_PASSWORD GATEWAY_DB_PASSWORD MLFLOW_DB_PASSWORD REDIS_PASSWORD \
        HOKUSAI_KEY_PEPPER HOKUSAI_ATTESTOR_KEY S3_SECRET_KEY; do
        printf '%s=%s\n' "$name" "$(openssl rand -hex 32)"
    done
    printf 'S3_ACCESS_KEY=%s\n' "$(openssl rand -hex 10)"
} > "${1:-.env}"
