"""Writes HDF5 and Keras files with h5py and zipfile, apart from any code of this project.

usage: write_hdf5.py FOLDER, which prints a JSON line for each tensor that a reader must list:
[file, name, dtype, shape, SHA-256 of the elements in C order, little-endian]. Files without a line are described where
they are made; the test knows them by name.
"""

import ctypes
import hashlib
import json
import os
import sys
import zipfile

import h5py
import numpy as np

FOLDER = sys.argv[1]
RANDOM = np.random.default_rng(5)
SHAPE, CHUNKS = (13, 11, 5), (4, 3, 5)
DTYPES = {"f2": "f16", "f4": "f32", "f8": "f64", "b1": "bool"}
DTYPES.update({f"{kind}{size}": f"{kind}{8 * size}" for kind in "iu" for size in (1, 2, 4, 8)})


def path(name):
    return os.path.join(FOLDER, name)


def tell(file, name, values, dtype=None):
    values = np.asarray(values)
    little = values.astype(values.dtype.newbyteorder("<"))
    digest = hashlib.sha256(little.tobytes("C")).hexdigest()
    print(json.dumps([file, name, dtype or DTYPES[values.dtype.str[1:]], list(values.shape), digest]))


def some(shape, dtype="<f4"):
    if np.dtype(dtype).kind == "f":
        return RANDOM.standard_normal(shape).astype(dtype)
    return RANDOM.integers(0, 100, shape).astype(dtype)


def tell_all(name):
    """Every dataset, as h5py reads it back."""
    with h5py.File(path(name), "r") as file:
        file.visititems(lambda key, item: tell(name, key, item[()]) if isinstance(item, h5py.Dataset) else None)


def create(file, key, values, plist, kind=None):
    """A dataset with properties that h5py's own interface does not have."""
    space = h5py.h5s.create_simple(values.shape)
    kind = kind or h5py.h5t.py_create(values.dtype)
    h5py.h5d.create(file.id, key.encode(), kind, space, plist).write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def plain(file):
    file["contiguous"] = some((5, 7))
    file["half"] = some((3, 4), "<f2")
    file["double"] = some((4,), "<f8")
    file["big"] = some((5, 7), ">f4")
    file["big_integers"] = some((9,), ">i8")
    file["scalar"] = np.float32(1.5)
    file["empty"] = np.zeros((0, 4), "<f4")
    file["mask"] = np.array([[True, False], [False, True]])
    for dtype in ("i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"):
        file["integers/" + dtype.strip("<")] = some((6,), dtype)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    create(file, "compact", some((4, 3)), plist)
    create(file, "compact_big", some((6,), ">i2"), plist)
    file.create_dataset("never", shape=(3, 5), dtype="<f4", fillvalue=2.5)
    file.create_dataset("never_zeros", shape=(3, 5), dtype="<i4")


def chunks(file):
    file.create_dataset("plain", data=some(SHAPE), chunks=CHUNKS)
    file.create_dataset("whole", data=some(SHAPE), chunks=SHAPE)
    file.create_dataset("larger", data=some((3,)), chunks=(8,), maxshape=(None,))
    file.create_dataset("big", data=some(SHAPE, ">f8"), chunks=CHUNKS)
    file.create_dataset("columns", data=some((40, 30)), chunks=(40, 1))
    file.create_dataset("rows", data=some((40, 30)), chunks=(1, 30))
    file.create_dataset("never/chunks", shape=(13, 11), dtype=">f4", chunks=(4, 4), fillvalue=-1.25)
    partly = file.create_dataset("never/partly", shape=(40, 40), dtype="<f4", chunks=(7, 7), fillvalue=9)
    partly[10:20, 5:30] = some((10, 25))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((3, 4))
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # the later format then needs no index
    create(file, "early", some((10, 10)), plist)


