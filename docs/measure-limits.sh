#!/usr/bin/env bash
# Measures what strangers can make the relay hold and do: silent connections, players that do not read, unfinished
# messages, publishers that break off, connections that come and go, and a shutdown with many clients. And what TLS costs.
#
#   docs/measure-limits.sh [-r ROUNDS] [-s SECONDS]     default: -r 3 -s 8
#
# The relay runs on core $SERVER_CORE (0), the load on core $LOAD_CORE (1), all over loopback; a new relay for each
# figure. $PREFIX goes before every command, such as "chrt -r 10" where others use the machine. $BIN_DIR has bench and
# relay; without it they are built. Needs taskset, openssl, and ffmpeg with libx264.
set -euo pipefail

rounds=3 seconds=8
while getopts r:s:h option; do
    case $option in
        r) rounds=$OPTARG ;;
        s) seconds=$OPTARG ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
done
server_core=${SERVER_CORE:-0} load_core=${LOAD_CORE:-1} port=${PORT:-19350}
prefix=(${PREFIX:-})
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${BIN_DIR:-}" ]; then
    (cd "$root" && cargo build --release -p rtmp-examples --bin bench --bin relay)
    BIN_DIR=${CARGO_TARGET_DIR:-$root/target}/release
fi
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

work=$(mktemp -d)
server= clients=
stop() {
    local pid
    for pid in $clients $server; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
    done
    clients= server=
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# 5 Mb/s: H.264 at 30 frames a second with a keyframe every two seconds.
ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=30:duration=20 -c:v libx264 -preset veryfast -pix_fmt yuv420p \
    -g 60 -keyint_min 60 -sc_threshold 0 -bf 0 -b:v 5000k -minrate 5000k -maxrate 5000k -bufsize 2500k \
    -x264-params nal-hrd=cbr:force-cfr=1 -f flv "$work/stream.flv"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

plain=rtmp://127.0.0.1:$port/live/cam tls=rtmps://localhost:$((port + 1))/live/cam

start() {
    "${prefix[@]}" taskset -c "$server_core" "$BIN_DIR/relay" --listen "127.0.0.1:$port" --max-connections 20000 \
        --tls-listen "127.0.0.1:$((port + 1))" --tls-cert "$work/cert.pem" --tls-key "$work/key.pem" \
        >"$work/server.log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/server.log" >&2
    exit 1
}

bench() {
    "${prefix[@]}" taskset -c "$load_core" "$BIN_DIR/bench" "$@" --ca "$work/cert.pem"
}

in_background() { # LOAD ...
    bench "$@" >"$work/background.log" 2>&1 &
    clients="$clients $!"
}

# Resident memory in KiB, and open descriptors, of the relay.
state() {
    printf '%s KiB, %s descriptors' "$(awk '/^VmRSS/ {print $2}' "/proc/$server/status")" \
        "$(find "/proc/$server/fd" -mindepth 1 | wc -l)"
}

shown() { # LABEL ROW ...: rows of bench's table, on one line
    local label=$1 row text=
    shift
    for row in "$@"; do
        text="$text; $(sed -n "s/^$row   *//p" "$work/report")"
    done
    printf '%-42s %s\n' "$label" "${text#; }"
}

measure() { # LABEL ROWS LOAD ...: ROWS are separated by |
    local label=$1 rows
    IFS='|' read -ra rows <<<"$2"
    shift 2
    bench "$@" --pid "$server" >"$work/report" 2>"$work/errors" || sed 's/^/  /' "$work/errors"
    shown "$label" "${rows[@]}"
}

for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds, load average $(cut -d' ' -f1-3 /proc/loadavg)"

    for stage in tcp handshake connect; do
        start; measure "1000 silent, $stage" 'server memory|server CPU' idle "$plain" -n 1000 --stage "$stage" --seconds 2; stop
    done
    for stage in tcp connect; do
        start; measure "1000 silent, $stage, TLS" 'server memory|server CPU' idle "$tls" -n 1000 --stage "$stage" --seconds 2; stop
    done

    start; measure 'as much as may be, before publish' 'server memory' idle "$plain" -n 50 --stage connect --unfinished 1000000 --seconds 1; stop
    start; measure 'as much as may be, publishing' 'server memory' idle "$plain" -n 50 --stage publish --unfinished 16000000 --seconds 1; stop

    start
    in_background publishers "$plain" "$work/stream.flv" --stamp
    sleep 3
    measure '1 healthy player' 'latency|server memory' players "$plain" -n 1 --check all --seconds "$seconds"
    bench idle "$plain" -n 1000 --stage play --seconds "$seconds" --pid "$server" >"$work/idle" 2>&1 &
    clients="$clients $!"
    sleep 3
    measure 'the same beside 1000 that do not read' 'latency' players "$plain" -n 1 --check all --seconds 3
    wait $! || true
    cp "$work/idle" "$work/report"
    shown '  and those 1000' 'server memory' 'server CPU'
    stop

    start
    before=$(state)
    measure '1000 flaps' 'flaps|back on air' flaps "$plain" -n 1000
    echo "  before: $before; behind: $(state)"
    stop

    start
    bench connect "$plain" -n 1000 >"$work/report"
    before=$(state)
    measure '10,000 connections' 'connections|server CPU cost' connect "$plain" -n 10000
    echo "  before: $before; behind: $(state)"
    measure '2000 connections in TLS' 'connections|server CPU cost' connect "$tls" -n 2000
    stop

    for url in "$plain" "$tls"; do
        start
        in_background publishers "$plain" "$work/stream.flv"
        sleep 3
        measure "200 players, ${url%%:*}" 'server CPU cost|server CPU|server memory' players "$url" -n 200 --check 2 --seconds "$seconds"
        stop
    done

    start
    in_background publishers "$plain" "$work/stream.flv" -n 50
    sleep 3
    in_background players "${plain}-0" -n 1000 --check 0 --seconds 1000
    sleep 6
    count=$(find "/proc/$server/fd" -lname 'socket:*' | wc -l)
    begin=$(date +%s%N)
    kill -TERM "$server"
    wait "$server" 2>/dev/null || true
    printf '%-42s %s ms, with %s sockets\n' 'shutdown of 1000 players, 50 publishers' $((($(date +%s%N) - begin) / 1000000)) "$count"
    server=
    stop
done
