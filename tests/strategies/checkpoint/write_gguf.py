#!/usr/bin/python3
"""Writes GGUF files into a folder with nothing but struct, apart from any code of this project.

usage: write_gguf.py FOLDER, which prints one JSON line per tensor: file, name, dtype, shape, SHA-256 of its elements (C
order, little-endian; blocks as ggml has them on a little-endian machine). Blocks are those that ggml quantised:
tests/strategies/dtype/ggml_blocks.txt.
"""

import hashlib
import json
import os
import struct
import sys

# name: ggml's number, elements and bytes of a block, struct codes of a block's numbers
TYPES = {
    "f32": (0, 1, "f"),
    "f16": (1, 1, "e"),
    "bf16": (30, 1, "H"),
    "f64": (28, 1, "d"),
    "i8": (24, 1, "b"),
    "i16": (25, 1, "h"),
    "i32": (26, 1, "i"),
    "i64": (27, 1, "q"),
    "q4_0": (2, 32, "H16s"),
    "q4_1": (3, 32, "HH16s"),
    "q5_0": (6, 32, "HI16s"),
    "q5_1": (7, 32, "HHI16s"),
    "q8_0": (8, 32, "H32s"),
    "q8_1": (9, 32, "HH32s"),
    "q2_k": (10, 256, "80sHH"),
    "q3_k": (11, 256, "108sH"),
    "q4_k": (12, 256, "HH140s"),
    "q5_k": (13, 256, "HH172s"),
    "q6_k": (14, 256, "208sH"),
    "q8_k": (15, 256, "f256s16h"),
    "iq2_xs": (17, 256, "H32H8s"),
    "iq3_xxs": (18, 256, "H64s8I"),
    "iq1_s": (19, 256, "H32s8H"),
    "iq4_nl": (20, 32, "H16s"),
    "iq3_s": (21, 256, "H108s"),
    "iq2_s": (22, 256, "H80s"),
    "iq4_xs": (23, 256, "HH132s"),
    "iq1_m": (29, 256, "48s4H"),
    "tq1_0": (34, 256, "52sH"),
    "tq2_0": (35, 256, "64sH"),
    "mxfp4": (39, 32, "17s"),
    "nvfp4": (40, 64, "36s"),
    "q1_0": (41, 128, "H16s"),
    "q2_0": (42, 64, "H16s"),
}
VALUE_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def blocks_of_ggml():
    here = os.path.dirname(os.path.abspath(__file__))
    blocks = {}
    with open(os.path.join(here, "..", "dtype", "ggml_blocks.txt")) as lines:
        for line in lines:
            name, text, _ = line.split()
            blocks.setdefault(name, []).append(bytes.fromhex(text))
    return blocks


BLOCKS = blocks_of_ggml()