def filters(file):
    gzip = {"compression": "gzip"}
    file.create_dataset("gzip", data=some(SHAPE), chunks=CHUNKS, **gzip)
    file.create_dataset("gzip_whole", data=some(SHAPE), chunks=SHAPE, shuffle=True, **gzip)
    file.create_dataset("shuffle_gzip", data=some(SHAPE), chunks=CHUNKS, shuffle=True, **gzip)
    file.create_dataset("shuffle", data=some(SHAPE, "<f2"), chunks=CHUNKS, shuffle=True)
    file.create_dataset("fletcher32", data=some(SHAPE), chunks=CHUNKS, fletcher32=True)
    file.create_dataset("odd_fletcher32", data=some((7, 5), "i1"), chunks=(3, 3), fletcher32=True)
    file.create_dataset("all", data=some(SHAPE), chunks=CHUNKS, shuffle=True, fletcher32=True, **gzip)
    file.create_dataset("lzf", data=np.tile(some((11, 5)), (13, 1, 1)), chunks=CHUNKS, compression="lzf")
    file.create_dataset("lzf_random", data=some(SHAPE), chunks=CHUNKS, compression="lzf", shuffle=True)


def packed(file):
    if h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        for dtype in ("u1", "<i2", "<f4", ">f4", "<f8"):
            smooth = np.cumsum(some((64, 48), "<i4") % 3, axis=1).astype(dtype)
            name = "szip_" + dtype.strip("<").replace(">", "big_")
            szip = {"compression": "szip", "compression_opts": ("nn", 16)}
            file.create_dataset(name, data=smooth, chunks=(16, 20), **szip)
        szip = {"compression": "szip", "compression_opts": ("ec", 8)}
        file.create_dataset("szip_ec", data=some((64, 48), "<i4"), chunks=(16, 48), **szip)
    for dtype in ("i1", "<u2", ">i4", "<i8"):
        name = "offset_" + dtype.strip("<").replace(">", "big_")
        file.create_dataset(name, data=some(SHAPE, dtype), chunks=CHUNKS, scaleoffset=0)
    file.create_dataset("offset_float", data=some(SHAPE), chunks=CHUNKS, scaleoffset=3)
    file.create_dataset("offset_constant", data=np.full(SHAPE, 7, "<i4"), chunks=CHUNKS, scaleoffset=0)
    narrow = h5py.h5t.STD_I32BE.copy()
    narrow.set_precision(19)
    narrow.set_offset(5)
    for key in ("narrow", "narrow_nbit"):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((5,))
        if key == "narrow_nbit":
            plist.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
        create(file, key, RANDOM.integers(-(2**18), 2**18, (17,)).astype("<i4"), plist, narrow)


def write_layouts(generation, **options):
    """The same datasets in each generation of the format."""
    for part in (plain, chunks, filters, packed):
        name = f"{generation}_{part.__name__}.h5"
        with h5py.File(path(name), "w", **options) as file:
            part(file)
        tell_all(name)


def write_indices(name):
    """Chunk indices of HDF5 1.10, each large enough for all of its parts."""
    with h5py.File(path(name), "w", libver="latest") as file:
        for suffix, options in (("", {}), ("_gzip", {"compression": "gzip"})):
            # Fixed array: one block, pages, pages of which some were never written.
            file.create_dataset("fixed" + suffix, data=some((50,), "i1"), chunks=(7,), **options)
            file.create_dataset("fixed_pages" + suffix, data=some((2500,), "i1"), chunks=(1,), **options)
            holes = file.create_dataset("fixed_holes" + suffix, shape=(9000,), dtype="i1", chunks=(1,), **options)
            holes[4000:4010] = 7
            holes[8999] = 8
            # Extensible array: in the index block, in blocks, in super blocks, in pages.
            file.create_dataset(
                "extensible" + suffix, data=some((2, 700), "i1"), chunks=(2, 1), maxshape=(2, None), **options
            )
            pages = file.create_dataset(
                "extensible_pages" + suffix, shape=(200000,), dtype="i1", chunks=(1,), maxshape=(None,), **options
            )
            for at in (0, 3, 20, 90, 600, 140000, 199990):
                pages[at : at + 5] = at % 100 + 1
            # B-tree, two levels deep.
            file.create_dataset(
                "tree" + suffix, data=some((60, 50), "i1"), chunks=(1, 1), maxshape=(None, None), **options
            )
        file.create_dataset("single", data=some((6, 6)), chunks=(8, 8), maxshape=(8, 8))
    tell_all(name)


