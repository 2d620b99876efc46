"""Every strategy on every format: files that other programs wrote, listed, digested and loaded by the real program.

Usage: formats_test.py WEIGHBRIDGE SOURCE_FOLDER all|few

few: three strategies and two dtypes, for a program that a sanitizer makes slow.

The writers are tests/strategies/checkpoint/write_FORMAT.py: each takes a folder and prints, for every tensor it wrote, a
line [file, name, dtype, shape, SHA-256 of the elements].
"""

import json
import os
import subprocess
import sys
import tempfile

STRATEGIES = "state-dict,convert-after,eager,stream,stream:chunk=1KiB,mmap,mmap-drop,lazy,lazy:budget=1KiB,layerwise," \
    "direct,direct:chunk=4KiB,depth=3,direct:engine=threads"
DTYPES = "native,f32,f16,int8,q8_0"
if sys.argv[3:] == ["few"]:
    STRATEGIES, DTYPES = "stream:chunk=1KiB,mmap,direct:chunk=4KiB,depth=3", "native,int8"


def call(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def failures_of(program, path, expected, folder):
    """What is wrong with one file: lines; empty where nothing is."""
    wrong = []
    inspected = call(program, "inspect", path, "--json", "--sha256")
    if inspected.returncode != 0:
        return [f"inspect: exit status {inspected.returncode}: {inspected.stderr.strip()}"]
    listed = sorted((t["name"], t["dtype"], t["shape"], t["sha256"]) for t in json.loads(inspected.stdout)["tensors"])
    if listed != sorted(expected):
        for one in sorted(expected):
            if one not in listed:
                wrong.append(f"not listed: {one}; of that name: {[t for t in listed if t[0] == one[0]]}")
        wrong.append(f"{len(listed)} tensors listed, {len(expected)} written")
    out = os.path.join(folder, "out")
    ran = call(program, "run", path, "--strategy", STRATEGIES, "--dtype", DTYPES, "--repeat", "1", "--seed", "1", "--quiet",
               "--out", out)
    if ran.returncode != 0:
        return wrong + [f"run: exit status {ran.returncode}: {ran.stderr.strip()[-500:]}"]
    with open(os.path.join(out, "record.json"), encoding="utf-8") as file:
        record = json.load(file)
    encoded = sum(record["checkpoint"]["encodings"].values())
    by_dtype = {}
    for cell in record["cells"]:
        name = f"{cell['strategy']} {cell['options']} {cell['dtype']}"
        if cell["verdict"] != "fits":
            wrong.append(f"{name}: {cell['verdict']}: {cell['reason']}")
        by_dtype.setdefault(cell["dtype"], set()).add(cell["checksum"])
        fallen = sum(cell["fallen_back"].values())
        if fallen != (encoded if cell["strategy"] in ("mmap", "mmap-drop", "direct") else 0):
            wrong.append(f"{name}: {fallen} bytes fell back, {encoded} bytes are encoded")
    wrong += [f"{dtype}: {len(sums)} checksums" for dtype, sums in by_dtype.items() if len(sums) != 1]
    return wrong


def check_refusals(program, source, formats):
    """The corpus' files that must be refused: one line that names the file, exit status 3. Returns how many were not."""
    corpus = os.environ.get("WEIGHBRIDGE_CORPUS", os.path.join(source, "..", "shared", "corpus"))
    manifest = os.path.join(corpus, "manifest.json")
    if not os.path.exists(manifest):
        print("skipped: no corpus (set WEIGHBRIDGE_CORPUS to its folder): its refusals were not tried")
        return 0
    with open(manifest, encoding="utf-8") as file:
        entries = [one for one in json.load(file)["files"] if one["expected"] == "must-reject" and one["format"] in formats]
    failed = 0
    for entry in entries:
        path = os.path.join(corpus, entry["file"])
        refused = call(program, "inspect", path, *(["--sha256"] if entry.get("needs_data") else []))
        lines = refused.stderr.strip().splitlines()
        if refused.returncode != 3 or len(lines) != 1 or os.path.basename(path) not in lines[0]:
            print(f"FAILED: {entry['file']}: exit status {refused.returncode}, {lines}")
            failed += 1
    print(f"corpus: {len(entries)} files to be refused, {failed} were not")
    return failed


def main():
    program, source = sys.argv[1:3]
    writers = os.path.join(source, "tests", "strategies", "checkpoint")
    formats = [one["name"] for one in json.loads(call(program, "list", "--json").stdout)["formats"]]
    failed = files = tensors = 0
    for format_name in formats:
        writer = os.path.join(writers, f"write_{format_name}.py")
        with tempfile.TemporaryDirectory() as folder:
            wrote = call(sys.executable, writer, folder)
            if wrote.returncode != 0:
                said = (wrote.stderr.strip().splitlines() or [f"exit status {wrote.returncode}"])[-1]
                missing = "No module named" in said
                print(f"{'skipped' if missing else 'FAILED'}: {format_name}: its writer: {said}")
                failed += not missing
                continue
            expected = {}
            for line in wrote.stdout.splitlines():
                file, name, dtype, shape, digest = json.loads(line)
                expected.setdefault(file, []).append((name, dtype, shape, digest))
            if not expected:
                print(f"FAILED: {format_name}: its writer wrote nothing")
                failed += 1
            for file, of_file in expected.items():
                wrong = failures_of(program, os.path.join(folder, file), of_file, folder)
                for line in wrong:
                    print(f"FAILED: {format_name}: {file}: {line}")
                failed += bool(wrong)
                files += 1
                tensors += len(of_file)
    failed += check_refusals(program, source, formats)
    print(f"{files} files of {len(formats)} formats, {tensors} tensors, {failed} failed")
    return 1 if failed or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
