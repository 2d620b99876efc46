#!/bin/sh
# The record of a real run is valid under the schema: one with trials that ended by themselves, many that were timed out
# at every stage of a worker's life (between any two messages of worker and parent lies a different set of figures that
# cannot be had), and a plan.
#   record_schema_test.sh WEIGHBRIDGE SOURCE_DIR
set -eu
weighbridge=$1 source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$weighbridge" synth gpt2 --layers 1 -o "$scratch/model.safetensors"
"$weighbridge" run "$scratch/model.safetensors" --repeat 2 --cache warm,cold --seed 1 --out "$scratch/out" -q
for thousandths in 001 001 002 003 004 005 006 008 010 013 016 020 025 030 035 040 050 060 080; do
  "$weighbridge" run "$scratch/model.safetensors" --strategy eager --dtype native --repeat 4 --timeout 0.$thousandths \
    --out "$scratch/late-$thousandths" -q >"$scratch/said" 2>&1 || [ $? -eq 1 ] || { cat "$scratch/said"; exit 1; }
done
"$weighbridge" plan "$scratch/model.safetensors" --json >"$scratch/plan.json"
python3 "$source/tests/reports/validate_record.py" "$source/reports/schema/record.schema.json" \
  "$scratch"/*/record.json "$scratch/plan.json"
