#!/usr/bin/env bash
# weighbridge_bench works, and Google Benchmark's own tool reads what it writes. No time is asserted: pairs are few, so
# no bar is decided.
set -euo pipefail
bench=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
rows='^(strategy/(eager|mmap)/native|strategy/stream/f16|kernel/f32_to_f16/reused/768KiB|limit/map/sum)/iterations'

for run in old new; do
  "$bench" --pairs=2 --benchmark_filter="$rows" --benchmark_out="$folder/$run.json" --benchmark_out_format=json
done

/usr/bin/python3 - "$folder/new.json" <<'PYTHON'
import json, sys
record = json.load(open(sys.argv[1]))
assert record["context"]["checkpoint"] and record["context"]["transparent_huge_pages"], record["context"]
pairs = [b for b in record["benchmarks"] if b["run_type"] == "iteration"]
names = {b["run_name"].split("/iterations:")[0] for b in pairs}
assert names == {"strategy/eager/native", "strategy/mmap/native", "strategy/stream/f16",
                 "kernel/f32_to_f16/reused/768KiB", "limit/map/sum"}, names
assert len(pairs) == 2 * len(names), len(pairs)
for b in pairs:
    assert not b.get("error_occurred") and b["real_time"] > 0, b
    if not b["name"].startswith("limit/"):
        assert b["ratio"] > 0 and b["limit_ms"] > 0, b
    if b["name"].startswith("strategy/"):
        assert b["need_bytes"] >= 0 and b["minor_faults"] > 0 and "major_faults" in b, b
    if b["name"].startswith("strategy/eager") and record["context"]["heap"].startswith("counted"):
        # Both hold one copy: within jemalloc's size classes (a quarter) of each other.
        assert b["need_bytes"] <= b["max_bytes_used"] * 1.01 and b["max_bytes_used"] < b["need_bytes"] * 1.25, b
        assert b["allocs_per_iter"] > 10, b
PYTHON

compare=/usr/share/benchmark/compare.py
if [ ! -f "$compare" ] || ! /usr/bin/python3 -c 'import scipy' 2>/dev/null; then
  echo "skipped: compare.py was not tried on the JSON: libbenchmark-tools or python3-scipy is not installed"
  exit 0
fi
/usr/bin/python3 "$compare" --no-color benchmarks "$folder/old.json" "$folder/new.json" | tee "$folder/compared"
for row in strategy/eager/native kernel/f32_to_f16/reused/768KiB; do
  grep -q "^$row.*iterations:1/repeats:2/manual_time " "$folder/compared" || { echo "compare.py does not show $row"; exit 1; }
done
