#!/bin/sh
# The first start of the database: a role and a database each for the gateway and for MLflow, so
# that neither can read what is the other's. The superuser is for the operator alone.
set -eu
make() {
    # The password goes through the environment: a command line can be read by others.
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
