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
. "$(dirname "$0")/measure.bash"
tls=rtmps://localhost:$((port + 1))/live/cam

# 5 Mb/s, pictures alone.
encode 5000
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

start() {
    listen "$((port + 1))" "$BIN_DIR/relay" --listen "127.0.0.1:$port" --max-connections 20000 \
        --tls-listen "127.0.0.1:$((port + 1))" --tls-cert "$work/cert.pem" --tls-key "$work/key.pem"
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
        start; measure "1000 silent, $stage" 'server memory|server CPU' idle "$url" -n 1000 --stage "$stage" --seconds 2; stop
    done
    for stage in tcp connect; do
        start; measure "1000 silent, $stage, TLS" 'server memory|server CPU' idle "$tls" -n 1000 --stage "$stage" --seconds 2; stop
    done

    start; measure 'as much as may be, before publish' 'server memory' idle "$url" -n 50 --stage connect --unfinished 1000000 --seconds 1; stop
    start; measure 'as much as may be, publishing' 'server memory' idle "$url" -n 50 --stage publish --unfinished 16000000 --seconds 1; stop

    start
    in_background publishers "$url" "$work/stream.flv" --stamp
    sleep 3
    measure '1 healthy player' 'latency|server memory' players "$url" -n 1 --check all --seconds "$seconds"
    bench idle "$url" -n 1000 --stage play --seconds "$seconds" --pid "$server" >"$work/idle" 2>&1 &
    clients="$clients $!"
    sleep 3
    measure 'the same beside 1000 that do not read' 'latency' players "$url" -n 1 --check all --seconds 3
    wait $! || true
    cp "$work/idle" "$work/report"
    shown '  and those 1000' 'server memory' 'server CPU'
    stop

    start
    before=$(state)
    measure '1000 flaps' 'flaps|back on air' flaps "$url" -n 1000
    echo "  before: $before; behind: $(state)"
    stop

    start
    bench connect "$url" -n 1000 >"$work/report"
    before=$(state)
    measure '10,000 connections' 'connections|server CPU cost' connect "$url" -n 10000
    echo "  before: $before; behind: $(state)"
    measure '2000 connections in TLS' 'connections|server CPU cost' connect "$tls" -n 2000
    stop

    for address in "$url" "$tls"; do
        start
        in_background publishers "$url" "$work/stream.flv"
        sleep 3
        measure "200 players, ${address%%:*}" 'server CPU cost|server CPU|server memory' players "$address" -n 200 --check 2 --seconds "$seconds"
        stop
    done

    start
    in_background publishers "$url" "$work/stream.flv" -n 50
    sleep 3
    in_background players "${url}-0" -n 1000 --check 0 --seconds 1000
    sleep 6
    count=$(find "/proc/$server/fd" -lname 'socket:*' | wc -l)
    begin=$(date +%s%N)
    kill -TERM "$server"
    wait "$server" 2>/dev/null || true
    printf '%-42s %s ms, with %s sockets\n' 'shutdown of 1000 players, 50 publishers' $((($(date +%s%N) - begin) / 1000000)) "$count"
    server=
    stop
done
