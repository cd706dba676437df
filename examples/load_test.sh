#!/usr/bin/env bash
# Puts examples/http_service under load by wrk, on this machine, and holds what wrk counted against the service's own /metrics. Every answer is compared with that of regnet predict.
# Usage: examples/load_test.sh [--quick] [HTTP_SERVICE [REGNET]]
# WEIGHTS (the demo network) and IMAGES (forty of the demo's pictures; several with blanks between) choose what is asked, QUEUE (16) how many pictures may wait.
# Exit codes: 0 all counts and answers agree, 1 they do not, 77 wrk is not here.
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/.." && pwd)
duration=10
if [ "${1:-}" = --quick ]; then duration=1 && shift; fi
http_service=${1:-$source_dir/build/release/examples/http_service}
regnet=${2:-$source_dir/build/release/regnet}
weights=${WEIGHTS:-$source_dir/demo/regnetx_fashion.safetensors}
queue=${QUEUE:-16}
workers=$(nproc)
command -v wrk >/dev/null || { echo "skipped: wrk is not installed (Debian: wrk)"; exit 77; }

work=$(mktemp -d)
service=
trap '[ -z "$service" ] || kill -KILL "$service" 2>/dev/null || true; rm -rf "$work"' EXIT
die() { printf 'load_test.sh: %s\n' "$*" >&2; exit 1; }

start() {
  "$http_service" "$weights" --port 0 --workers "$workers" --queue "$queue" --connections $((5 * (queue + workers))) >"$work/service" &
  service=$!
  for _ in $(seq 600); do
    port=$(sed -n 's/^listening on 127.0.0.1://p' "$work/service")
    [ -z "$port" ] || { metrics >/dev/null && return 0; }  # answers, so it has its threads
    sleep 0.1
  done
  die "the service does not listen"
}

stop() {
  kill -TERM "$service"
  wait "$service" || die "the service ended with $?"
  service=
  [ "$(tail -n 1 "$work/service")" = stopped ] || die "the service did not say that it stopped"
}

metrics() {
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
  sed '1,/^\r$/d' <&3
  exec 3>&-
}

# What wrk leaves behind when it ends is still answered: waits until nothing changes any more.
settled_metrics() {
  local last='' now
  until now=$(metrics) && [ "$now" = "$last" ]; do last=$now && sleep 0.3; done
  printf '%s\n' "$now"
}

# phase NAME CONNECTIONS some|none: a new service, so that its figures are of this phase alone; whether rejects are expected.
phase() {
  start
  wrk -t 1 -c "$2" -d "${duration}s" --timeout 30s -s "$source_dir/examples/load_test.lua" "http://127.0.0.1:$port" -- "$work/expected.csv" >"$work/wrk"
  settled_metrics >"$work/metrics"
  stop
  awk -v name="$1" -v connections="$2" -v rejects="$3" '
    function check(holds, what) { if (!holds) { print "load_test.sh: " name ": " what > "/dev/stderr"; failed = 1 } }
    FILENAME ~ /wrk$/ { wrk[$1] = $2; if ($1 ~ /^ms/) { p50[$1] = $3; p99[$1] = $4 } next }
    /quantile="0.5"/ { service_p50 = 1e3 * $2 }
    /quantile="0.99"/ { service_p99 = 1e3 * $2 }
    { service[$1] = $2 }
    /answers_total/ { answers += $2 }
    END {
      ok = service["regnet_classify_answers_total{code=\"200\"}"] + 0; rejected = service["regnet_classify_rejects_total"] + 0
      check(wrk["requests"] > 0 && wrk["ms200"] > 0, "wrk was answered nothing")
      check(wrk["wrong"] == 0, wrk["wrong"] " answers are not those of regnet predict")
      check(wrk["errors"] == 0, wrk["errors"] " connections failed")
      check(wrk["ms_other"] == 0, wrk["ms_other"] " answers are neither 200 nor 503")
      check(wrk["requests"] == wrk["ms200"] + wrk["ms503"] + wrk["ms_other"], "wrk does not agree with itself")
      check(answers == ok + rejected, "the service counted " answers " answers, but " ok " of 200 and " rejected " rejects")
      # wrk leaves when its time is over; each of its connections may then have one request that is answered but not read.
      check(ok >= wrk["ms200"] && rejected >= wrk["ms503"] && answers - wrk["requests"] <= connections,
            "wrk read " wrk["ms200"] " answers and " wrk["ms503"] " rejects, the service gave " ok " and " rejected)
      check(ok == service["regnet_classify_seconds_count"], "latencies of " service["regnet_classify_seconds_count"] " answers, expected " ok)
      check(rejects == "some" ? rejected > 0 : rejected == 0, rejected " rejects, expected " rejects)
      printf "%-22s %5d %9.0f %8.2f %8.2f %8.2f %8.2f %9d %9d %9d %9d %8.2f\n", name, connections, wrk["ms200"] / wrk["seconds"], p50["ms200"], p99["ms200"],
             service_p50, service_p99, wrk["ms200"], ok, wrk["ms503"], rejected, p99["ms503"]
      exit failed
    }' "$work/wrk" "$work/metrics" || failed=1
}

failed=0
# shellcheck disable=SC2086  # IMAGES are several words
"$regnet" predict -q -o csv --threads 1 --weights "$weights" ${IMAGES:-"$source_dir"/demo/images/*/*0.png} >"$work/expected.csv"
printf '%-22s %5s %9s %17s %17s %19s %19s %8s\n' '' '' answers 'ms by wrk' 'ms by /metrics' answers rejects 'reject'
printf '%-22s %5s %9s %8s %8s %8s %8s %9s %9s %9s %9s %8s\n' load conn. per_s p50 p99 p50 p99 wrk service wrk service ms_p99
phase 'one for each worker' "$workers" none
phase 'as many as may wait' "$queue" none
phase 'four times too many' $((4 * (queue + workers))) some
[ "$failed" -eq 0 ] && echo "every answer is that of regnet predict, the counts of both sides agree, and each service stopped cleanly"
exit "$failed"
