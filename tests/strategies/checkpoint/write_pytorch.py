"""Writes checkpoints with PyTorch itself, apart from any code of this project (torch 1.13 and above).

usage: write_pytorch.py FOLDER, which prints one line per tensor: [file, name, dtype, shape, SHA-256 of its elements in
C order, little-endian]. Beside them, FOLDER/marker is what a hostile pickle in hostile.pt would create if it were run.
"""

import argparse
import collections
import hashlib
import io
import json
import os
import pathlib
import pickle
import sys
import warnings
import zipfile

# What libraries print while they are loaded must not stand in the listing.
listing = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import numpy  # noqa: E402
import torch  # noqa: E402

warnings.simplefilter("ignore")
torch.manual_seed(5)

NAMES = {
    torch.bool: "bool", torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.int32: "i32",
    torch.int64: "i64", torch.float16: "f16", torch.bfloat16: "bf16", torch.float32: "f32", torch.float64: "f64",
    torch.complex64: "c64", torch.complex128: "c128",
}  # fmt: skip
NEWER = {}  # those that _rebuild_tensor_v3 makes
for torch_name, dtype in (
    ("uint16", "u16"), ("uint32", "u32"), ("uint64", "u64"), ("float8_e4m3fn", "f8_e4m3"), ("float8_e5m2", "f8_e5m2"),
    ("float8_e4m3fnuz", "f8_e4m3fnuz"), ("float8_e5m2fnuz", "f8_e5m2fnuz"), ("complex32", "c32"),
):  # fmt: skip
    if hasattr(torch, torch_name) and hasattr(torch._utils, "_rebuild_tensor_v3"):
        NEWER[getattr(torch, torch_name)] = dtype


def elements(tensor):
    """The bytes, through a copy in C order."""
    tensor = tensor.detach()
    flat = torch.empty(tensor.shape, dtype=tensor.dtype)
    flat.copy_(tensor)
    return bytes(flat.reshape(-1).view(torch.uint8).numpy()) if flat.numel() else b""


def flatten(value, path=()):
    if isinstance(value, torch.Tensor):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from flatten(held, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, held in enumerate(value):
            yield from flatten(held, (*path, str(index)))


def tell(file, tensors):
    for name, tensor in tensors:
        dtype = NAMES.get(tensor.dtype) or NEWER[tensor.dtype]
        digest = hashlib.sha256(elements(tensor)).hexdigest()
        print(json.dumps([file, name, dtype, list(tensor.shape), digest]), file=listing)


def random_tensor(dtype, *shape):
    size = torch.tensor([], dtype=dtype).element_size()
    raw = torch.randint(0, 256, (*shape, size), dtype=torch.uint8)
    if dtype == torch.bool:
        return raw[..., 0] > 127
    return raw.view(dtype).reshape(shape)


def save(folder, file, value, **options):
    torch.save(value, folder / file, **options)
    tell(file, flatten(value))


def both(folder, file, value):
    save(folder, f"{file}.pt", value)
    save(folder, f"{file}_legacy.pt", value, _use_new_zipfile_serialization=False)


def views():
    base = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(2, 3, 4)
    wide = torch.arange(100, dtype=torch.int16).reshape(10, 10)
    return {
        "base": base, "same": base, "transposed": base.transpose(0, 2), "permuted": base.permute(1, 0, 2),
        "row": base[1, 2], "column": base[:, 1, 3], "half": base[1:], "stepped": wide[::2, 1::3],
        "corner": wide[7:, 7:],
        "expanded": torch.tensor([1.5, -2.0]).unsqueeze(1).expand(2, 5), "one": torch.ones(1, 1, 3).transpose(0, 1),
        "flat": wide.view(-1), "scalar": wide[3, 4], "empty": wide[:0],
        "channels_last": torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "complex": torch.view_as_complex(torch.rand(3, 4, 2)).t(),
    }  # fmt: skip


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(7, 4)
        self.blocks = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 7))
        self.head = torch.nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("steps", torch.arange(3))

    def forward(self, tokens):
        return self.head(self.blocks[1](self.blocks[0](self.embed(tokens))))


def nested():
    weight = torch.nn.Parameter(torch.rand(3, 2))
    named = torch.rand(2)
    named.note = "a Python attribute makes it another call"
    return {
        "model": collections.OrderedDict([("a.weight", weight), ("a.bias", torch.rand(2)), ("tied", weight)]),
        "list": [torch.rand(1), (torch.rand(2), "text", None, 3.5), {"deep": [{"er": torch.rand(3)}]}],
        "default": collections.defaultdict(list, {"x": torch.rand(1)}),
        "named": named, 7: torch.rand(1), "": {"": torch.rand(2)}, "\u043a\u043b\u044e\u0447 \"1\"": torch.rand(1),
        "config": argparse.Namespace(lr=1e-3, size=torch.Size([2, 3]), dtype=torch.bfloat16, at=torch.device("cpu")),
        "path": pathlib.PurePosixPath("/a"), "set": {1, 2, 3}, "scalar": numpy.float64(2.5), "big": 1 << 100,
        "bytes": b"\x00\xff", "long": list(range(2000)), "negative": -1,
    }  # fmt: skip


