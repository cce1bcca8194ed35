#!/bin/sh
# Options alone, or a configuration, are for the server.
set -eu

case "${1-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

# Root hands the data over and steps down.
if [ "${1-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis:redis {} +
    exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi

exec "$@"
