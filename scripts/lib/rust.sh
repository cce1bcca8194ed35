# shellcheck shell=bash
# Finds a Rust toolchain that can build this repository. Meant to be sourced, with `repository` set to its folder.

# The oldest Rust that builds this repository.
# shellcheck disable=SC2154 # the script that sources this file sets it
least_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repository/Cargo.toml"; }

# Succeeds if `cargo` and `rustc` of a folder, or those on the PATH where no folder is given, are new enough.
is_good_rust() { # [FOLDER]
    local folder=${1:+$1/} name version least
    least=$(least_rust)
    for name in cargo rustc; do
        command -v "$folder$name" >/dev/null || return 1
        # rustup's stand-ins fail where no toolchain is chosen; they must not download one here.
        version=$(cd "$repository" && RUSTUP_AUTO_INSTALL=0 "$folder$name" --version 2>/dev/null </dev/null) || return 1
        version=$(cut -d' ' -f2 <<<"$version")
        [ "$(printf '%s\n' "$least" "$version" | sort -V | head -n 1)" = "$least" ] || return 1
    done
}

# Puts a good `cargo` and `rustc` first on the PATH, and fails if the machine has none. It looks on the PATH, where
# rustup puts them, and where Ubuntu's packages `rustc-1.NN` do.
find_rust() {
    local folder
    if is_good_rust; then return 0; fi
    while read -r folder; do
        if [ -d "$folder" ] && is_good_rust "$folder"; then
            export PATH="$folder:$PATH"
            return 0
        fi
    done < <(
        echo "${CARGO_HOME:-$HOME/.cargo}/bin"
        # A usual Debian machine has none of these.
        find /usr/lib -maxdepth 1 -name 'rust-1.*' 2>/dev/null | sort -Vr | sed 's,$,/bin,'
    )
    return 1
}

# The packages of this distribution that bring a good toolchain, on one line; fails if apt knows of none.
rust_packages() {
    local least cargo rustc
    least=$(least_rust)
    while read -r cargo rustc; do
        if is_offered "$cargo" "$least" && is_offered "$rustc" "$least"; then
            echo "$cargo $rustc"
            return 0
        fi
    done < <(
        echo cargo rustc
        # Debian keeps these new enough for its web browsers.
        echo cargo-web rustc-web
        # Ubuntu has a package for each release of Rust.
        apt-cache pkgnames cargo-1. | sed 's/^cargo-//' | sort -Vr | sed 's/.*/cargo-& rustc-&/'
    )
    if is_offered rustup 1; then
        echo rustup
        return 0
    fi
    return 1
}

# Succeeds if apt would install a package in this version or a newer one.
is_offered() { # PACKAGE VERSION
    local candidate
    candidate=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p')
    [ -n "$candidate" ] && [ "$candidate" != "(none)" ] && dpkg --compare-versions "$candidate" ge "$2"
}

# The installed packages that `cargo-web` and `rustc-web` would remove.
rust_packages_in_the_way() {
    # shellcheck disable=SC2016 # dpkg replaces it
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' cargo rustc rustup 2>/dev/null | sed -n 's/ installed$//p'
}
