#!/usr/bin/env bash
# Runs every target for so many seconds (60 by default), two at a time, and prints how often each was run.
# Needs cargo-fuzz and a nightly compiler. New inputs go to fuzz/grown/TARGET, crashes to fuzz/artifacts/TARGET.
#
#   SANITIZER=none fuzz/run-all.sh 300    three to ten times as fast, without address sanitizer and allocation limit
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
sanitizer=${SANITIZER:-address}
triple=$(rustc +nightly --version --verbose | sed -n 's/^host: //p')
bin=${CARGO_TARGET_DIR:-fuzz/target}/$triple/release

# What is typical of its input is short for most; only these need more.
max_len() {
    case $1 in
        chunk_decoder | flv | playback) echo 4096 ;;
        *_machine) echo 2048 ;;
        *) echo 512 ;;
    esac
}

run_target() {
    local target=$1 grown=fuzz/grown/$1 artifacts=fuzz/artifacts/$1 log=fuzz/grown/$1.log status=0
    mkdir -p "$grown" "$artifacts"
    "$bin/$target" "$grown" "fuzz/corpus/$target" -artifact_prefix="$artifacts/" -print_final_stats=1 \
        -max_total_time="$seconds" -max_len="$(max_len "$target")" -malloc_limit_mb=64 >"$log" 2>&1 || status=$?
    printf '%-16s %10s executions, exit %s\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$status"
    return "$status"
}

cargo +nightly fuzz build --sanitizer "$sanitizer"
export seconds bin
export -f run_target max_len
cargo +nightly fuzz list | xargs --max-procs=2 --replace bash -c 'run_target {}'
