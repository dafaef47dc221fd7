# What the measuring scripts share: read by measure-fanout.sh and measure-ingest.sh, which set $rounds, $seconds and
# $output to their defaults before. Takes the options; leaves what else the command line has in "$@".
#
# The server runs on core $SERVER_CORE (0), its clients on core $LOAD_CORE (1), all over loopback. $SERVERS names what
# to measure. $PREFIX goes before every command. $BIN_DIR has bench and relay; without it they are built.
# Needs taskset, ffmpeg with libx264, and nginx with its RTMP module (Debian: nginx, libnginx-mod-rtmp).

while getopts r:s:o:h option; do
    case $option in
        r) rounds=$OPTARG ;;
        s) seconds=$OPTARG ;;
        o) output=$OPTARG ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
server_core=${SERVER_CORE:-0} load_core=${LOAD_CORE:-1}
prefix=(${PREFIX:-})
nginx_module=${NGINX_RTMP_MODULE:-/usr/lib/nginx/modules/ngx_rtmp_module.so}
port=${PORT:-19350}
url=rtmp://127.0.0.1:$port/live/cam

root=$(cd "$(dirname "$0")/.." && pwd)
for tool in taskset ffmpeg; do
    command -v "$tool" >/dev/null || { echo "$0: $tool is missing" >&2; exit 1; }
done
if [ -z "${BIN_DIR:-}" ]; then
    (cd "$root" && cargo build --release -p rtmp-examples --bin bench --bin relay)
    BIN_DIR=${CARGO_TARGET_DIR:-$root/target}/release
fi
# Each connection needs a descriptor on both sides. Where we may not raise the limit, bench says what is missing.
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

cat >"$work/nginx.conf" <<END
load_module $nginx_module;
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events { worker_connections 20000; }
rtmp { server { listen 127.0.0.1:$port; application live { live on; } } }
END

# Starts a server, and waits until it listens.
start() {
    local gather=0
    case $1 in
        *+*) gather=${1#*+} ;;
    esac
    case $1 in
        floor*) set -- "$BIN_DIR/bench" floor --listen "127.0.0.1:$port" --merge "$gather" "$work/stream.flv" ;;
        relay*) set -- "$BIN_DIR/relay" --listen "127.0.0.1:$port" --max-connections 20000 --latency "$gather" ;;
        nginx) set -- nginx -p "$work" -c "$work/nginx.conf" ;;
        *) echo "$0: there is no server $1" >&2; exit 1 ;;
    esac
    "${prefix[@]}" taskset -c "$server_core" "$@" >"$work/server.log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/server.log" >&2
    echo "$0: the server does not listen" >&2
    exit 1
}

# The first number behind a key of bench's report, in one of its objects if a second name is given.
figure() {
    if [ $# -eq 2 ]; then
        sed -n "/\"$1\": {/,/}/s/.*\"$2\": \([0-9.e-]*\).*/\1/p" "$work/report.json" | head -n 1
    else
        sed -n "s/^  \"$1\": \([0-9.e-]*\).*/\1/p" "$work/report.json" | head -n 1
    fi
}

# Adds a line of figures, of which some may be missing.
note() {
    (IFS=,; echo "$*") >>"$work/figures"
}

# Measures every server once in every round, with each count. Needs a function measure: SERVER COUNT ROUND.
run_rounds() { # COUNT ...
    local round count name
    for ((round = 1; round <= rounds; round++)); do
        echo "round $round of $rounds, load average $(cut -d' ' -f1-3 /proc/loadavg)" >&2
        for count in "$@"; do
            for name in $servers; do
                measure "$name" "$count" "$round"
            done
        done
    done
}

# The figures under their names, for -o.
write_output() { # NAME ...
    [ -n "$output" ] || return 0
    (IFS=,; echo "$*") | cat - "$work/figures" >"$output"
}

# For awk: a cell has the median of all rounds, and the smallest and the largest value.
cells='
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
    function begin_row(name) {
        row = name
        if (!(row in seen)) { seen[row] = 1; rows[++count] = row }
    }
'
