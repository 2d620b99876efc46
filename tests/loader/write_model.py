#!/usr/bin/env python3
"""write_model.py FOLDER small|large: the same tensors as model.safetensors and, where h5py is there, as model.h5.
With small also guarded.npz, whose members have checksums, packed.h5, whose tensors do not lie plainly, and tied.h5, where
first/kernel and second/kernel are one. Prints the files it wrote.

small  values that the tests compute again: element i of tensor k is (i % 251 - 125) / 8 + k.
large  96 MiB in f32, the largest tensor last, so that f16 needs T + L at its peak.
"""
import array
import json
import struct
import sys
import zipfile

SMALL = [  # in the order in which they lie in the file
    ("conv1/kernel", "f", (16, 3, 3, 3)),
    ("conv1/bias", "f", (16,)),
    ("dense/kernel", "f", (432, 10)),
    ("dense/bias", "f", (10,)),
    ("dense/steps", "q", ()),
    ("model_weights/norm/norm/gamma", "f", (10,)),
    ("layers/last/vars/0", "d", (3, 5)),
]
LARGE = [
    ("embedding/table", "f", (6144, 1024)),  # 24 MiB
    ("layer1/kernel", "f", (1024, 4096)),  # 16 MiB
    ("layer1/bias", "f", (4096,)),
    ("layer2/kernel", "f", (4096, 1536)),  # 24 MiB
    ("layer2/bias", "f", (1536,)),
    ("head/kernel", "f", (2048, 4096)),  # 32 MiB
]
NAMES = {"f": "F32", "d": "F64", "q": "I64"}


def count(shape):
    product = 1
    for dimension in shape:
        product *= dimension
    return product


def values(k, code, elements):
    cycle = array.array(code, [7 + k if code == "q" else (i % 251 - 125) / 8 + k for i in range(251)])
    return (cycle * (elements // 251 + 1))[:elements].tobytes()


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for k, (name, code, shape) in enumerate(tensors):
        size = count(shape) * array.array(code).itemsize
        header[name] = {"dtype": NAMES[code], "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for k, (name, code, shape) in enumerate(tensors):
            file.write(values(k, code, count(shape)))
    print(path)


def write_hdf5(path, tensors, **layout):
    with h5py.File(path, "w") as file:
        for k, (name, code, shape) in enumerate(tensors):
            data = numpy.frombuffer(values(k, code, count(shape)), dtype=numpy.dtype(code)).reshape(shape)
            file.create_dataset(name, data=data, **(layout if shape else {}))
    print(path)


def write_npz(path, tensors):
    """Stored members, each with its CRC-32."""
    with zipfile.ZipFile(path, "w") as archive:
        for k, (name, code, shape) in enumerate(tensors):
            header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
            header += b" " * (-(len(header) + 11) % 64) + b"\n"
            array_file = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + values(k, code, count(shape))
            archive.writestr(name + ".npy", array_file)
    print(path)


folder, size = sys.argv[1:]
tensors = {"small": SMALL, "large": LARGE}[size]
write_safetensors(folder + "/model.safetensors", tensors)
if size == "small":
    write_npz(folder + "/guarded.npz", [("first", "f", (1000,)), ("second", "f", (10, 10))])
try:
    import h5py
    import numpy
except ImportError as error:
    print("skipped:", error, file=sys.stderr)
else:
    write_hdf5(folder + "/model.h5", tensors)
    if size == "small":
        write_hdf5(folder + "/packed.h5", tensors, chunks=True, compression="gzip", shuffle=True)
        write_hdf5(folder + "/tied.h5", [("first/kernel", "f", (1000,)), ("second/bias", "f", (10,))])
        with h5py.File(folder + "/tied.h5", "a") as file:
            file["second/kernel"] = file["first/kernel"]  # a hard link
