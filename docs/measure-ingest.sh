#!/usr/bin/env bash
# Measures what it costs to take many streams that nobody plays: the relay and nginx-rtmp, one after the other in every
# round, on one core each.
#
#   docs/measure-ingest.sh [-r ROUNDS] [-s SECONDS] [-o FILE] [PUBLISHERS ...]     default: -r 3 -s 8 200
#
# With -o the figures of every round go to FILE as well, as CSV.
#
# The server runs on core $SERVER_CORE (0), the publishers on core $LOAD_CORE (1), all over loopback. Each sends
# 2.5 Mb/s. $SERVERS names what to measure ("relay nginx"). $PREFIX goes before every command, such as "chrt -r 10" where
# others use the machine. $BIN_DIR has bench and relay; without it they are built.
# Needs taskset, ffmpeg with libx264, and nginx with its RTMP module (Debian: nginx, libnginx-mod-rtmp).
#
# CPU is that of the server's process and its system calls; memory is what has come with the publishers. The relay keeps
# each stream's newest groups of pictures for players to come, nginx-rtmp does not. Each cell has the median of all
# rounds, and the smallest and the largest value.
set -euo pipefail

rounds=3 seconds=8 output= servers=${SERVERS:-relay nginx}
. "$(dirname "$0")/measure-servers.bash"
[ $# -gt 0 ] || set -- 200

measure() { # SERVER PUBLISHERS ROUND
    start "$1"
    if ! "${prefix[@]}" taskset -c "$load_core" "$BIN_DIR/bench" publishers "$url" "$work/stream.flv" -n "$2" --seconds "$seconds" \
        --pid "$server" --json >"$work/report.json" 2>"$work/publishers.log"; then
        sed "s/^/round $3, $2 publishers, $1: /" "$work/publishers.log" >&2
    fi
    stop
    note "$2" "$1" "$3" \
        "$(figure server cpu_seconds_per_gb)" "$(figure server user_seconds)" "$(figure server cpu_seconds)" \
        "$(figure server wall_seconds)" "$(figure server resident_bytes)" \
        "$(figure server resident_bytes_per_connection)" "$(figure megabits_per_second)" \
        "$(figure lateness p99_ms)" "$(figure own_core_percent)"
}

run_rounds "$@"
write_output publishers server round cpu_s_per_gb user_s cpu_s wall_s resident_bytes bytes_per_publisher \
    megabits_per_second lateness_p99_ms bench_core_percent

awk -F, "$cells"'
    {
        begin_row($1 SUBSEP $2)
        add("cost", $4)
        if ($7 > 0) { add("core", $6 * 100 / $7); add("user", $5 * 100 / $7) }
        if ($8 != "") add("resident", $8 / 1048576)
        if ($9 != "") add("memory", $9 / 1024)
        add("rate", $10); add("late", $11); add("load", $12)
    }
    END {
        line = "%-10s %-6s  %-19s %-17s %-16s %-19s %-22s %-22s %-17s %s\n"
        printf line, "publishers", "server", "CPU s per GB", "core %", "user %", "RSS MiB", "KiB a publisher", \
            "Mb/s in all", "lateness p99 ms", "bench core %"
        for (r = 1; r <= count; r++) {
            row = rows[r]
            split(row, key, SUBSEP)
            printf line, key[1], key[2], cell("cost", "%.2f"), cell("core", "%.1f"), cell("user", "%.1f"), \
                cell("resident", "%.1f"), cell("memory", "%.1f"), cell("rate", "%.1f"), cell("late", "%.1f"), \
                cell("load", "%.1f")
        }
    }
' "$work/figures"