def elements(dtype, count):
    """Little-endian; blocks of ggml where there are some, otherwise bytes that count."""
    _, unit, codes = TYPES[dtype]
    size = struct.calcsize("<" + codes)
    if dtype in BLOCKS:
        return b"".join(BLOCKS[dtype][i % len(BLOCKS[dtype])] for i in range(count // unit))
    if dtype == "f32":
        return struct.pack(f"<{count}f", *(0.25 * i - 3 for i in range(count)))
    if dtype == "f16":
        return struct.pack(f"<{count}e", *(0.5 * i - 7 for i in range(count)))
    return bytes((7 * i + len(dtype)) % 251 for i in range(count // unit * size))


class Writer:
    def __init__(self, order, version, alignment=None):
        self.order, self.version, self.alignment = order, version, alignment
        self.keys, self.infos, self.data, self.listing = [], b"", b"", []
        if alignment:
            self.key("general.alignment", 4, alignment)

    def pack(self, codes, *values):
        return struct.pack(self.order + codes, *values)

    def text(self, text):
        raw = text if isinstance(text, bytes) else text.encode()
        return self.pack("Q", len(raw)) + raw

    def value(self, kind, value):
        if kind == 8:
            return self.text(value)
        if kind == 9:
            inner, items = value
            return self.pack("IQ", inner, len(items)) + b"".join(self.value(inner, item) for item in items)
        return self.pack(VALUE_CODES[kind], value)

    def key(self, name, kind, value):
        self.keys.append(self.text(name) + self.pack("I", kind) + self.value(kind, value))

    def tensor(self, name, dtype, shape):
        count = 1
        for dimension in shape:
            count *= dimension
        number, _, codes = TYPES[dtype]
        raw = elements(dtype, count)
        stored = raw
        if self.order == ">":
            stored = b"".join(struct.pack(">" + codes, *values) for values in struct.iter_unpack("<" + codes, raw))
        self.infos += self.text(name) + self.pack("I", len(shape))
        self.infos += b"".join(self.pack("Q", dimension) for dimension in reversed(shape))
        self.infos += self.pack("IQ", number, len(self.data))
        self.data += stored + bytes(-len(stored) % (self.alignment or 32))
        self.listing.append([name, dtype, list(shape), hashlib.sha256(raw).hexdigest()])

    def write(self, folder, file, opened_as=None):
        head = b"GGUF" + self.pack("IQQ", self.version, len(self.listing), len(self.keys))
        head += b"".join(self.keys) + self.infos
        with open(os.path.join(folder, file), "wb") as out:
            out.write(head + bytes(-len(head) % (self.alignment or 32)) + self.data)
        for line in self.listing:
            print(json.dumps([opened_as or file] + line))


def keys_of_all_types(writer):
    for kind, value in ((0, 255), (1, -1), (2, 65535), (3, -2), (4, 1 << 31), (5, -3), (6, 0.5), (7, True), (10, 1 << 63),
                        (11, -4), (12, 1e300)):
        writer.key(f"one.{kind}", kind, value)
        writer.key(f"several.{kind}", 9, (kind, [value] * 5))
        writer.key(f"none.{kind}", 9, (kind, []))
    writer.key("general.architecture", 8, "llama")
    writer.key("tokenizer.ggml.tokens", 9, (8, [f"token {i} \u20ac" for i in range(5000)] + [b"\xff\xfe", ""]))
    writer.key("tokenizer.ggml.scores", 9, (6, [0.25 * i for i in range(40000)]))
    writer.key("nested", 9, (9, [(8, ["a", "b"]), (4, []), (9, [(0, [1, 2, 3])])]))


def every_type(writer):
    for dtype, (_, unit, _) in TYPES.items():
        writer.tensor(f"blk.0.{dtype}.weight", dtype, (3, 2 * unit))
        writer.tensor(f"blk.1.{dtype}", dtype, (unit,))


def main():
    folder = sys.argv[1]
    for file, order, version, alignment in (("little.gguf", "<", 3, None), ("big.gguf", ">", 3, None),
                                            ("second.gguf", "<", 2, 64), ("narrow.gguf", "<", 3, 1),
                                            ("big_wide.gguf", ">", 3, 4096)):
        writer = Writer(order, version, alignment)
        keys_of_all_types(writer)
        every_type(writer)
        writer.write(folder, file)

    shapes = Writer("<", 3)
    shapes.tensor("scalar", "f32", ())
    shapes.tensor("four.dimensions", "f16", (2, 3, 4, 5))
    shapes.tensor("empty", "f32", (4, 0))
    shapes.tensor("empty.blocks", "q4_k", (3, 0))
    shapes.tensor("\u00fcml\u00e4ut " + "x" * 100, "q6_k", (2, 2, 512))
    shapes.write(folder, "shapes.gguf")

    Writer("<", 3).write(folder, "nothing.gguf")

    for part in range(3):
        writer = Writer("<", 3)
        writer.key("split.no", 2, part)
        writer.key("split.count", 2, 3)
        writer.key("split.tensors.count", 5, 4)
        for layer in range(2 * part, min(2 * part + 2, 4)):  # the last holds none
            writer.tensor(f"layer.{layer}", "q8_0", (layer + 1, 64))
        writer.write(folder, f"set-{part + 1:05}-of-00003.gguf", opened_as="set-00001-of-00003.gguf")


main()
