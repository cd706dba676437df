#!/usr/bin/env bash
# An evaluation in shards with GNU parallel, on this host or on several. docs/cluster.md says how it is used.
#
#   parallel.sh SHARDS WEIGHTS DATA OUT [OPTIONS OF regnet eval...]
#
# Environment: REGNET   the command (default: regnet, as found on PATH)
#              JOBS     shards at the same time on each host (default: 1)
#              THREADS  threads of each shard (default: as many as regnet takes)
#              RETRIES  how often a shard is tried (default: 3)
#              HOSTS    hosts as GNU parallel takes them, such as 4/node1,4/node2 (':' is this host); all of them must see this script and
#                       WEIGHTS, DATA and OUT under the same absolute paths
#
# The same line again runs only what is not there yet.
set -euo pipefail

fail() {
  echo "parallel.sh: $*" >&2
  exit 2
}

# Called by GNU parallel, on the host where the shard runs.
one_shard() {
  local shard=$1 shards=$2 regnet=$3 threads=$4 weights=$5 data=$6 out=$7
  shift 7
  local name=$out/shard-$shard-of-$shards status=0
  [[ ! -e $name.csv ]] || return 0
  command -v "$regnet" > /dev/null || fail "REGNET: there is no command '$regnet' on $(hostname)"
  # With a limit on the threads only when one is asked for: regnet knows how many processors it may use.
  "$regnet" eval --weights "$weights" --data "$data" --shard "$shard/$shards" ${threads:+--threads "$threads"} "$@" \
    --journal "$name.journal" --predictions "$name.csv.part" --output json > "$name.json.part" || status=$?
  # 3: done, but some images could not be read; the predictions name them, and the merge counts them.
  if [[ $status != 0 && $status != 3 ]]; then
    echo "parallel.sh: shard $shard of $shards: regnet ended with $status" >&2
    return "$status"
  fi
  # The CSV comes last and by renaming: where it is, the shard is complete.
  mv "$name.json.part" "$name.json"
  mv "$name.csv.part" "$name.csv"
  rm -f "$name.journal"
}

if [[ ${1:-} == --one-shard ]]; then
  shift
  one_shard "$@"
  exit
fi

[[ $# -ge 4 ]] || fail "expected SHARDS WEIGHTS DATA OUT [OPTIONS OF regnet eval...], found $# arguments"
[[ $1 =~ ^[1-9][0-9]*$ ]] || fail "SHARDS: expected a number from 1 up, found '$1'"
command -v parallel > /dev/null || fail "GNU parallel is missing"
[[ -r $2 ]] || fail "WEIGHTS: cannot read '$2'"
[[ -r $3 ]] || fail "DATA: cannot read '$3'"
mkdir -p "$4" || fail "OUT: cannot make the folder '$4'"
# On another host a job starts in the home folder, so paths are made absolute; links in them are kept, since they may lead elsewhere there.
shards=$1 weights=$(realpath -s "$2") data=$(realpath -s "$3") out=$(realpath -s "$4") self=$(realpath -s "$0")
shift 4
for file in "$out"/shard-*-of-*.*; do
  [[ ! -e $file || $file == *"-of-$shards".* ]] || fail "OUT: '$out' has '${file##*/}', expected shards of $shards: use another folder"
done
# --quote keeps spaces in the arguments. What is done already is told by the CSV files alone and not by the log (--resume-failed), which would
# still call a shard done whose CSV was deleted.
options=(--quote --jobs "${JOBS:-1}" --retries "${RETRIES:-3}" --joblog "+$out/joblog" --line-buffer)
[[ -z ${HOSTS:-} ]] || options+=(--sshlogin "$HOSTS")
seq "$shards" |
  parallel "${options[@]}" "$self" --one-shard '{}' "$shards" "${REGNET:-regnet}" "${THREADS:-}" "$weights" "$data" "$out" "$@"
