#!/usr/bin/env python3
"""make_model.py my_model.h5: an HDF5 file of 96 MiB to try the loaders on (needs h5py: apt install python3-h5py)."""
import sys

import h5py
import numpy

rng = numpy.random.default_rng(1)
with h5py.File(sys.argv[1], "w") as model:
    for name, shape in {
        "embedding/table": (6144, 1024),
        "layer1/kernel": (1024, 4096),
        "layer1/bias": (4096,),
        "layer2/kernel": (4096, 1536),
        "layer2/bias": (1536,),
        "head/kernel": (2048, 4096),
    }.items():
        model[name] = rng.standard_normal(shape, dtype=numpy.float32)
