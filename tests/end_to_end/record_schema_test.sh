#!/bin/sh
# The record of a real run is valid under the schema: one with trials that ended by themselves, one that was timed out
# at once, and a plan.
#   record_schema_test.sh WEIGHBRIDGE SOURCE_DIR
set -eu
weighbridge=$1 source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
validate() { python3 "$source/tests/reports/validate_record.py" "$source/reports/schema/record.schema.json" "$1"; }

"$weighbridge" synth gpt2 --layers 1 -o "$scratch/model.safetensors"
"$weighbridge" run "$scratch/model.safetensors" --repeat 2 --cache warm,cold --seed 1 --out "$scratch/out" -q
validate "$scratch/out/record.json"
"$weighbridge" run "$scratch/model.safetensors" --strategy eager --dtype native --repeat 1 --timeout 0.001 --out "$scratch/late" -q || [ $? -eq 1 ]
validate "$scratch/late/record.json"
"$weighbridge" plan "$scratch/model.safetensors" --json >"$scratch/plan.json"
validate "$scratch/plan.json"
