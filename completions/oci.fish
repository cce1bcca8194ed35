# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_oci_global_optspecs
    string join \n C/directory= manifest-path= locked offline frozen j/jobs= network-timeout= var= json q/quiet verbose progress= color= h/help V/version
end

function __fish_oci_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_oci_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_oci_using_subcommand
    set -l cmd (__fish_oci_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c oci -n "__fish_oci_needs_command" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_needs_command" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_needs_command" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_needs_command" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_needs_command" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_needs_command" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_needs_command" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_needs_command" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_needs_command" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_needs_command" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_needs_command" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_needs_command" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_needs_command" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_needs_command" -s V -l version -d 'Print version'
complete -c oci -n "__fish_oci_needs_command" -f -a "check" -d 'Check `oci.toml` and `oci.lock`, and nothing else: offline, in milliseconds'
complete -c oci -n "__fish_oci_needs_command" -f -a "add" -d 'Add a base to `oci.toml`, and pin it'
complete -c oci -n "__fish_oci_needs_command" -f -a "lock" -d 'Pin every base to a digest in `oci.lock`'
complete -c oci -n "__fish_oci_needs_command" -f -a "update" -d 'Pin bases to what their tags stand for now'
complete -c oci -n "__fish_oci_needs_command" -f -a "outdated" -d 'List the bases whose tags have moved, and those that are too old'
complete -c oci -n "__fish_oci_needs_command" -f -a "fetch" -d 'Bring everything that a later `--offline` build or run needs'
complete -c oci -n "__fish_oci_needs_command" -f -a "build" -d 'Build images'
complete -c oci -n "__fish_oci_needs_command" -f -a "run" -d 'Build an image if need be, and run it'
complete -c oci -n "__fish_oci_needs_command" -f -a "publish" -d 'Build images if need be, and push every tag'
complete -c oci -n "__fish_oci_needs_command" -f -a "cache" -d 'Look after what is kept for later builds and runs, of all projects'
complete -c oci -n "__fish_oci_needs_command" -f -a "doctor" -d 'Tell what is there of all that builds and runs need, and what to do where it is not'
complete -c oci -n "__fish_oci_needs_command" -f -a "schema" -d 'Print the JSON Schema of `oci.toml`, for editors'
complete -c oci -n "__fish_oci_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c oci -n "__fish_oci_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c oci -n "__fish_oci_using_subcommand check" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand check" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand check" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand check" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand check" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand check" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand check" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand check" -l changed -d 'Look at each manifest that the commit changes, in the whole git repository: for hooks'
complete -c oci -n "__fish_oci_using_subcommand check" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand check" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand check" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand check" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand check" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand check" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand check" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand add" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand add" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand add" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand add" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand add" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand add" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand add" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand add" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand add" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand add" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand add" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand add" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand add" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand add" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand lock" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand lock" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand lock" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand lock" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand lock" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand lock" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand lock" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand lock" -l check -d 'Only see whether `oci.lock` is current: write nothing, ask no registry, return 1 if it is not'
complete -c oci -n "__fish_oci_using_subcommand lock" -l changed -d 'Do it for each manifest that the commit changes, in the whole git repository: for hooks'
complete -c oci -n "__fish_oci_using_subcommand lock" -l dry-run -d 'Print what would change, and write nothing'
complete -c oci -n "__fish_oci_using_subcommand lock" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand lock" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand lock" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand lock" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand lock" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand lock" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand lock" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand lock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand update" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand update" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand update" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand update" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand update" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand update" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand update" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand update" -l dry-run -d 'Print what would change, and write nothing'
complete -c oci -n "__fish_oci_using_subcommand update" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand update" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand update" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand update" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand update" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand update" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand update" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand outdated" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand outdated" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand outdated" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand outdated" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand outdated" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand outdated" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand outdated" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand outdated" -l exit-code -d 'Return 1 if a tag has moved, or a base is too old'
complete -c oci -n "__fish_oci_using_subcommand outdated" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand outdated" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand outdated" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand outdated" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand outdated" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand outdated" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand outdated" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand outdated" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand fetch" -l platform -d 'Only these platforms' -r
complete -c oci -n "__fish_oci_using_subcommand fetch" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand fetch" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand fetch" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand fetch" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand fetch" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand fetch" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand fetch" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand fetch" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand fetch" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand fetch" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand fetch" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand fetch" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand fetch" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand fetch" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand build" -l platform -d 'Only these platforms' -r
complete -c oci -n "__fish_oci_using_subcommand build" -l metadata-file -d 'Write what was built to this file, as JSON' -r -F
complete -c oci -n "__fish_oci_using_subcommand build" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand build" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand build" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand build" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand build" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand build" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand build" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand build" -l complete -d 'Bring the bases\' layers into `.oci/` too'
complete -c oci -n "__fish_oci_using_subcommand build" -l no-cache -d 'Make every layer anew'
complete -c oci -n "__fish_oci_using_subcommand build" -l fail-fast -d 'Begin nothing more once a build failed'
complete -c oci -n "__fish_oci_using_subcommand build" -l dry-run -d 'Print what would be done and why, and do nothing: write nothing, start nothing, ask no registry'
complete -c oci -n "__fish_oci_using_subcommand build" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand build" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand build" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand build" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand build" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand build" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand build" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand run" -s e -l env -d 'Set a variable; without `=`, pass it on' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l env-file -d 'Set the variables of a file, `NAME=VALUE` a line' -r -F
complete -c oci -n "__fish_oci_using_subcommand run" -s v -l volume -d 'Mount a file or folder' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l entrypoint -d 'Run this program instead; what follows `--` is its arguments. Empty, what follows is all that runs' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l user -d 'Name or number, with a group if need be' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l workdir -d 'The folder to start in' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l name -d 'The container\'s host name, which no other that runs has' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l network -d 'This machine\'s network, or none' -r -f -a "host\t'This machine\'s, so that servers are reached'
none\t'Only a loopback of its own'"
complete -c oci -n "__fish_oci_using_subcommand run" -l memory -d 'The most memory, such as `512MiB`' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l cpus -d 'The most processors, such as `1.5`' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l pids-limit -d 'The most processes and threads at a time' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l platform -d 'This platform instead of the machine\'s' -r
complete -c oci -n "__fish_oci_using_subcommand run" -s p -l publish -d 'Refused: with the host\'s network there are no ports to map' -r
complete -c oci -n "__fish_oci_using_subcommand run" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand run" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand run" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand run" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand run" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand run" -s t -l terminal -d 'Give it a terminal'
complete -c oci -n "__fish_oci_using_subcommand run" -s i -l interactive -d 'Taken for granted: standard input is always passed on'
complete -c oci -n "__fish_oci_using_subcommand run" -l read-only -d 'Refuse writes to the image\'s files'
complete -c oci -n "__fish_oci_using_subcommand run" -l init -d 'Have the program not be the first process: another one ends orphans and passes signals on'
complete -c oci -n "__fish_oci_using_subcommand run" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand run" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand run" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand run" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand run" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand run" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand publish" -l tag -d 'Push these tags instead of those in `oci.toml`' -r
complete -c oci -n "__fish_oci_using_subcommand publish" -l platform -d 'Only these platforms; needs `--tag`, so that no tag loses platforms' -r
complete -c oci -n "__fish_oci_using_subcommand publish" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand publish" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand publish" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand publish" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand publish" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand publish" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand publish" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand publish" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand publish" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand publish" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand publish" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand publish" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand publish" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand publish" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand publish" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -f -a "dir" -d 'Print the cache folder'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -f -a "size" -d 'Print what the cache takes on the disk, by kind'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -f -a "prune" -d 'Remove leftovers, and what was used least recently until the cache is small enough'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -f -a "clean" -d 'Remove everything that no running `oci` uses'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -f -a "verify" -d 'Read everything, and set aside what is damaged; return 1 if something was'
complete -c oci -n "__fish_oci_using_subcommand cache; and not __fish_seen_subcommand_from dir size prune clean verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from dir" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from size" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l max-size -d 'How large the cache may be, such as `20GB` [default: `[cache] max-size`, else without limit]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "dir" -d 'Print the cache folder'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "size" -d 'Print what the cache takes on the disk, by kind'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Remove leftovers, and what was used least recently until the cache is small enough'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "clean" -d 'Remove everything that no running `oci` uses'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Read everything, and set aside what is damaged; return 1 if something was'
complete -c oci -n "__fish_oci_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c oci -n "__fish_oci_using_subcommand doctor" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand doctor" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand doctor" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand doctor" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand doctor" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand doctor" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand doctor" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand doctor" -s v -d 'Say more'
complete -c oci -n "__fish_oci_using_subcommand doctor" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand doctor" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand doctor" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand doctor" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand doctor" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand doctor" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand schema" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand schema" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand schema" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand schema" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand schema" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand schema" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand schema" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand schema" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand schema" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand schema" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand schema" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand schema" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand schema" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand completions" -s C -l directory -d 'Go to this folder first' -r -F
complete -c oci -n "__fish_oci_using_subcommand completions" -l manifest-path -d 'The manifest, instead of the nearest `oci.toml` at or above the current folder' -r -F
complete -c oci -n "__fish_oci_using_subcommand completions" -s j -l jobs -d 'How many threads work, at most [default: one for each processor]' -r
complete -c oci -n "__fish_oci_using_subcommand completions" -l network-timeout -d 'How long a registry may be silent [default: 60, and 180 in the middle of a transfer]' -r
complete -c oci -n "__fish_oci_using_subcommand completions" -l var -d 'Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`' -r
complete -c oci -n "__fish_oci_using_subcommand completions" -l progress -d 'How work that goes on is shown' -r -f -a "auto\t'With bars on a terminal, unless `CI` is set; else as lines'
plain\t'As lines'
none\t'Not at all'"
complete -c oci -n "__fish_oci_using_subcommand completions" -l color -d 'Colour errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c oci -n "__fish_oci_using_subcommand completions" -l locked -d 'Fail if `oci.lock` would have to change'
complete -c oci -n "__fish_oci_using_subcommand completions" -l offline -d 'Ask no registry'
complete -c oci -n "__fish_oci_using_subcommand completions" -l frozen -d '`--locked` and `--offline`'
complete -c oci -n "__fish_oci_using_subcommand completions" -l json -d 'Results and errors as JSON'
complete -c oci -n "__fish_oci_using_subcommand completions" -s q -l quiet -d 'Say nothing but results, warnings and errors'
complete -c oci -n "__fish_oci_using_subcommand completions" -l verbose -d 'Say more; `-v` before or after any command but `run`'
complete -c oci -n "__fish_oci_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "check" -d 'Check `oci.toml` and `oci.lock`, and nothing else: offline, in milliseconds'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "add" -d 'Add a base to `oci.toml`, and pin it'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "lock" -d 'Pin every base to a digest in `oci.lock`'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "update" -d 'Pin bases to what their tags stand for now'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "outdated" -d 'List the bases whose tags have moved, and those that are too old'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "fetch" -d 'Bring everything that a later `--offline` build or run needs'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "build" -d 'Build images'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "run" -d 'Build an image if need be, and run it'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "publish" -d 'Build images if need be, and push every tag'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "cache" -d 'Look after what is kept for later builds and runs, of all projects'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "doctor" -d 'Tell what is there of all that builds and runs need, and what to do where it is not'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "schema" -d 'Print the JSON Schema of `oci.toml`, for editors'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "completions" -d 'Print completions for a shell'
complete -c oci -n "__fish_oci_using_subcommand help; and not __fish_seen_subcommand_from check add lock update outdated fetch build run publish cache doctor schema completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c oci -n "__fish_oci_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "dir" -d 'Print the cache folder'
complete -c oci -n "__fish_oci_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "size" -d 'Print what the cache takes on the disk, by kind'
complete -c oci -n "__fish_oci_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "prune" -d 'Remove leftovers, and what was used least recently until the cache is small enough'
complete -c oci -n "__fish_oci_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "clean" -d 'Remove everything that no running `oci` uses'
complete -c oci -n "__fish_oci_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "verify" -d 'Read everything, and set aside what is damaged; return 1 if something was'

function __fish_oci_wants_names
    __fish_oci_using_subcommand build fetch publish run update
    and not contains -- -- (commandline -opc)
end

complete -c oci -n __fish_oci_wants_names -f -a "(command oci __names (commandline -opc) 2>/dev/null)"
