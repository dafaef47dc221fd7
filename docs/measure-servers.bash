# What the scripts share that measure servers beside each other, measure-fanout.sh and measure-ingest.sh. $SERVERS names what
# to measure. Needs nginx with its RTMP module (Debian: nginx, libnginx-mod-rtmp).

. "$(dirname "$0")/measure.bash"
nginx_module=${NGINX_RTMP_MODULE:-/usr/lib/nginx/modules/ngx_rtmp_module.so}

# 2.5 Mb/s: the pictures, and AAC at 128 kb/s.
encode 2400 -f lavfi -i anoisesrc=amplitude=0.1:duration=20 -c:a aac -b:a 128k -ar 44100 -ac 2

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
    listen "$port" "$@"
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
