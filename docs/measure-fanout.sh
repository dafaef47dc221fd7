#!/usr/bin/env bash
# Measures what it costs to send one stream to many players: the relay, nginx-rtmp, and the floor (`bench floor`:
# one write per message and player, nothing else), one after the other in every round, on one core each.
#
#   docs/measure-fanout.sh [-r ROUNDS] [-s SECONDS] [PLAYERS ...]        default: -r 3 -s 8 100 300 1000
#
# The server runs on core $SERVER_CORE (0), publisher and players on core $LOAD_CORE (1), all over loopback.
# $SERVERS names what to measure ("floor relay nginx"); "floor+350" and "relay+350" gather messages for 350 ms. $PREFIX
# goes before every command, such as "chrt -r 10" where others use the machine. $BIN_DIR has bench and relay; without it they are built.
# Needs taskset, ffmpeg with libx264, and nginx with its RTMP module (Debian: nginx, libnginx-mod-rtmp).
#
# CPU is that of the server's process and its system calls, in seconds for each gigabyte delivered. Figures of
# different rounds differ with what else the machine does; so the ratio to the floor is taken within each round. Each
# cell has the median of all rounds, and the smallest and the largest value.
set -euo pipefail

rounds=3 seconds=8
while getopts r:s:h option; do
    case $option in
        r) rounds=$OPTARG ;;
        s) seconds=$OPTARG ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
counts=("${@:-100}")
[ $# -gt 0 ] || counts=(100 300 1000)
server_core=${SERVER_CORE:-0} load_core=${LOAD_CORE:-1}
servers=(${SERVERS:-floor relay nginx})
prefix=(${PREFIX:-})
nginx_module=${NGINX_RTMP_MODULE:-/usr/lib/nginx/modules/ngx_rtmp_module.so}
port=${PORT:-19350}
url=rtmp://127.0.0.1:$port/live/cam

root=$(cd "$(dirname "$0")/.." && pwd)
for tool in taskset ffmpeg; do
    command -v "$tool" >/dev/null || { echo "measure-fanout: $tool is missing" >&2; exit 1; }
done
if [ -z "${BIN_DIR:-}" ]; then
    (cd "$root" && cargo build --release -p rtmp-examples --bin bench --bin relay)
    BIN_DIR=${CARGO_TARGET_DIR:-$root/target}/release
fi
# Players need a descriptor each, on both sides. Where we may not raise the limit, bench says what is missing.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

work=$(mktemp -d)
server= publisher=
stop() {
    local pid
    for pid in $publisher $server; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
    done
    publisher= server=
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# 2.5 Mb/s: H.264 at 30 frames a second with a keyframe every two seconds, AAC at 128 kb/s.
ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=30:duration=20 -f lavfi -i anoisesrc=amplitude=0.1:duration=20 \
    -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 60 -keyint_min 60 -sc_threshold 0 -bf 0 \
    -b:v 2400k -minrate 2400k -maxrate 2400k -bufsize 1200k -x264-params nal-hrd=cbr:force-cfr=1 \
    -c:a aac -b:a 128k -ar 44100 -ac 2 -f flv "$work/stream.flv"

cat >"$work/nginx.conf" <<EOF
load_module $nginx_module;
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events { worker_connections 20000; }
rtmp { server { listen 127.0.0.1:$port; application live { live on; } } }
EOF

start() {
    local gather=0
    case $1 in
        *+*) gather=${1#*+} ;;
    esac
    case $1 in
        floor*) set -- "$BIN_DIR/bench" floor --listen "127.0.0.1:$port" --merge "$gather" "$work/stream.flv" ;;
        relay*) set -- "$BIN_DIR/relay" --listen "127.0.0.1:$port" --max-connections 20000 --latency "$gather" ;;
        nginx) set -- nginx -p "$work" -c "$work/nginx.conf" ;;
        *) echo "measure-fanout: there is no server $1" >&2; exit 1 ;;
    esac
    "${prefix[@]}" taskset -c "$server_core" "$@" >"$work/server.log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/server.log" >&2
    echo "measure-fanout: the server does not listen" >&2
    exit 1
}

# The first number behind a key, in one of the report's objects if a second name is given.
figure() {
    if [ $# -eq 2 ]; then
        sed -n "/\"$1\": {/,/}/s/.*\"$2\": \([0-9.e-]*\).*/\1/p" "$work/report.json" | head -n 1
    else
        sed -n "s/^  \"$1\": \([0-9.e-]*\).*/\1/p" "$work/report.json" | head -n 1
    fi
}

measure() { # SERVER PLAYERS ROUND
    start "$1"
    if [[ $1 != floor* ]]; then
        "${prefix[@]}" taskset -c "$load_core" "$BIN_DIR/bench" publishers "$url" "$work/stream.flv" --stamp >"$work/publisher.log" 2>&1 &
        publisher=$!
        sleep 1
    fi
    if ! "${prefix[@]}" taskset -c "$load_core" "$BIN_DIR/bench" players "$url" -n "$2" --seconds "$seconds" --pid "$server" --json \
        >"$work/report.json" 2>"$work/players.log"; then
        sed "s/^/round $3, $2 players, $1: /" "$work/players.log" >&2
    fi
    stop
    awk -v OFS='\t' 'BEGIN { for (i = 1; i < ARGC; i++) { printf "%s%s", ARGV[i], i < ARGC - 1 ? OFS : "\n" } }' \
        "$2" "$1" "$3" \
        "$(figure server cpu_seconds_per_gb)" "$(figure server user_seconds)" "$(figure server cpu_seconds)" \
        "$(figure server wall_seconds)" "$(figure latency p50_ms)" "$(figure latency p99_ms)" \
        "$(figure server resident_bytes_per_connection)" "$(figure delivered_ratio)" \
        "$(figure play_to_keyframe p50_ms)" "$(figure own_core_percent)" >>"$work/figures"
}

for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds, load average $(cut -d' ' -f1-3 /proc/loadavg)" >&2
    for count in "${counts[@]}"; do
        for name in "${servers[@]}"; do
            measure "$name" "$count" "$round"
        done
    done
done

awk -F'\t' '
    function add(column, value) {
        if (value == "") return
        n = ++number[row, column]
        for (i = n; i > 1 && list[row, column, i - 1] > value + 0; i--) list[row, column, i] = list[row, column, i - 1]
        list[row, column, i] = value + 0
    }
    function cell(column, format,    n, median) {
        n = number[row, column]
        if (!n) return "-"
        median = (list[row, column, int((n + 1) / 2)] + list[row, column, int((n + 2) / 2)]) / 2
        return sprintf(format " (" format "-" format ")", median, list[row, column, 1], list[row, column, n])
    }
    function gathered(server) { return server ~ /[+]/ ? substr(server, index(server, "+")) : "" }
    FNR == NR { if ($2 ~ /^floor/) floor[$1, $3, gathered($2)] = $4; next }
    {
        row = $1 SUBSEP $2
        if (!(row in seen)) { seen[row] = 1; rows[++count] = row }
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
