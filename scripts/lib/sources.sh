# shellcheck shell=bash
# The machine's own apt sources, for mmdebstrap. Meant to be sourced.

# Copies the entries of the distribution's release, and no others that the machine may have, to a folder, as
# `apt.list` and `apt.sources`, and prints the paths of those that are not empty. apt itself says which entries it
# has, wherever they lie and whatever their files are called. Fails with a message if there are none.
copy_apt_sources() { # FOLDER
    local folder=$1 entry file number suite
    # shellcheck source=/dev/null
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    : >"$folder/apt.list"
    : >"$folder/apt.sources"
    while read -r entry; do
        file=${entry%:*} number=${entry##*:}
        case "$file" in
            # The number is that of a line.
            *.list) sed -n "${number}p" "$file" >>"$folder/apt.list" ;;
            # The number is that of a paragraph, comments not counted.
            *.sources)
                grep -v '^#' "$file" | awk -v number="$number" 'BEGIN { RS = ""; ORS = "\n\n" } NR == number' \
                    >>"$folder/apt.sources"
                ;;
        esac
    done < <(apt_entries "$suite")
    for file in "$folder/apt.list" "$folder/apt.sources"; do
        if [ -s "$file" ]; then echo "$file"; fi
    done
    if [ ! -s "$folder/apt.list" ] && [ ! -s "$folder/apt.sources" ]; then
        echo "${0##*/}: apt has no source for $suite, the release of this machine; see /etc/apt/sources.list.d" >&2
        return 1
    fi
}

# `FILE:NUMBER` of each entry for the release, its updates and its security fixes, each once.
apt_entries() { # SUITE
    # shellcheck disable=SC2016 # apt replaces them
    local fields='$(SOURCESENTRY)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)' found
    found=$(apt-get indextargets --format "$fields" 'Created-By: Packages' 2>/dev/null | of_release "$1")
    if [ -z "$found" ]; then
        # Before the first `apt-get update`, apt knows what its files say and no more: no code name, and no origin.
        found=$(apt-get indextargets --no-release-info --format "$fields" 'Created-By: Packages' | of_release "$1")
    fi
    [ -z "$found" ] || echo "$found"
}

of_release() { # SUITE
    # Others may name their suites after the release, but not their components, and they sign as somebody else.
    awk -F '|' -v suite="$1" '
        BEGIN { ours = "^" suite "([-/](updates|security))?$" }
        $2 !~ ours && $3 !~ ours { next }
        $4 !~ "^(main|universe|restricted|multiverse|contrib|non-free|non-free-firmware)$" { next }
        $5 != "" && $5 !~ /^(\$\(ORIGIN\)|Debian|Ubuntu)$/ { next }
        !seen[$1]++ { print $1 }'
}
