#!/bin/sh
# Runs at the first start of the database: creates a role and a database for the gateway and for
# MLflow, so that neither can read the other's data. Only the operator uses the superuser.
set -eu
make() {
    # The password is passed in the environment, because others can read command lines.
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --set name="$1" \
        --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password ROLE_PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
export ROLE_PASSWORD
ROLE_PASSWORD=$GATEWAY_DB_PASSWORD
make hokusai
ROLE_PASSWORD=$MLFLOW_DB_PASSWORD
make mlflow
