# What all measuring scripts share. They set $rounds and $seconds to their defaults before they read this, and $output if
# they write figures to a file. Takes the options; leaves what else the command line has in "$@".
#
# Servers run on core $SERVER_CORE (0), their clients on core $LOAD_CORE (1), all over loopback. $PREFIX goes before every
# command. $BIN_DIR has bench and relay; without it they are built. Needs taskset, and ffmpeg with libx264.

while getopts "r:s:${output+o:}h" option; do
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

# H.264 at 30 frames a second with a keyframe every two seconds, at a constant rate of so many kb/s, into $work/stream.flv.
# Further inputs and options come behind.
encode() { # RATE [OPTION ...]
    local rate=$1
    shift
    ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=30:duration=20 "$@" \
        -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 60 -keyint_min 60 -sc_threshold 0 -bf 0 \
        -b:v "${rate}k" -minrate "${rate}k" -maxrate "${rate}k" -bufsize "$((rate / 2))k" \
        -x264-params nal-hrd=cbr:force-cfr=1 -f flv "$work/stream.flv"
}

# Starts a server, and waits until it listens on a port.
listen() { # PORT COMMAND ...
    local at=$1
    shift
    "${prefix[@]}" taskset -c "$server_core" "$@" >"$work/server.log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$at") 2>/dev/null && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/server.log" >&2
    echo "$0: the server does not listen" >&2
    exit 1
}