def write_small_indices(name):
    """Each chunk index once, in a file that is small enough to be damaged thousands of times."""
    with h5py.File(path(name), "w", libver="latest") as file:
        for suffix, options in (("", {}), ("_gzip", {"compression": "gzip"})):
            file.create_dataset("fixed" + suffix, data=some((50,), "i1"), chunks=(7,), **options)
            file.create_dataset("extensible" + suffix, data=some((60,), "i1"), chunks=(1,), maxshape=(None,), **options)
            file.create_dataset("tree" + suffix, data=some((12, 10), "i1"), chunks=(1, 1), maxshape=(None, None), **options)
    tell_all(name)


def write_groups(name, count, **options):
    with h5py.File(path(name), "w", **options) as file:
        for number in range(count):
            file[f"group/a rather long name, so that blocks fill up soon {number}"] = np.int32(number)
        file["a/b/c/d/e"] = some((3,))
        file["a/soft"] = h5py.SoftLink("/a/b/c/d/e")
        file["a/dangling"] = h5py.SoftLink("/nowhere")
        file["a/hard"] = file["a/b/c/d/e"]
        file["a/b/again"] = file["a"]  # a circle
    tell_all(name)
    with h5py.File(path(name), "r") as file:
        tell(name, "a/hard", file["a/hard"][()])  # which visititems takes for the one that it has seen


def write_tree(name):
    """A version 1 B-tree of chunks, two levels deep, and a committed datatype."""
    with h5py.File(path(name), "w", libver="earliest") as file:
        file.create_dataset("deep", data=some((70, 70), "i1"), chunks=(1, 1))
        file["type"] = np.dtype("<f8")
        file.create_dataset("committed", data=some((4,), "<f8"), dtype=file["type"])
    with h5py.File(path(name), "r") as file:
        for key in ("deep", "committed"):
            tell(name, key, file[key][()])


def write_shared_messages(name):
    """Datasets that share their descriptions in heaps, which h5py's interface does not offer: by the library itself."""
    with open("/proc/self/maps") as maps:
        library = next(line.split()[-1] for line in maps if "libhdf5" in line and "_hl" not in line)
    hdf5 = ctypes.CDLL(library)
    plist = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    dataspaces, datatypes, fills, filters = 1 << 1, 1 << 3, 1 << 5, 1 << 11
    hdf5.H5Pset_shared_mesg_nindexes(ctypes.c_int64(plist.id), 2)
    hdf5.H5Pset_shared_mesg_index(ctypes.c_int64(plist.id), 0, datatypes | fills, 8)
    hdf5.H5Pset_shared_mesg_index(ctypes.c_int64(plist.id), 1, dataspaces | filters, 8)
    with h5py.File(h5py.h5f.create(path(name).encode(), h5py.h5f.ACC_TRUNC, plist)) as file:
        for number in range(8):
            shape = (3 + number % 3, 4)
            gzip = {"chunks": (2, 2), "compression": "gzip", "shuffle": True} if number % 2 else {}
            file.create_dataset(f"x{number}", data=some(shape, "<f4" if number % 3 else ">i2"), fillvalue=7, **gzip)
    tell_all(name)


def write_user_block(name):
    with h5py.File(path(name), "w", userblock_size=2048) as file:
        file["x"] = some((8, 8))
        file.create_dataset("y", data=some((8, 8)), chunks=(3, 3), compression="gzip")
    with open(path(name), "r+b") as file:
        file.write(b"#!/bin/sh\nexit 1\n")
    tell_all(name)


def write_keras2(name):
    """As Keras 2 lays out model.save("x.h5")."""
    layers = {"dense": {"kernel:0": some((4, 3)), "bias:0": some((3,))}, "dense_1": {"kernel:0": some((3, 2))}}
    with h5py.File(path(name), "w") as file:
        file.attrs["keras_version"] = "2.4.0"
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential"})
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, tensors in layers.items():
            group = weights.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{key}".encode() for key in tensors]
            for key, values in tensors.items():
                group[f"{layer}/{key}"] = values
        file["optimizer_weights/Adam/iter:0"] = np.int64(7)
        file["optimizer_weights/Adam/m:0"] = some((4, 3))
    tell_all(name)


