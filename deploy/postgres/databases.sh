#!/bin/sh
# Creates a role and a database for the gateway and for MLflow, so that neither can read the other's
# data, and sets the roles' passwords. It may run again, for example with new passwords. The
# environment has the superuser's connection (PGHOST, PGUSER, PGPASSWORD) and the passwords.
set -eu
make() {
    # The password is passed in the environment, because others can read command lines.
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --set name="$1" --dbname postgres <<'SQL'
\getenv password ROLE_PASSWORD
SELECT format('CREATE ROLE %I', :'name')
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" LOGIN PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
export ROLE_PASSWORD
ROLE_PASSWORD=$GATEWAY_DB_PASSWORD
make hokusai
ROLE_PASSWORD=$MLFLOW_DB_PASSWORD
make mlflow
