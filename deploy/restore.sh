#!/bin/sh
# Restore a backup of deploy/backup.sh into empty databases and an empty directory, while neither
# the gateway nor MLflow runs: see docs/backup.md.
#
#   GATEWAY_DATABASE_URL=postgresql://... MLFLOW_DATABASE_URL=postgresql://... \
#   ARTIFACTS_DIR=/path/to/artifacts  deploy/restore.sh /path/to/backups/hokusai-...
#
# PG_BIN: the directory of pg_restore and psql, unless they are in PATH.
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

# The same as in backup.sh, because each script is also copied to machines without the other.
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

# $1: the URL of a database, $2: the name of its owner.
must_be_empty() {
    tables=$(postgresql psql "$1" --no-psqlrc --tuples-only --no-align --command \
        "select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")
    [ "$tables" = 0 ] || fail "$2's database has $tables tables: restore into an empty database"
}

[ $# -eq 1 ] || fail "usage: GATEWAY_DATABASE_URL=... MLFLOW_DATABASE_URL=... $0 BACKUP"
: "${GATEWAY_DATABASE_URL:?the database of HOKUSAI_DATABASE_URL}"
: "${MLFLOW_DATABASE_URL:?the database of MLflow\'s --backend-store-uri}"
backup=$1
[ -f "$backup/gateway.dump" ] || fail "$backup is not a backup: it has no gateway.dump"
if [ -f "$backup/artifacts.tar" ]; then
    : "${ARTIFACTS_DIR:?where the artifacts of this backup go}"
fi

# Everything is checked before anything is changed.
(cd "$backup" && sha256sum --quiet -c SHA256SUMS) || fail "$backup is damaged: its files do not have the checksums in SHA256SUMS"
must_be_empty "$GATEWAY_DATABASE_URL" "the gateway"
must_be_empty "$MLFLOW_DATABASE_URL" MLflow
if [ -f "$backup/artifacts.tar" ]; then
    mkdir -p "$ARTIFACTS_DIR"
    [ -z "$(ls -A "$ARTIFACTS_DIR")" ] || fail "ARTIFACTS_DIR=$ARTIFACTS_DIR is not empty"
fi

# In the reverse order of the backup, so that a gateway that starts too early finds no records,
# instead of records without their models.
if [ -f "$backup/artifacts.tar" ]; then
    tar $xattrs -C "$ARTIFACTS_DIR" -xf "$backup/artifacts.tar"
fi
for name in mlflow gateway; do
    if [ "$name" = mlflow ]; then url=$MLFLOW_DATABASE_URL; else url=$GATEWAY_DATABASE_URL; fi
    # The user of this script owns what is restored, because roles are not in the backup.
    postgresql pg_restore "$url" --single-transaction --exit-on-error --no-owner \
        --no-privileges "$backup/$name.dump"
done
echo "Restored. Start MLflow, then the gateway, which completes interrupted registrations."