def keras3_weights(at):
    """As keras/src/saving/saving_lib.py lays out model.weights.h5, bfloat16 included: opaque pairs and an attribute."""
    with h5py.File(at, "w") as file:
        file["layers/dense/vars/0"] = some((6, 4))
        file["layers/dense/vars/1"] = some((4,))
        bits = RANDOM.integers(0, 1 << 16, (4, 2)).astype("<u2")
        brain = file.create_dataset("layers/dense_1/vars/0", data=bits.view("V2"))
        brain.attrs["dtype"] = "bfloat16"
        file["optimizer/vars/0"] = np.int64(3)
        file["optimizer/vars/1"] = np.float32(0.001)
        file.create_group("vars")
        return bits


def write_keras3(name, compression=zipfile.ZIP_STORED, told=True):
    bits = keras3_weights(path("model.weights.h5"))
    with zipfile.ZipFile(path(name), "w", compression) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0", "date_saved": "2024-09-01@12:00:00"}))
        archive.writestr("config.json", json.dumps({"module": "keras", "class_name": "Sequential"}))
        archive.write(path("model.weights.h5"), "model.weights.h5")
    if told:
        for file_name in (name, "model.weights.h5"):
            with h5py.File(path("model.weights.h5"), "r") as file:
                for key in ("layers/dense/vars/0", "layers/dense/vars/1", "optimizer/vars/0", "optimizer/vars/1"):
                    tell(file_name, key, file[key][()])
            tell(file_name, "layers/dense_1/vars/0", bits, "bf16")


def write_elsewhere(name):
    """Elements and objects in other files, which must not be opened: "own" alone is listed."""
    with h5py.File(path("other.h5"), "w") as file:
        file["secret"] = some((3,))
    with h5py.File(path(name), "w", libver="latest") as file:
        file["own"] = some((3,))
        file["link"] = h5py.ExternalLink("other.h5", "/secret")
        file.create_dataset("outside", shape=(3,), dtype="<f4", external=[("/etc/hostname", 0, 12)])
        layout = h5py.VirtualLayout(shape=(3,), dtype="<f4")
        layout[:] = h5py.VirtualSource("other.h5", "secret", shape=(3,))
        file.create_virtual_dataset("virtual", layout)
        file["text"] = "words"
        file["record"] = np.zeros(2, [("a", "<i4"), ("b", "<f4")])
        file["complex"] = np.zeros(2, "<c8")
        file["long_double"] = np.zeros(2, np.longdouble)
        file["nothing"] = h5py.Empty("<f4")
        file["choice"] = np.zeros(2, h5py.enum_dtype({"a": 0, "b": 1}))
        tell(name, "own", file["own"][()])


def write_absurd():
    """Files that claim what they do not hold."""
    with h5py.File(path("absurd_chunk.h5"), "w") as file:  # 2 GiB in one compressed chunk of 1 KiB
        x = file.create_dataset("x", shape=(1 << 31,), dtype="i1", chunks=(1 << 31,), compression="gzip")
        x.id.write_direct_chunk((0,), b"\x78\x9c" + bytes(1022))
        file["y"] = some((3,))
    with h5py.File(path("absurd_shape.h5"), "w") as file:  # 2^62 bytes, never written
        file.create_dataset("x", shape=(1 << 60,), dtype="<f4")
        file.create_dataset("y", shape=(1 << 40, 1 << 20), dtype="<f4", chunks=(1 << 10, 1 << 10))
    with h5py.File(path("columns.h5"), "w") as file:  # chunks across the rows, 100 MB of zeros in 100 KB
        file.create_dataset("x", data=np.zeros((100000, 1000), "i1"), chunks=(100000, 100), compression="gzip")


os.makedirs(FOLDER, exist_ok=True)
write_layouts("old", libver="earliest")
write_layouts("new", libver="latest")
write_layouts("default")
write_indices("indices.h5")
write_small_indices("small_indices.h5")
write_groups("old_groups.h5", 1500, libver="earliest")
write_groups("new_groups.h5", 1500, libver="latest")
write_groups("small_group.h5", 12, libver="latest")
write_tree("tree.h5")
write_shared_messages("shared_messages.h5")
write_user_block("user_block.h5")
write_keras2("keras2.h5")
write_keras3("deflated.keras", zipfile.ZIP_DEFLATED, told=False)
write_keras3("model.keras")
write_elsewhere("elsewhere.h5")
write_absurd()
