#!/usr/bin/env bash
# Joins the shards in a folder. It adds to regnet eval --merge that it names every lost shard, and that it compares the shards' reports: predictions
# do not tell which weights they come from, so a shard that was repeated with others would not be noticed.
#
#   merge.sh OUT [OPTIONS OF regnet eval --merge, such as --predictions whole.csv...]
#
# Environment: REGNET  the command (default: regnet, as found on PATH)
set -euo pipefail

fail() {
  echo "merge.sh: $*" >&2
  exit 2
}

[[ $# -ge 1 ]] || fail "expected the folder of the shards"
out=$1
shift
[[ -d $out ]] || fail "OUT: there is no folder '$out'"
shards=
for file in "$out"/shard-*-of-*.*; do
  [[ -e $file ]] || fail "OUT: '$out' has no shards"
  found=${file##*-of-}
  found=${found%%.*}
  [[ ${shards:=$found} == "$found" ]] || fail "OUT: '$out' has shards of $shards and of $found: expected those of one run"
done

# What an answer depends on, a line each; kinds of CPU may differ.
identity() {
  tr -d '\n' < "$1" | sed -E 's/"source": *"[^"]*",? *//' | grep -oE '"preset": *\{[^}]*\}|"(weights_sha256|images_sha256|weights_key|backend|exif|subset_logits|version)": *("[^"]*"|[a-z]+)' | tr -s ' '
}

files=() lost=() first=
for ((shard = 1; shard <= shards; ++shard)); do
  name=$out/shard-$shard-of-$shards
  if [[ -e $name.csv ]]; then
    files+=("$name.csv")
    [[ -e $name.json ]] || continue
    first=${first:-$name.json}
    difference=$(diff <(identity "$first") <(identity "$name.json")) ||
      fail "${name##*/}.json is not of the same run as ${first##*/}:"$'\n'"$(grep '^[<>]' <<< "$difference")"
    continue
  fi
  lost+=("$shard")
  if [[ -e $name.journal ]]; then
    # Two lines of the journal are not of images.
    lines=$(wc -l < "$name.journal")
    echo "merge.sh: shard $shard of $shards is not complete: its journal has $((lines > 2 ? lines - 2 : 0)) images" >&2
  else
    echo "merge.sh: shard $shard of $shards is not there" >&2
  fi
done
if ((${#lost[@]} > 0)); then
  array=$(IFS=, && echo "${lost[*]}")
  fail "${#lost[@]} of $shards shards are lost; Slurm repeats them with --array=$array, GNU parallel with the same line again"
fi
exec "${REGNET:-regnet}" eval --merge "${files[@]}" "$@"
