"""Writes ONNX models with the onnx package and reads them back with its numpy_helper.

usage: write_onnx.py FOLDER, which prints one JSON line per initializer: file, name, dtype, shape, SHA-256 of the elements
(C order, little-endian).
"""

import hashlib
import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper, numpy_helper

NAMES = {
    TensorProto.FLOAT: "f32",
    TensorProto.UINT8: "u8",
    TensorProto.INT8: "i8",
    TensorProto.UINT16: "u16",
    TensorProto.INT16: "i16",
    TensorProto.INT32: "i32",
    TensorProto.INT64: "i64",
    TensorProto.BOOL: "bool",
    TensorProto.FLOAT16: "f16",
    TensorProto.DOUBLE: "f64",
    TensorProto.UINT32: "u32",
    TensorProto.UINT64: "u64",
    TensorProto.COMPLEX64: "c64",
    TensorProto.COMPLEX128: "c128",
    TensorProto.BFLOAT16: "bf16",
}

RANDOM = np.random.default_rng(5)


def array(data_type, shape):
    """Values all over the type's range, the extremes among them."""
    count, kind = int(np.prod(shape, dtype=np.int64)), NAMES[data_type]
    if kind == "bool":
        values = RANDOM.integers(0, 2, count).astype(bool)
    elif kind[0] == "c":
        values = (RANDOM.standard_normal(count) + 1j * RANDOM.standard_normal(count)).astype(f"complex{kind[1:]}")
    elif kind == "bf16":  # float32 whose lower half is zero
        values = RANDOM.standard_normal(count).astype("float32")
        values = (values.view("uint32") & np.uint32(0xFFFF0000)).view("float32")
    elif kind[0] == "f":
        values = RANDOM.standard_normal(count).astype(f"float{kind[1:]}")
    else:
        info = np.iinfo({"u": "uint", "i": "int"}[kind[0]] + kind[1:])
        values = RANDOM.integers(info.min, info.max, count, dtype=info.dtype, endpoint=True)
        values[:2] = [info.min, info.max][:count]
    return values.reshape(shape)


def raw_bytes(data_type, values):
    values = np.ravel(values)
    if data_type == TensorProto.BFLOAT16:
        return (values.astype("float32").view("uint32") >> 16).astype("<u2").tobytes()
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def raw(name, data_type, shape):
    return helper.make_tensor(name, data_type, shape, raw_bytes(data_type, array(data_type, shape)), raw=True)


def typed(name, data_type, shape):
    return helper.make_tensor(name, data_type, shape, array(data_type, shape).flatten().tolist())


def constant(value):
    return helper.make_node("Constant", [], ["constant"], value=typed("value", TensorProto.INT64, [value]))


def graph(name, initializers, nodes=()):
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    return helper.make_graph(list(nodes), name, [], [output], initializer=initializers)


def branches(name, then_branch, else_branch):
    return helper.make_node("If", ["condition"], ["out"], name, then_branch=then_branch, else_branch=else_branch)


def all_initializers(of):
    yield from of.initializer
    for node in of.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else []) + list(attribute.graphs):
                yield from all_initializers(inner)


def report(folder, file):
    path = os.path.join(folder, file)
    for tensor in all_initializers(onnx.load(path).graph):
        if NAMES[tensor.data_type][0] == "c" and not tensor.raw_data:  # which onnx 1.12 fails on: pairs in a row
            values = np.asarray(tensor.float_data or tensor.double_data, "f4" if tensor.float_data else "f8")
        else:
            values = numpy_helper.to_array(tensor)
        digest = hashlib.sha256(raw_bytes(tensor.data_type, values)).hexdigest()
        print(json.dumps([file, tensor.name, NAMES[tensor.data_type], list(tensor.dims), digest]))


def main():
    folder = sys.argv[1]

    def save(file, of, **how):
        os.makedirs(os.path.dirname(os.path.join(folder, file)), exist_ok=True)
        onnx.save(helper.make_model(of, producer_name="write_onnx"), os.path.join(folder, file), **how)
        report(folder, file)

    shapes = [[], [1], [7], [2, 3, 5], [0], [3, 0, 2]]
    every = [(t, s) for t in NAMES for s in shapes]
    save("raw.onnx", graph("raw", [raw(f"{NAMES[t]} {s}", t, s) for t, s in every]))
    save("typed.onnx", graph("typed", [typed(f"{NAMES[t]} {s}", t, s) for t, s in every]))

    inner = graph("inner", [raw("weight", TensorProto.FLOAT, [2, 2]), typed("bias", TensorProto.INT64, [3])])
    body = graph("body", [raw("weight", TensorProto.FLOAT16, [5])], [branches("inner if", inner, graph("none", []))])
    other = graph("other", [typed("weight", TensorProto.DOUBLE, [2])], [constant(3)])
    outer = [branches("if", body, other), helper.make_node("Loop", ["n", "condition"], ["out"], body=inner)]
    save("subgraphs.onnx", graph("outer", [raw("weight", TensorProto.INT8, [4])], outer))

    weights = [raw(f"layer.{i}.weight", TensorProto.FLOAT, [64, 8 + i]) for i in range(6)]
    save("one/model.onnx", graph("one", weights + [typed("small", TensorProto.FLOAT, [3])]),
         save_as_external_data=True, all_tensors_to_one_file=True, location="weights.bin", size_threshold=0)
    weights = [raw(f"layer.{i}.weight", TensorProto.FLOAT, [64, 8 + i]) for i in range(6)]
    save("many/model.onnx", graph("many", weights), save_as_external_data=True, all_tensors_to_one_file=False,
         size_threshold=0)

    placed = [raw(f"w{i}", TensorProto.FLOAT16, [100 + i]) for i in range(3)]
    for i, tensor in enumerate(placed):  # in no order, with holes, on pages
        external_data_helper.set_external_data(tensor, "sub/pages.bin", offset=(2 - i) * 4096)
    os.makedirs(os.path.join(folder, "placed", "sub"))
    save("placed/model.onnx", graph("placed", placed))

    save("large.onnx", graph("large", [raw(f"block.{i}", TensorProto.FLOAT, [128, 512]) for i in range(24)] +
                                      [typed("codes", TensorProto.UINT8, [200000]), typed("steps", TensorProto.INT64, [50000])]))


main()
