#!/usr/bin/env python3
"""The schema must refuse what is wrong, not only accept what is right: schema_test.py SCHEMA RECORD

Takes a valid record, spoils it in one place at a time, and expects a refusal each time: every field left out, every
object with a misspelt field added, every null left without its reason, every number turned into a text. Fields that
were added later may be left out, as older records do, each alone and all at once.
"""
import copy
import json
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("schema_test: no Python module jsonschema of version 4 or later: apt-get install python3-jsonschema",
          file=sys.stderr)
    sys.exit(2)

# Objects whose keys are names, not fields: any key may come and go.
OPEN = {"options", "dtypes", "allocator", "unavailable", "evidence", "figures", "encodings",
        "fallen_back"}

# What the first records of weighbridge/1 did not have, by the list or object that holds it.
LATER = {
    "phases": {"refault_anon_pages", "limit_hits", "cgroup_usage_bytes", "cgroup_anon_bytes", "cgroup_file_bytes",
               "cgroup_shmem_bytes", "cgroup_kernel_bytes", "cgroup_psi_some_ns", "cgroup_psi_full_ns"},
    "trials": {"cgroup_peak_bytes", "cgroup_swap_peak_bytes", "evidence", "remarks"},
    "cells": {"swap_limit_bytes", "cage", "fallen_back", "plugin"},
    "predicted": {"least_need_bytes", "floor_bytes", "page_table_bytes", "limit_bytes", "most_weights_bytes",
                  "disk_bytes"},
    "checkpoint": {"encodings", "remarks", "largest_layer", "largest_layer_bytes", "tied_bytes"},
    "limits": {"bounds"},
    "settings": {"resumed", "reserve_bytes", "cage_reason", "plugins"},
    "": {"fits", "what_if"},
}


def later(path):
    """The later fields of the object at `path`."""
    names = [step for step in path if isinstance(step, str)]
    inner = bool(path) and isinstance(path[-1], str) and path[-1] not in LATER  # an object of its own: "timeline"
    return set() if inner else LATER.get(names[-1] if names else "", set())


def walk(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, path + (key,))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:1] + value[-1:]):  # the first and the last stand for all
            yield from walk(inner, path + (index if index == 0 else len(value) - 1,))


def at(record, path):
    for step in path:
        record = record[step]
    return record


def spoiled(record):
    """(what was done, the record with that done)"""
    for path, value in walk(record):
        where = "/".join(map(str, path))
        if isinstance(value, dict) and not (path and path[-1] in OPEN):
            other = copy.deepcopy(record)
            at(other, path)["need_byte"] = 1
            yield f"{where}: a field added", other
            for key in value.keys() - later(path):
                other = copy.deepcopy(record)
                del at(other, path)[key]
                yield f"{where}/{key}: left out", other
        if path and path[-1] == "unavailable" and path[:-1] != ("machine",):
            for key in value:
                other = copy.deepcopy(record)
                del at(other, path)[key]
                yield f"{where}/{key}: a null without its reason", other
                other = copy.deepcopy(record)
                at(other, path)[key] = ""
                yield f"{where}/{key}: an empty reason", other
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            for wrong in (str(value), True) if not isinstance(value, float) else (str(value),):
                other = copy.deepcopy(record)
                at(other, path[:-1])[path[-1]] = wrong
                yield f"{where}: {wrong!r} for a number", other
        if path and path[-1] in ("verdict", "severity", "schema"):
            other = copy.deepcopy(record)
            at(other, path[:-1])[path[-1]] = value + "s"
            yield f"{where}: an unknown word", other


def older(record):
    """(what was done, a record as an older program may have written it)"""
    all_at_once = copy.deepcopy(record)
    for path, value in walk(record):
        for key in later(path) & (value.keys() if isinstance(value, dict) else set()):
            other = copy.deepcopy(record)
            del at(other, path)[key]
            yield f"{'/'.join(map(str, path))}/{key}: left out", other
            del at(all_at_once, path)[key]
    yield "every later field: left out", all_at_once


def undescribed(schema, path="#"):
    """Fields that the schema does not explain."""
    for name, field in schema.get("properties", {}).items():
        if "description" not in field and "$ref" not in field:
            yield f"{path}/{name}"
        yield from undescribed(field, f"{path}/{name}")
    for name, inner in schema.get("$defs", {}).items():
        if "description" not in inner:
            yield f"{path}/$defs/{name}"
        yield from undescribed(inner, f"{path}/$defs/{name}")


def main(schema_path, record_path):
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    with open(record_path, encoding="utf-8") as file:
        record = json.load(file)
    validator = Draft202012Validator(schema)
    faults = [f"{path}: no description" for path in undescribed(schema)]
    faults += [f"the record itself: {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(record)]
    tried = 0
    for what, other in spoiled(record):
        tried += 1
        if validator.is_valid(other):
            faults.append(f"accepted: {what}")
    missing = {key for keys in LATER.values() for key in keys}
    for what, other in older(record):
        missing -= {what.split("/")[-1].split(":")[0]}
        if not validator.is_valid(other):
            faults.append(f"refused: {what}")
    faults += [f"{key}: the sample has no such field" for key in sorted(missing)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{tried} spoiled records, {len(faults)} faults")
    sys.exit(1 if faults or tried < 300 else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
