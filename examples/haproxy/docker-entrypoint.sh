#!/bin/sh
# The server stays in the foreground, with a master that starts its workers anew when it is asked to.
set -eu

case "${1-}" in
    -*) set -- haproxy "$@" ;;
esac
if [ "${1-}" = haproxy ]; then
    shift
    set -- haproxy -W -db "$@"
fi

exec "$@"
