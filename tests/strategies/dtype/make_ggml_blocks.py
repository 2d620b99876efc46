#!/usr/bin/python3
"""Writes ggml_blocks.txt: blocks of each convertible type, and what ggml itself makes of them.

    make_ggml_blocks.py LIBGGML_BASE.SO > ggml_blocks.txt

One line a block: its type, its bytes in hexadecimal, and the FNV-1a hash (64 bits) of the f32 values, little-endian, that
ggml's dequantize_row_* gives. Half of the blocks hold random bytes with random finite scales (zero, negative and
subnormal ones among them), half were quantised by ggml's quantize_row_*_ref from normal numbers.

The file was made with libggml-base.so of llama.cpp v0.5.0 as the npm package @node-llama-cpp/linux-x64 3.22.1 ships it:
built for plain x86-64, so that no multiplication is fused with an addition.
"""
import ctypes
import random
import struct
import sys

# type, elements, bytes, where its f16 scales stand, lines
TYPES = [
    ("q4_0", 32, 18, (0,), 40),
    ("q4_1", 32, 20, (0, 2), 40),
    ("q5_0", 32, 22, (0,), 40),
    ("q5_1", 32, 24, (0, 2), 40),
    ("q8_0", 32, 34, (0,), 40),
    ("q2_K", 256, 84, (80, 82), 20),
    ("q3_K", 256, 110, (108,), 20),
    ("q4_K", 256, 144, (0, 2), 20),
    ("q5_K", 256, 176, (0, 2), 20),
    ("q6_K", 256, 210, (208,), 20),
]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def random_block(chance, size, scales):
    block = bytearray(chance.randrange(256) for _ in range(size))
    for at in scales:
        bits = chance.choice([0x0000, 0x8000, 0x0001, 0x83FF, 0x7BFF, 0xFBFF, None, None, None, None, None, None])
        while bits is None or bits & 0x7C00 == 0x7C00:
            bits = chance.randrange(1 << 16)
        block[at : at + 2] = struct.pack("<H", bits)
    return bytes(block)


def main():
    ggml = ctypes.CDLL(sys.argv[1])
    chance = random.Random(5)
    for name, elements, size, scales, lines in TYPES:
        quantise = getattr(ggml, f"quantize_row_{name}_ref")
        dequantise = getattr(ggml, f"dequantize_row_{name}")
        for function in (quantise, dequantise):
            function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
            function.restype = None
        for line in range(lines):
            block = ctypes.create_string_buffer(random_block(chance, size, scales), size)
            if line % 2 == 1:
                spread, middle = 10 ** chance.uniform(-3, 1), chance.choice([0, 0, 1])
                values = (ctypes.c_float * elements)(*(chance.gauss(middle, 1) * spread for _ in range(elements)))
                quantise(values, block, elements)
            values = (ctypes.c_float * elements)()
            dequantise(block, values, elements)
            print(name.lower(), block.raw.hex(), f"{fnv1a(bytes(values)):016x}")


main()
