#!/bin/sh
# Options alone are for the server.
set -eu

case "${1-}" in
    -*) set -- memcached "$@" ;;
esac

exec "$@"
