#!/bin/sh
# Creates the databases of the gateway and of MLflow, so that neither can read the other's data, and
# their roles: `mlflow` and `hokusai_owner`, which own them, and `hokusai`, with which the gateway
# serves and which owns nothing. Sets the roles' passwords. It may run again, for example with new
# passwords. The environment has the superuser's connection (PGHOST, PGUSER, PGPASSWORD) and the
# passwords.
set -eu
sql() {
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres "$@"
}
# $1: a role. The password is passed in the environment, because others can read command lines.
role() {
    sql --set name="$1" <<'SQL'
\getenv password ROLE_PASSWORD
SELECT format('CREATE ROLE %I', :'name')
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" LOGIN PASSWORD :'password';
SQL
}
# $1: a database, $2: its owner, $3: another role that may connect to it.
database() {
    sql --set name="$1" --set owner="$2" --set role="$3" <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'owner')
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO :"role";
SQL
}
export ROLE_PASSWORD
ROLE_PASSWORD=$GATEWAY_OWNER_DB_PASSWORD
role hokusai_owner
ROLE_PASSWORD=$GATEWAY_DB_PASSWORD
role hokusai
ROLE_PASSWORD=$MLFLOW_DB_PASSWORD
role mlflow
database hokusai hokusai_owner hokusai
database mlflow mlflow mlflow
