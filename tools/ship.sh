#!/usr/bin/env bash
# From a trained network to the bundles and the card that this package ships: export, quantize, score, pack, verify, describe.
#
# usage: tools/ship.sh NAME RUN DATA [LONG]
#   NAME  of the recipe (recipes/NAME.toml) and of the shipped model
#   RUN   folder of the training run, with network.safetensors
#   DATA  folder that the recipe's folders are in, for the scores
#   LONG  of several talkers: recipes/sets/NAME.toml of mixtures of a minute, to see how often they swap
# environment: EDGE_SDK, the command (edge-sdk)
set -euo pipefail

if [ $# -ne 3 ] && [ $# -ne 4 ]; then
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
fi
name=$1
run=$(realpath "$2")
data=$(realpath "$3")
long=${4:+$(realpath "$4")}
command=$(realpath "$(command -v "${EDGE_SDK:-edge-sdk}")" --no-symlinks)
python=$(dirname "$command")/python # the one that the command belongs to
cd "$(dirname "$0")/.."
checkpoint=checkpoints/$name.safetensors out=$run/models shipped=edge_sdk/shipped

mkdir -p checkpoints
cp "$run/network.safetensors" "$checkpoint"
"$command" export "$checkpoint" --name "$name-float32" --out "$out" --force
"$command" quantize "$out/$name-float32.tflite" --recipe dynamic_int8 --checkpoint "$checkpoint" \
    --name "$name" --out "$out" --force
for model in "$name" "$name-float32"; do
    what=(--clips --probes)
    [ "$model" = "$name" ] || what=(--alone)
    "$command" evaluate "$out/$model.tflite" --set "recipes/$name.toml" --data "$data" --json "${what[@]}" >"$out/$model.quality.json"
    "$command" pack "$out/$model.tflite" --quality "$out/$model.quality.json" --out "$shipped/$model.edge" --force
    "$python" -m edge_sdk.verifier "$shipped/$model.edge"
done
minutes=()
if [ -n "$long" ]; then
    "$command" evaluate "$out/$name.tflite" --set "$long" --data "$data" --quick --json >"$out/$name.minutes.json"
    minutes=(--minutes "$out/$name.minutes.json")
fi
"$command" card "$shipped/$name.edge" "$shipped/$name-float32.edge" --notes "recipes/$name.md" \
    --evaluation "$out/$name.quality.json" "${minutes[@]}" --out "$shipped/$name.md" --page README.md
