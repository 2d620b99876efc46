#!/usr/bin/python3
"""Writes what ggml itself makes of blocks, and of values that become blocks.

    make_ggml_blocks.py LIBGGML_BASE.SO > ggml_blocks.txt
    make_ggml_blocks.py LIBGGML_BASE.SO quantised > ggml_quantised.txt

ggml_blocks.txt has blocks of each convertible type. One line a block: its type, its bytes in hexadecimal, and the FNV-1a hash (64 bits) of the f32 values, little-endian, that
ggml's dequantize_row_* gives. Half of the blocks hold random bytes with random finite scales (zero, negative and
subnormal ones among them), half were quantised by ggml's quantize_row_*_ref from normal numbers.

ggml_quantised.txt has one line a block of q8_0 or q4_0: its type, 32 f32 values, little-endian in hexadecimal, and the
bytes that ggml's quantize_row_*_ref makes of them. The values are normal numbers; whole and half multiples of a scale,
which tie for the largest and in rounding; zeros of either sign. Some are of a magnitude whose scale f16 cannot hold, or of
which 1 / scale overflows in f32: C leaves the codes open there, and those of x86-64 are recorded.

The files were made with libggml-base.so of llama.cpp v0.5.0 as the npm package @node-llama-cpp/linux-x64 3.22.1 ships it:
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


def function(ggml, name):
    found = getattr(ggml, name)
    found.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    found.restype = None
    return found


def values_of_block(chance, kind):
    spread = 2.0 ** chance.choice([-3, -3, 0, 7, 30, -20, -120, -130, -149])
    if kind == 0:
        return [chance.gauss(0, 1) * spread for _ in range(32)]
    if kind == 1:
        return [chance.randint(-8, 8) * spread for _ in range(32)]
    if kind == 2:
        values = [chance.randint(-127, 127) / 2 * spread for _ in range(32)]
        values[chance.randrange(32)] = chance.choice([-127, 127]) * spread
        return values
    return [chance.choice([0.0, -0.0]) for _ in range(32)]


def quantised(ggml, chance):
    for name, size in (("q8_0", 34), ("q4_0", 18)):
        quantise = function(ggml, f"quantize_row_{name}_ref")
        for line in range(60):
            values = (ctypes.c_float * 32)(*values_of_block(chance, 3 if line < 2 else line % 3))
            block = ctypes.create_string_buffer(size)
            quantise(values, block, 32)
            print(name, bytes(values).hex(), block.raw.hex())


def blocks(ggml, chance):
    for name, elements, size, scales, lines in TYPES:
        quantise = function(ggml, f"quantize_row_{name}_ref")
        dequantise = function(ggml, f"dequantize_row_{name}")
        for line in range(lines):
            block = ctypes.create_string_buffer(random_block(chance, size, scales), size)
            if line % 2 == 1:
                spread, middle = 10 ** chance.uniform(-3, 1), chance.choice([0, 0, 1])
                values = (ctypes.c_float * elements)(*(chance.gauss(middle, 1) * spread for _ in range(elements)))
                quantise(values, block, elements)
            values = (ctypes.c_float * elements)()
            dequantise(block, values, elements)
            print(name.lower(), block.raw.hex(), f"{fnv1a(bytes(values)):016x}")


def main():
    make = quantised if sys.argv[2:] == ["quantised"] else blocks
    make(ctypes.CDLL(sys.argv[1]), random.Random(5))


main()
