#!/bin/sh
# Creates the file .env with the secrets of docker-compose.yml, unless it exists already.
# Keep it as safe as the database: without HOKUSAI_KEY_PEPPER no API key works.
set -eu
cd "$(dirname "$0")/.."
umask 077
# All are generated before any is written: the next run would accept an incomplete file.
secrets=$(
    for name in POSTGRES_PASSWORD GATEWAY_DB_PASSWORD GATEWAY_OWNER_DB_PASSWORD \
        MLFLOW_DB_PASSWORD REDIS_PASSWORD HOKUSAI_KEY_PEPPER HOKUSAI_ATTESTOR_KEY S3_SECRET_KEY; do
        value=$(openssl rand -hex 32) || exit 1
        echo "$name=$value"
    done
    value=$(openssl rand -hex 10) || exit 1
    echo "S3_ACCESS_KEY=$value"
)
# An existing file is never replaced, because existing databases have its passwords.
set -C
printf '%s\n' "$secrets" > "${1:-.env}"
