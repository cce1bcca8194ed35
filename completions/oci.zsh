#compdef oci

autoload -U is-at-least

_oci_names() {
    local -a names=(${(f)"$(command oci __names "${(@Q)line_words}" 2>/dev/null)"})
    compadd "$@" -a names
}

_oci() {
    local -a line_words=("${(@)words[1,CURRENT-1]}")
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_oci_commands" \
"*::: :->oci" \
&& ret=0
    case $state in
    (oci)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:oci-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'(--manifest-path)--changed[Look at each manifest that the commit changes, in the whole git repository\: for hooks]' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(add)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- What the base is to be called:_default' \
':image -- The image; `python` is `docker.io/library/python`, and without a tag it is `latest`:_default' \
&& ret=0
;;
(lock)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'(--dry-run)--check[Only see whether \`oci.lock\` is current\: write nothing, ask no registry, return 1 if it is not]' \
'(--manifest-path)--changed[Do it for each manifest that the commit changes, in the whole git repository\: for hooks]' \
'--dry-run[Print what would change, and write nothing]' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'--dry-run[Print what would change, and write nothing]' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Bases or variants; all, if none is named:_oci_names' \
&& ret=0
;;
(outdated)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'--exit-code[Return 1 if a tag has moved, or a base is too old]' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(fetch)
_arguments "${_arguments_options[@]}" : \
'*--platform=[Only these platforms]:PLATFORM:_default' \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Builds, stages, bases or variants; all, if none is named:_oci_names' \
&& ret=0
;;
(build)
_arguments "${_arguments_options[@]}" : \
'*--platform=[Only these platforms]:PLATFORM:_default' \
'--metadata-file=[Write what was built to this file, as JSON]:PATH:_files' \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'--complete[Bring the bases'\'' layers into \`.oci/\` too]' \
'--no-cache[Make every layer anew]' \
'--fail-fast[Begin nothing more once a build failed]' \
'(--complete --metadata-file)--dry-run[Print what would be done and why, and do nothing\: write nothing, start nothing, ask no registry]' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Builds or stages; all builds, if none is named:_oci_names' \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
'*-e+[Set a variable; without \`=\`, pass it on]:NAME[=VALUE]:_default' \
'*--env=[Set a variable; without \`=\`, pass it on]:NAME[=VALUE]:_default' \
'*--env-file=[Set the variables of a file, \`NAME=VALUE\` a line]:PATH:_files' \
'*-v+[Mount a file or folder]:FROM:TO[:ro]:_default' \
'*--volume=[Mount a file or folder]:FROM:TO[:ro]:_default' \
'--entrypoint=[Run this program instead; what follows \`--\` is its arguments. Empty, what follows is all that runs]:PROGRAM:_default' \
'--user=[Name or number, with a group if need be]:USER[:GROUP]:_default' \
'--workdir=[The folder to start in]:DIR:_default' \
'--name=[The container'\''s host name, which no other that runs has]:NAME:_default' \
'--network=[This machine'\''s network, or none]:NETWORK:((host\:"This machine'\''s, so that servers are reached"
none\:"Only a loopback of its own"))' \
'--memory=[The most memory, such as \`512MiB\`]:SIZE:_default' \
'--cpus=[The most processors, such as \`1.5\`]:NUMBER:_default' \
'--pids-limit=[The most processes and threads at a time]:NUMBER:_default' \
'--platform=[This platform instead of the machine'\''s]:PLATFORM:_default' \
'*-p+[Refused\: with the host'\''s network there are no ports to map]:PORTS:_default' \
'*--publish=[Refused\: with the host'\''s network there are no ports to map]:PORTS:_default' \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-t[Give it a terminal]' \
'--terminal[Give it a terminal]' \
'-i[Taken for granted\: standard input is always passed on]' \
'--interactive[Taken for granted\: standard input is always passed on]' \
'--read-only[Refuse writes to the image'\''s files]' \
'--init[Have the program not be the first process\: another one ends orphans and passes signals on]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- A build, a stage, a base or a variant:_oci_names' \
'*::arguments -- Replace the image'\''s arguments:_default' \
&& ret=0
;;
(publish)
_arguments "${_arguments_options[@]}" : \
'*--tag=[Push these tags instead of those in \`oci.toml\`]:TAG:_default' \
'*--platform=[Only these platforms; needs \`--tag\`, so that no tag loses platforms]:PLATFORM:_default' \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Builds; all that have a repository, if none is named:_oci_names' \
&& ret=0
;;
(cache)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_oci__subcmd__cache_commands" \
"*::: :->cache" \
&& ret=0

    case $state in
    (cache)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:oci-cache-command-$line[1]:"
        case $line[1] in
            (dir)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(size)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
'--max-size=[How large the cache may be, such as \`20GB\` \[default\: \`\[cache\] max-size\`, else without limit\]]:SIZE:_default' \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(clean)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_oci__subcmd__cache__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:oci-cache-help-command-$line[1]:"
        case $line[1] in
            (dir)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(size)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(clean)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'-v[Say more]' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'-C+[Go to this folder first]:DIR:_files' \
'--directory=[Go to this folder first]:DIR:_files' \
'--manifest-path=[The manifest, instead of the nearest \`oci.toml\` at or above the current folder]:PATH:_files' \
'-j+[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--jobs=[How many threads work, at most \[default\: one for each processor\]]:N:_default' \
'--network-timeout=[How long a registry may be silent \[default\: 60, and 180 in the middle of a transfer\]]:SECONDS:_default' \
'*--var=[Another value for one of \`\[vars\]\`, for this run; also \`OCI_VAR_NAME\`]:NAME=VALUE:_default' \
'--progress=[How work that goes on is shown]:HOW:((auto\:"With bars on a terminal, unless \`CI\` is set; else as lines"
plain\:"As lines"
none\:"Not at all"))' \
'--color=[Colour errors]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set"
always\:""
never\:""))' \
'--locked[Fail if \`oci.lock\` would have to change]' \
'--offline[Ask no registry]' \
'--frozen[\`--locked\` and \`--offline\`]' \
'--json[Results and errors as JSON]' \
'(--verbose)-q[Say nothing but results, warnings and errors]' \
'(--verbose)--quiet[Say nothing but results, warnings and errors]' \
'--verbose[Say more; \`-v\` before or after any command but \`run\`]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- The shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_oci__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:oci-help-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(add)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(lock)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(outdated)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(fetch)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(build)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(publish)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(cache)
_arguments "${_arguments_options[@]}" : \
":: :_oci__subcmd__help__subcmd__cache_commands" \
"*::: :->cache" \
&& ret=0

    case $state in
    (cache)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:oci-help-cache-command-$line[1]:"
        case $line[1] in
            (dir)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(size)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(clean)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_oci_commands] )) ||
_oci_commands() {
    local commands; commands=(
'check:Check \`oci.toml\` and \`oci.lock\`, and nothing else\: offline, in milliseconds' \
'add:Add a base to \`oci.toml\`, and pin it' \
'lock:Pin every base to a digest in \`oci.lock\`' \
'update:Pin bases to what their tags stand for now' \
'outdated:List the bases whose tags have moved, and those that are too old' \
'fetch:Bring everything that a later \`--offline\` build or run needs' \
'build:Build images' \
'run:Build an image if need be, and run it' \
'publish:Build images if need be, and push every tag' \
'cache:Look after what is kept for later builds and runs, of all projects' \
'doctor:Tell what is there of all that builds and runs need, and what to do where it is not' \
'schema:Print the JSON Schema of \`oci.toml\`, for editors' \
'completions:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'oci commands' commands "$@"
}
(( $+functions[_oci__subcmd__add_commands] )) ||
_oci__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'oci add commands' commands "$@"
}
(( $+functions[_oci__subcmd__build_commands] )) ||
_oci__subcmd__build_commands() {
    local commands; commands=()
    _describe -t commands 'oci build commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache_commands] )) ||
_oci__subcmd__cache_commands() {
    local commands; commands=(
'dir:Print the cache folder' \
'size:Print what the cache takes on the disk, by kind' \
'prune:Remove leftovers, and what was used least recently until the cache is small enough' \
'clean:Remove everything that no running \`oci\` uses' \
'verify:Read everything, and set aside what is damaged; return 1 if something was' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'oci cache commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__clean_commands] )) ||
_oci__subcmd__cache__subcmd__clean_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache clean commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__dir_commands] )) ||
_oci__subcmd__cache__subcmd__dir_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache dir commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__help_commands] )) ||
_oci__subcmd__cache__subcmd__help_commands() {
    local commands; commands=(
'dir:Print the cache folder' \
'size:Print what the cache takes on the disk, by kind' \
'prune:Remove leftovers, and what was used least recently until the cache is small enough' \
'clean:Remove everything that no running \`oci\` uses' \
'verify:Read everything, and set aside what is damaged; return 1 if something was' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'oci cache help commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__help__subcmd__clean_commands] )) ||
_oci__subcmd__cache__subcmd__help__subcmd__clean_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache help clean commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__help__subcmd__dir_commands] )) ||
_oci__subcmd__cache__subcmd__help__subcmd__dir_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache help dir commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__help__subcmd__help_commands] )) ||
_oci__subcmd__cache__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache help help commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__help__subcmd__prune_commands] )) ||
_oci__subcmd__cache__subcmd__help__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache help prune commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__help__subcmd__size_commands] )) ||
_oci__subcmd__cache__subcmd__help__subcmd__size_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache help size commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__help__subcmd__verify_commands] )) ||
_oci__subcmd__cache__subcmd__help__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache help verify commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__prune_commands] )) ||
_oci__subcmd__cache__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache prune commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__size_commands] )) ||
_oci__subcmd__cache__subcmd__size_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache size commands' commands "$@"
}
(( $+functions[_oci__subcmd__cache__subcmd__verify_commands] )) ||
_oci__subcmd__cache__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'oci cache verify commands' commands "$@"
}
(( $+functions[_oci__subcmd__check_commands] )) ||
_oci__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'oci check commands' commands "$@"
}
(( $+functions[_oci__subcmd__completions_commands] )) ||
_oci__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'oci completions commands' commands "$@"
}
(( $+functions[_oci__subcmd__doctor_commands] )) ||
_oci__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'oci doctor commands' commands "$@"
}
(( $+functions[_oci__subcmd__fetch_commands] )) ||
_oci__subcmd__fetch_commands() {
    local commands; commands=()
    _describe -t commands 'oci fetch commands' commands "$@"
}
(( $+functions[_oci__subcmd__help_commands] )) ||
_oci__subcmd__help_commands() {
    local commands; commands=(
'check:Check \`oci.toml\` and \`oci.lock\`, and nothing else\: offline, in milliseconds' \
'add:Add a base to \`oci.toml\`, and pin it' \
'lock:Pin every base to a digest in \`oci.lock\`' \
'update:Pin bases to what their tags stand for now' \
'outdated:List the bases whose tags have moved, and those that are too old' \
'fetch:Bring everything that a later \`--offline\` build or run needs' \
'build:Build images' \
'run:Build an image if need be, and run it' \
'publish:Build images if need be, and push every tag' \
'cache:Look after what is kept for later builds and runs, of all projects' \
'doctor:Tell what is there of all that builds and runs need, and what to do where it is not' \
'schema:Print the JSON Schema of \`oci.toml\`, for editors' \
'completions:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'oci help commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__add_commands] )) ||
_oci__subcmd__help__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'oci help add commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__build_commands] )) ||
_oci__subcmd__help__subcmd__build_commands() {
    local commands; commands=()
    _describe -t commands 'oci help build commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__cache_commands] )) ||
_oci__subcmd__help__subcmd__cache_commands() {
    local commands; commands=(
'dir:Print the cache folder' \
'size:Print what the cache takes on the disk, by kind' \
'prune:Remove leftovers, and what was used least recently until the cache is small enough' \
'clean:Remove everything that no running \`oci\` uses' \
'verify:Read everything, and set aside what is damaged; return 1 if something was' \
    )
    _describe -t commands 'oci help cache commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__cache__subcmd__clean_commands] )) ||
_oci__subcmd__help__subcmd__cache__subcmd__clean_commands() {
    local commands; commands=()
    _describe -t commands 'oci help cache clean commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__cache__subcmd__dir_commands] )) ||
_oci__subcmd__help__subcmd__cache__subcmd__dir_commands() {
    local commands; commands=()
    _describe -t commands 'oci help cache dir commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__cache__subcmd__prune_commands] )) ||
_oci__subcmd__help__subcmd__cache__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'oci help cache prune commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__cache__subcmd__size_commands] )) ||
_oci__subcmd__help__subcmd__cache__subcmd__size_commands() {
    local commands; commands=()
    _describe -t commands 'oci help cache size commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__cache__subcmd__verify_commands] )) ||
_oci__subcmd__help__subcmd__cache__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'oci help cache verify commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__check_commands] )) ||
_oci__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'oci help check commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__completions_commands] )) ||
_oci__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'oci help completions commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__doctor_commands] )) ||
_oci__subcmd__help__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'oci help doctor commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__fetch_commands] )) ||
_oci__subcmd__help__subcmd__fetch_commands() {
    local commands; commands=()
    _describe -t commands 'oci help fetch commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__help_commands] )) ||
_oci__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'oci help help commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__lock_commands] )) ||
_oci__subcmd__help__subcmd__lock_commands() {
    local commands; commands=()
    _describe -t commands 'oci help lock commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__outdated_commands] )) ||
_oci__subcmd__help__subcmd__outdated_commands() {
    local commands; commands=()
    _describe -t commands 'oci help outdated commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__publish_commands] )) ||
_oci__subcmd__help__subcmd__publish_commands() {
    local commands; commands=()
    _describe -t commands 'oci help publish commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__run_commands] )) ||
_oci__subcmd__help__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'oci help run commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__schema_commands] )) ||
_oci__subcmd__help__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'oci help schema commands' commands "$@"
}
(( $+functions[_oci__subcmd__help__subcmd__update_commands] )) ||
_oci__subcmd__help__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'oci help update commands' commands "$@"
}
(( $+functions[_oci__subcmd__lock_commands] )) ||
_oci__subcmd__lock_commands() {
    local commands; commands=()
    _describe -t commands 'oci lock commands' commands "$@"
}
(( $+functions[_oci__subcmd__outdated_commands] )) ||
_oci__subcmd__outdated_commands() {
    local commands; commands=()
    _describe -t commands 'oci outdated commands' commands "$@"
}
(( $+functions[_oci__subcmd__publish_commands] )) ||
_oci__subcmd__publish_commands() {
    local commands; commands=()
    _describe -t commands 'oci publish commands' commands "$@"
}
(( $+functions[_oci__subcmd__run_commands] )) ||
_oci__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'oci run commands' commands "$@"
}
(( $+functions[_oci__subcmd__schema_commands] )) ||
_oci__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'oci schema commands' commands "$@"
}
(( $+functions[_oci__subcmd__update_commands] )) ||
_oci__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'oci update commands' commands "$@"
}

if [ "$funcstack[1]" = "_oci" ]; then
    _oci "$@"
else
    compdef _oci oci
fi
