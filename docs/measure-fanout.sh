#!/usr/bin/env bash
# Measures what it costs to send one stream to many players: the relay, nginx-rtmp, and the floor (`bench floor`:
# one write per message and player, nothing else), one after the other in every round, on one core each.
#
#   docs/measure-fanout.sh [-r ROUNDS] [-s SECONDS] [-o FILE] [PLAYERS ...]     default: -r 3 -s 8 100 300 1000
#
# With -o the figures of every round go to FILE as well, as CSV: docs/plot-fanout.py draws them.
#
# The server runs on core $SERVER_CORE (0), publisher and players on core $LOAD_CORE (1), all over loopback.
# $SERVERS names what to measure ("floor relay nginx"); "floor+350" and "relay+350" gather messages for 350 ms. $PREFIX
# goes before every command, such as "chrt -r 10" where others use the machine. $BIN_DIR has bench and relay; without it
# they are built.
# Needs taskset, ffmpeg with libx264, and nginx with its RTMP module (Debian: nginx, libnginx-mod-rtmp).
#
# CPU is that of the server's process and its system calls, in seconds for each gigabyte delivered. Figures of
# different rounds differ with what else the machine does; so the ratio to the floor is taken within each round. Each
# cell has the median of all rounds, and the smallest and the largest value.
set -euo pipefail

rounds=3 seconds=8 output= servers=${SERVERS:-floor relay nginx}
. "$(dirname "$0")/measure-servers.bash"
[ $# -gt 0 ] || set -- 100 300 1000

measure() { # SERVER PLAYERS ROUND
    start "$1"
    if [ "$1" != floor ]; then
        "${prefix[@]}" taskset -c "$load_core" "$BIN_DIR/bench" publishers "$url" "$work/stream.flv" --stamp >"$work/publisher.log" 2>&1 &
        clients=$!
        sleep 1
    fi
    if ! "${prefix[@]}" taskset -c "$load_core" "$BIN_DIR/bench" players "$url" -n "$2" --seconds "$seconds" --pid "$server" --json \
        >"$work/report.json" 2>"$work/players.log"; then
        sed "s/^/round $3, $2 players, $1: /" "$work/players.log" >&2
    fi
    stop
    note "$2" "$1" "$3" \
        "$(figure server cpu_seconds_per_gb)" "$(figure server user_seconds)" "$(figure server cpu_seconds)" \
        "$(figure server wall_seconds)" "$(figure latency p50_ms)" "$(figure latency p99_ms)" \
        "$(figure server resident_bytes_per_connection)" "$(figure delivered_ratio)" \
        "$(figure play_to_keyframe p50_ms)" "$(figure own_core_percent)"
}

run_rounds "$@"
write_output players server round cpu_s_per_gb user_s cpu_s wall_s latency_p50_ms latency_p99_ms bytes_per_player \
    delivered_ratio play_to_keyframe_p50_ms bench_core_percent

awk -F, "$cells"'
    function gathered(server) { return server ~ /[+]/ ? substr(server, index(server, "+")) : "" }
    FNR == NR { if ($2 ~ /^floor/) floor[$1, $3, gathered($2)] = $4; next }
    {
        begin_row($1 SUBSEP $2)
        add("cost", $4)
        base = floor[$1, $3, gathered($2)]
        if (base > 0) add("ratio", $4 / base)
        if ($7 > 0) { add("core", $6 * 100 / $7); add("user", $5 * 100 / $7) }
        add("p50", $8); add("p99", $9)
        if ($10 != "") add("memory", $10 / 1024)
        if ($11 != "") add("delivered", $11 * 100)
        add("keyframe", $12); add("load", $13)
    }
    END {
        line = "%-7s %-9s  %-19s %-18s %-17s %-14s %-18s %-20s %-17s %-19s %-20s %s\n"
        printf line, "players", "server", "CPU s per GB", "ratio to floor", "core %", "user %", "latency p50 ms", \
            "latency p99 ms", "KiB a player", "delivered %", "play to keyframe ms", "bench core %"
        for (r = 1; r <= count; r++) {
            row = rows[r]
            split(row, key, SUBSEP)
            printf line, key[1], key[2], cell("cost", "%.2f"), cell("ratio", "%.2f"), cell("core", "%.1f"), \
                cell("user", "%.1f"), cell("p50", "%.1f"), cell("p99", "%.1f"), cell("memory", "%.1f"), \
                cell("delivered", "%.1f"), cell("keyframe", "%.2f"), cell("load", "%.1f")
        }
    }
' "$work/figures" "$work/figures"
