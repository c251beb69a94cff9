#!/bin/sh
# Back up both databases and the artifacts while the registry runs: see docs/backup.md.
#
#   GATEWAY_DATABASE_URL=postgresql://... MLFLOW_DATABASE_URL=postgresql://... \
#   ARTIFACTS_DIR=/path/to/artifacts  deploy/backup.sh /path/to/backups
#
# Leave out ARTIFACTS_DIR where the artifacts are in an object store. PG_BIN: the directory of a
# pg_dump of at least the server's version, unless it is in PATH.
# Prints the directory of the backup, which gets its name only when it is complete.
set -eu
umask 077

# Object stores such as VersityGW keep ETag and content type in `user.*` attributes of the files.
xattrs=
if tar --version 2>/dev/null | grep -q 'GNU tar'; then
    xattrs='--xattrs --xattrs-include=user.*'
fi

fail() {
    echo "error: $1" >&2
    exit 1
}

# $1: a program, $2: a URL, then the program's arguments. The password is passed in the environment,
# because every user of the machine can read command lines. SQLAlchemy's `+driver` is removed.
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
    [ -d "$ARTIFACTS_DIR" ] || fail "ARTIFACTS_DIR=$ARTIFACTS_DIR is not a directory"
fi

name=hokusai-$(date -u +%Y%m%dT%H%M%SZ)
draft=$1/.$name.partial
[ ! -e "$1/$name" ] || fail "$1/$name already exists"
mkdir -p "$1"
mkdir "$draft"
trap 'rm -rf "$draft" "$1/.$name.sums"' EXIT
trap 'exit 1' HUP INT TERM

# The order matters. The gateway's records refer to MLflow's, and MLflow's refer to artifacts. Each is
# copied before what it refers to, so that the backup contains everything that is referred to.
postgresql pg_dump "$GATEWAY_DATABASE_URL" --format=custom --file="$draft/gateway.dump"
postgresql pg_dump "$MLFLOW_DATABASE_URL" --format=custom --file="$draft/mlflow.dump"
if [ -n "${ARTIFACTS_DIR:-}" ]; then
    status=0
    tar $xattrs -C "$ARTIFACTS_DIR" -cf "$draft/artifacts.tar" . || status=$?
    # GNU tar exits with 1 if a file changed while it was read: an upload that no record refers to.
    if [ "$status" -eq 1 ] && [ -n "$xattrs" ]; then
        echo "warning: artifacts were uploaded during the backup, and may be incomplete in it" >&2
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
