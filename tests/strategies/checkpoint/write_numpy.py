"""Writes .npy and .npz files with NumPy itself.

usage: write_numpy.py FOLDER, which prints for each array a line [file, name, dtype, shape, SHA-256 of its elements in C
order, little-endian].
"""

import hashlib
import json
import os
import sys

import numpy as np

NAMES = {"bool": "bool", "complex64": "c64", "complex128": "c128"}


def told(file: str, name: str, array: np.ndarray) -> None:
    plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    kind = NAMES.get(array.dtype.name) or array.dtype.kind + str(array.dtype.itemsize * 8)
    print(json.dumps([file, name, kind, list(array.shape), hashlib.sha256(plain.tobytes()).hexdigest()]))


def main() -> None:
    os.chdir(sys.argv[1])
    random = np.random.default_rng(7)
    noise = random.integers(0, 256, 100_000, dtype=np.uint8)

    def some(dtype: str, *shape: int) -> np.ndarray:
        dtype = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        if dtype.kind == "b":
            return (noise[:count] & 1).astype(bool).reshape(shape)
        return np.frombuffer(noise.tobytes()[: count * dtype.itemsize], dtype).reshape(shape)

    kinds = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
    arrays = {}
    for kind in kinds:
        for order in "<>":
            tag = kind.replace("?", "b") + ("big" if order == ">" else "little")
            arrays[tag] = some(order + kind, 3, 4, 5)
            arrays[tag + ".fortran"] = np.asfortranarray(arrays[tag])
    arrays["scalar"] = np.array(2.5, dtype="<f4")
    arrays["big scalar"] = np.array(2.5, dtype=">f8")
    arrays["empty"] = np.zeros((3, 0, 2), dtype="<f4", order="F")
    arrays["vector"] = some("<f4", 17)
    arrays["one column"] = np.asfortranarray(some(">f2", 300, 1))
    # What is saved of a view is its elements, in whichever order NumPy finds nearer.
    arrays["sliced"] = some("<f4", 20, 30)[1::3, ::-2]
    arrays["transposed"] = some("<i2", 20, 30).T
    arrays["permuted"] = some("<f8", 4, 5, 6).transpose(1, 2, 0)
    arrays["ключ/\U0001f511"] = some("<f4", 2, 2)
    arrays["large fortran"] = np.asfortranarray(some(">f4", 100, 250))

    for version, tag in ((1, "f4little"), (2, "f4big.fortran"), (3, "permuted")):
        file = f"version {version}.npy"
        with open(file, "wb") as out:
            np.lib.format.write_array(out, arrays[tag], version=(version, 0))
        told(file, "", arrays[tag])
    for tag in ("scalar", "empty", "sliced", "large fortran"):
        np.save(f"{tag}.npy", arrays[tag])
        told(f"{tag}.npy", "", arrays[tag])
    for file, save in (("stored.npz", np.savez), ("deflated.npz", np.savez_compressed)):
        save(file, **arrays)
        for tag, array in arrays.items():
            told(file, tag, array)
    # Beyond one window of the decoder, in the order that needs several passes.
    tall = np.asfortranarray(np.arange(4_500_000, dtype="<f4").reshape(3, 1_500_000))
    np.savez_compressed("tall.npz", tall=tall)
    told("tall.npz", "tall", tall)
    with open("several.npy", "wb") as out:
        for i, tag in enumerate(["scalar", "empty", "i4big", "u2little.fortran"]):
            np.save(out, arrays[tag])
            told("several.npy", f"[{i}]", arrays[tag])
    objects = np.array([{"a": 1}, None], dtype=object)
    np.savez("mixed.npz", numbers=arrays["vector"], objects=objects, text=np.array(["a", "b"]),
             days=np.array(["2020-01-01"], dtype="M8[D]"), records=np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]))
    told("mixed.npz", "numbers", arrays["vector"])


main()