def with_optimizer(folder):
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.tensor([1, 2, 3])).sum().backward()
    optimizer.step()
    states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}
    save(folder, "optimizer.pt", {"epoch": 3, **states})


def packed_again(folder, source, target, method, big_endian=False):
    """The archive's members again, by Python's zipfile; the storages byte for byte or, for big-endian, each number
    reversed (all of them are of 4 bytes)."""
    with zipfile.ZipFile(folder / source) as old, zipfile.ZipFile(folder / target, "w", method) as new:
        names = old.namelist()
        for name in names:
            data = old.read(name)
            if big_endian and "/data/" in name and "/.data/" not in name:
                data = numpy.frombuffer(data, "<u4").byteswap().tobytes()
            if not name.endswith("/byteorder"):
                new.writestr(name, data)
        order = b"big" if big_endian else b"little"
        new.writestr(names[0].split("/")[0] + "/byteorder", order)


class Hostile:
    """Unpickling this creates a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def sharded(folder):
    (folder / "sharded").mkdir()
    shards = [
        {"a": torch.rand(3, 3), "b": torch.rand(2)},
        {"c": torch.rand(4).to(torch.bfloat16), "unlisted": torch.rand(1)},
    ]
    names = [f"pytorch_model-{i + 1:05d}-of-00002.bin" for i in range(2)]
    index = {"metadata": {"total_size": 52}, "weight_map": {"a": names[0], "b": names[0], "c": names[1]}}
    for name, shard in zip(names, shards):
        torch.save(shard, folder / "sharded" / name)
    (folder / "sharded" / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    tell("sharded", [("a", shards[0]["a"]), ("b", shards[0]["b"]), ("c", shards[1]["c"])])


def main():
    folder = pathlib.Path(sys.argv[1])
    dtypes = {str(dtype)[6:]: random_tensor(dtype, 3, 2) for dtype in NAMES}
    dtypes |= {"scalar": torch.tensor(4.25), "empty": torch.empty(0, 3), "long": random_tensor(torch.int64, 1)}
    both(folder, "dtypes", dtypes)
    both(folder, "views", views())
    both(folder, "nested", nested())
    both(folder, "bare", torch.rand(4, 5))
    frozen = torch.nn.Parameter(torch.rand(3), requires_grad=False)
    both(folder, "parameters", [torch.nn.Parameter(torch.rand(2, 2)), frozen])
    if NEWER:
        save(folder, "newer.pt", {str(dtype)[6:]: random_tensor(dtype, 4, 4).t() for dtype in NEWER})

    model = Net()
    for file, options in ("module.pt", {}), ("module_legacy.pt", {"_use_new_zipfile_serialization": False}):
        torch.save(model, folder / file, **options)
        tell(file, model.state_dict().items())
    with_optimizer(folder)
    some = views()
    for protocol in 3, 4, 5:
        save(folder, f"protocol{protocol}.pt", some, pickle_protocol=protocol)
        # Python's own pickle keeps the storages inside.
        (folder / f"pickled{protocol}.pkl").write_bytes(pickle.dumps(some, protocol))
        tell(f"pickled{protocol}.pkl", flatten(some))

    floats = {name: tensor for name, tensor in views().items() if tensor.dtype == torch.float32}
    floats["int32"] = torch.arange(6, dtype=torch.int32).reshape(2, 3).t()
    torch.save(floats, folder / "floats.pt")
    for file, method, big in ("big_endian.pt", 0, True), ("deflated.pt", 8, False), ("big_endian_deflated.pt", 8, True):
        packed_again(folder, "floats.pt", file, method, big)
        tell(file, flatten(floats))
    (folder / "floats.pt").unlink()
    sharded(folder)

    beside = {"w": torch.rand(2, 2), "v": torch.rand(3)}
    torch.save({"a": Hostile(folder / "marker"), **beside, "z": [Hostile(folder / "marker")]}, folder / "hostile.pt")
    tell("hostile.pt", flatten(beside))
    strange = {
        "sparse": torch.eye(3).to_sparse(), "quantised": torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8),
        "meta": torch.empty(3, device="meta"), "array": numpy.arange(3), **beside,
    }  # fmt: skip
    torch.save(strange, folder / "left_out.pt")
    tell("left_out.pt", flatten(beside))
    save(folder, "slice.pt", {"slice": torch.rand(1000, 4)[10:12]})

    script = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)))
    torch.jit.save(script, folder / "script.pt")
    tell("script.pt", script.state_dict().items())
    if hasattr(torch.serialization, "set_crc32_options"):
        torch.serialization.set_crc32_options(False)
        save(folder, "no_crc32.pt", beside)
    # Two saves in one file: torch.load reads the first.
    buffer = io.BytesIO()
    for value in beside, {"other": torch.rand(1)}:
        torch.save(value, buffer, _use_new_zipfile_serialization=False)
    (folder / "two_saves.pt").write_bytes(buffer.getvalue())
    tell("two_saves.pt", flatten(beside))


main()
