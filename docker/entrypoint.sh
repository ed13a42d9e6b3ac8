#!/usr/bin/env bash
# Loads the mounted Xilinx tools, when there are any, then runs the command.
set -euo pipefail

for variable in XILINX_VITIS XILINX_VIVADO XILINX_HLS; do
    folder=${!variable:-}
    [ -n "$folder" ] || continue
    if [ ! -f "$folder/settings64.sh" ]; then
        echo "$variable: expected $folder/settings64.sh, found no such file." \
            "Mount the installation at the same path (-v /tools/Xilinx:/tools/Xilinx:ro), or leave $variable unset." >&2
        exit 2
    fi
    # Xilinx's scripts read unset variables.
    set +u
    # shellcheck disable=SC1091
    source "$folder/settings64.sh"
    set -u
done

exec "$@"
