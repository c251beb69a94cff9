#!/bin/sh
# Back up what the registry is made of, while it runs: see docs/backup.md.
#
#   GATEWAY_DATABASE_URL=postgresql://... MLFLOW_DATABASE_URL=postgresql://... \
#   ARTIFACTS_DIR=/path/to/artifacts  deploy/backup.sh /path/to/backups
#
# ARTIFACTS_DIR is left out where the artifacts are in an object store. PG_BIN: the directory of a
# pg_dump that is as new as the server, unless it is in PATH.
# Prints the directory that it made. It has that name only once all of it is there.
set -eu
umask 077

fail() {
    echo "error: $1" >&2
    exit 1
}

# $1: a program, $2: a URL, then the program's arguments. The password goes into the environment,
# since every user of the machine may read a command line. SQLAlchemy's `+driver` is dropped.
postgresql() {
    program=${PG_BIN:+$PG_BIN/}$1
    url=$(printf '%s\n' "$2" | sed 's|^\([a-z]*\)+[a-z0-9]*://|\1://|')
    shift 2
    password=$(printf '%s\n' "$url" | sed -n 's|^[a-z]*://[^:@/?]*:\([^@/?]*\)@.*|\1|p' | LC_ALL=C awk '
        {
            while (match($0, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
                high = index("0123456789abcdef", tolower(substr($0, RSTART + 1, 1))) - 1
                low = index("0123456789abcdef", tolower(substr($0, RSTART + 2, 1))) - 1
                printf "%s%c", substr($0, 1, RSTART - 1), high * 16 + low
                $0 = substr($0, RSTART + 3)
            }
            print
        }')
    url=$(printf '%s\n' "$url" | sed 's|^\([a-z]*://[^:@/?]*\):[^@/?]*@|\1@|')
    if [ -n "$password" ]; then
        PGPASSWORD=$password "$program" --dbname="$url" "$@"
    else
        "$program" --dbname="$url" "$@"
    fi
}

[ $# -eq 1 ] || fail "usage: GATEWAY_DATABASE_URL=... MLFLOW_DATABASE_URL=... $0 DIRECTORY"
: "${GATEWAY_DATABASE_URL:?the database of HOKUSAI_DATABASE_URL}"
: "${MLFLOW_DATABASE_URL:?the database of MLflow\'s --backend-store-uri}"
if [ -n "${ARTIFACTS_DIR:-}" ]; then
    [ -d "$ARTIFACTS_DIR" ] || fail "ARTIFACTS_DIR=$ARTIFACTS_DIR is no directory"
fi

name=hokusai-$(date -u +%Y%m%dT%H%M%SZ)
draft=$1/.$name.partial
[ ! -e "$1/$name" ] || fail "$1/$name is there already"
mkdir -p "$1"
mkdir "$draft"
trap 'rm -rf "$draft" "$1/.$name.sums"' EXIT
trap 'exit 1' HUP INT TERM

# The order matters. What the gateway's records name has to be in MLflow's, and what these name has
# to be among the artifacts: so each is copied before that which it points to.
postgresql pg_dump "$GATEWAY_DATABASE_URL" --format=custom --file="$draft/gateway.dump"
postgresql pg_dump "$MLFLOW_DATABASE_URL" --format=custom --file="$draft/mlflow.dump"
if [ -n "${ARTIFACTS_DIR:-}" ]; then
    status=0
    tar -C "$ARTIFACTS_DIR" -cf "$draft/artifacts.tar" . || status=$?
    # GNU tar says 1 where a file changed meanwhile: an upload that no record names yet.
    if [ "$status" -eq 1 ] && tar --version 2>/dev/null | grep -q 'GNU tar'; then
        echo "warning: artifacts were uploaded meanwhile; those may be incomplete" >&2
    elif [ "$status" -ne 0 ]; then
        fail "tar could not copy $ARTIFACTS_DIR"
    fi
fi
(cd "$draft" && sha256sum -- * >../".$name.sums")
mv "$1/.$name.sums" "$draft/SHA256SUMS"
sync
mv "$draft" "$1/$name"
trap - EXIT
echo "$1/$name"
