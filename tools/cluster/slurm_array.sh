#!/usr/bin/env bash
# One shard of an evaluation per task of a Slurm array. docs/cluster.md says how it is used.
#
#   sbatch --array=1-8 [SBATCH OPTIONS] slurm_array.sh WEIGHTS DATA OUT [OPTIONS OF regnet eval...]
#
# Environment: REGNET    the command (default: regnet, as found on PATH)
#              SHARDS    of how many shards the array is a part; needed only when an incomplete array is the first one in OUT
#              RESTARTS  how often a task that was killed is put back into the queue (default: 5)
#
#SBATCH --job-name=regnet-eval
#SBATCH --cpus-per-task=4
# Lets Slurm run a task again when its node is lost or another job takes its place; its journal makes it go on where it was.
#SBATCH --requeue
# A task that goes on adds to its log instead of emptying it.
#SBATCH --open-mode=append
# A minute before the time limit the script is told, so that it goes back into the queue instead of being lost.
#SBATCH --signal=B:USR1@60
set -euo pipefail

fail() {
  echo "slurm_array.sh: $*" >&2
  exit 2
}

[[ $# -ge 3 ]] || fail "expected WEIGHTS DATA OUT [OPTIONS OF regnet eval...], found $# arguments"
[[ -n ${SLURM_ARRAY_TASK_ID:-} ]] || fail "this is not a task of a Slurm array: submit it with sbatch --array=1-N"
weights=$1 data=$2 out=$3
shift 3
regnet=${REGNET:-regnet}
task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
node=${SLURMD_NODENAME:-$(hostname)}
command -v "$regnet" > /dev/null || fail "REGNET: there is no command '$regnet' on $node"
[[ -r $weights ]] || fail "WEIGHTS: cannot read '$weights' on $node"
[[ -r $data ]] || fail "DATA: cannot read '$data' on $node"
mkdir -p "$out" || fail "OUT: cannot make the folder '$out'"

# An array such as 3,5 repeats lost shards, so its size is not the number of shards: then the files of the earlier run tell it.
shards=${SHARDS:-}
for file in "$out"/shard-*-of-*.*; do
  [[ -e $file ]] || continue
  found=${file##*-of-}
  found=${found%%.*}
  [[ ${shards:=$found} == "$found" ]] || fail "OUT: '$out' has shards of $found, expected shards of $shards: use another folder"
done
if [[ -z $shards ]]; then
  first=${SLURM_ARRAY_TASK_MIN:-} last=${SLURM_ARRAY_TASK_MAX:-} shards=${SLURM_ARRAY_TASK_COUNT:-}
  [[ $first == 1 && $last == "$shards" ]] || fail "the array has $shards tasks from $first to $last: expected 1-N, or N in SHARDS"
fi
shard=$SLURM_ARRAY_TASK_ID
[[ $shards =~ ^[1-9][0-9]*$ ]] || fail "SHARDS: expected a number from 1 up, found '$shards'"
((shard >= 1 && shard <= shards)) || fail "there is no shard $shard of $shards: expected --array within 1-$shards"

name=$out/shard-$shard-of-$shards
if [[ -e $name.csv ]]; then
  echo "shard $shard of $shards is there already: $name.csv"
  exit 0
fi

requeue() {
  local restarts=${SLURM_RESTART_COUNT:-0}
  if ((restarts >= ${RESTARTS:-5})); then
    echo "slurm_array.sh: shard $shard of $shards: $1; it was restarted $restarts times already, so it is given up" >&2
    exit 1
  fi
  echo "slurm_array.sh: shard $shard of $shards: $1; back into the queue (restart $((restarts + 1)))" >&2
  scontrol requeue "$task"
  # Slurm ends this script now; its own end before that would count as the task's end.
  sleep 60
  exit 1
}

echo "shard $shard of $shards on $node, restart ${SLURM_RESTART_COUNT:-0}: $name.csv"
# In the background, because bash handles a signal only when no command runs in the foreground.
"$regnet" eval --weights "$weights" --data "$data" --shard "$shard/$shards" --threads "${SLURM_CPUS_PER_TASK:-1}" "$@" \
  --journal "$name.journal" --predictions "$name.csv.part" --output json > "$name.json.part" &
child=$!
trap 'kill -KILL "$child" 2> /dev/null || true; requeue "the time limit is near"' USR1
status=0
wait "$child" || status=$?
trap '' USR1

# 3: done, but some images could not be read; the predictions name them, and the merge counts them.
case $status in
  0 | 3) ;;
  *)
    ((status > 128)) && requeue "regnet was killed by signal $((status - 128))"
    echo "slurm_array.sh: shard $shard of $shards: regnet ended with $status, which another try would not change" >&2
    exit "$status"
    ;;
esac
# The CSV comes last and by renaming: where it is, the shard is complete.
mv "$name.json.part" "$name.json"
mv "$name.csv.part" "$name.csv"
rm -f "$name.journal"
echo "shard $shard of $shards is complete: $name.csv"
