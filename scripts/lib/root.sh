# shellcheck shell=bash
# Root's rights: whether this user has them, and how a command gets them. Meant to be sourced.

# Succeeds if `as_root` can run commands. A terminal may be asked for a password, once; what sudo itself says to those
# who have no rights is not shown, since the scripts name the command to run.
can_be_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null || return 1
    sudo -n true 2>/dev/null && return 0
    [ -t 2 ] && [ -r /dev/tty ] && sudo -p "${0##*/} needs root's rights; the password of %p for sudo: " -v 2>/dev/null
}

# A password that was given some time ago may be asked for again, where there is a terminal.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 2 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}
