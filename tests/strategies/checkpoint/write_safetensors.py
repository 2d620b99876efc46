"""Writes a safetensors file with nothing but struct and json, apart from any code of this project.

usage: write_safetensors.py FOLDER, which prints for each tensor a line [file, name, dtype, shape, SHA-256 of its elements].
"""

import hashlib
import json
import os
import struct
import sys

TENSORS = [
    ("weights.0", "F32", [2, 3], struct.pack("<6f", 0.5, -1.25, 3e8, 1e-30, -0.0, float("inf"))),
    ("half", "F16", [3], struct.pack("<3e", 1.5, -2.0, 65504.0)),
    ("brain", "BF16", [2], struct.pack("<2H", 0x3F80, 0xFF80)),
    ("double", "F64", [], struct.pack("<d", 3.141592653589793)),
    ("ключ \U0001f511 \"quoted\"\n", "I64", [1, 1, 2], struct.pack("<2q", -1, 2**62)),
    ("bytes", "U8", [5], bytes([0, 1, 127, 128, 255])),
    ("mask", "BOOL", [2, 2], bytes([1, 0, 0, 1])),
    ("nothing", "F32", [0, 4], b""),
    ("packed", "F4", [4], bytes([0x12, 0x34])),
]


def main() -> None:
    header, offset = {"__metadata__": {"format": "pt", "maker": "struct and json"}}, 0
    for name, dtype, shape, data in TENSORS:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(sys.argv[1], "python.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data for *_, data in TENSORS))
    for name, dtype, shape, data in TENSORS:
        print(json.dumps(["python.safetensors", name, dtype.lower(), shape, hashlib.sha256(data).hexdigest()]))


main()
