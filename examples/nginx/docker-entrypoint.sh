#!/bin/sh
# Runs what is in /docker-entrypoint.d, in the order of its names, before nginx.
set -eu

case "${1-}" in
    nginx | nginx-debug)
        for script in /docker-entrypoint.d/*.sh; do
            [ -x "$script" ] || continue
            echo "$0: running $script" >&2
            "$script"
        done
        ;;
esac

exec "$@"
