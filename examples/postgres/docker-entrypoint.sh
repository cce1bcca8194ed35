#!/bin/bash
# Makes the database when there is none, then starts the server as the user `postgres`.
#
# POSTGRES_PASSWORD is needed for that (or POSTGRES_HOST_AUTH_METHOD=trust); POSTGRES_USER and POSTGRES_DB
# may be given. Scripts and SQL of /docker-entrypoint-initdb.d are run once, in the order of their names.
set -euo pipefail

case "${1-}" in
    -*) set -- postgres "$@" ;;
esac

if [ "${1-}" = postgres ] && [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    find "$PGDATA" ! -user postgres -exec chown postgres:postgres {} +
    exec gosu postgres "$0" "$@"
fi

make_database() {
    local user=${POSTGRES_USER:-postgres} method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    local database=${POSTGRES_DB:-$user}
    if [ -z "${POSTGRES_PASSWORD-}" ] && [ "$method" != trust ]; then
        echo "there is no database, and no POSTGRES_PASSWORD to make one with" >&2
        exit 1
    fi
    initdb --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD-}") --auth-local=trust --auth-host="$method"
    printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

    # Nobody but these scripts reaches the server meanwhile.
    pg_ctl --wait --options="-c listen_addresses='' -p 5432" start
    if [ "$database" != postgres ]; then createdb --username="$user" "$database"; fi
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) bash "$file" ;;
            *.sql) psql -v ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$file" ;;
        esac
    done
    pg_ctl --wait --mode=fast stop
}

if [ "${1-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    make_database
fi

exec "$@"
