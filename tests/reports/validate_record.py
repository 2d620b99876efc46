#!/usr/bin/env python3
"""Validates records against their JSON Schema: validate_record.py SCHEMA RECORD...

Exit status: 0 all are valid, 1 one is not (a line for each fault: where, and what), 2 it could not be tried.
Needs python3-jsonschema 4 or later, which knows draft 2020-12.
"""
import json
import sys


def load(path):
    def no_constants(name):
        raise ValueError(f"{name} is not JSON")

    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file, parse_constant=no_constants)
    except (OSError, ValueError) as error:
        exit_line(f"{path}: {error}")


def exit_line(text):
    print(f"validate_record: {text}", file=sys.stderr)
    sys.exit(2)


def main(arguments):
    if len(arguments) < 2:
        exit_line("usage: validate_record.py SCHEMA RECORD...")
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        exit_line("no Python module jsonschema of version 4 or later: apt-get install python3-jsonschema")
    schema = load(arguments[0])
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    faults = 0
    for path in arguments[1:]:
        for error in validator.iter_errors(load(path)):
            faults += 1
            while error.context:  # of an either-or: the alternative that came furthest
                error = max(error.context, key=lambda inner: len(inner.absolute_path))
            print(f"{path}: {error.json_path}: {error.message[:300]}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
