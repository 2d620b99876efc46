#!/usr/bin/python3
"""Compares the kernels' f16, bf16 and f8_e4m3 with what PyTorch makes of the same f32 values.

    torch_opinion.py DTYPE_EXHAUSTIVE [STEP]

Every STEP-th of all 2^32 bit patterns (61: 70 million). A NaN must be NaN in both; its sign and payload are each one's
own affair. A dtype that this PyTorch does not have is named as not compared. Exit status 1 where a value differs, 77
where there is no PyTorch.
"""
import subprocess
import sys

try:
    import torch
except ImportError as error:
    print(f"skipped: {error}; python3-torch has it")
    sys.exit(77)

PIECE = 1 << 22
# As in torch, the bits as integers, and how these say NaN.
DTYPES = {
    "f16": ("float16", torch.int16, lambda bits: (bits & 0x7FFF) > 0x7C00),
    "bf16": ("bfloat16", torch.int16, lambda bits: (bits & 0x7FFF) > 0x7F80),
    "f8_e4m3": ("float8_e4m3fn", torch.uint8, lambda bits: (bits & 0x7F) == 0x7F),
}


def differences(program, name, step):
    """Prints the first difference and returns whether there was one."""
    word, integer, is_nan = DTYPES[name]
    size = torch.tensor([], dtype=integer).element_size()
    dump = subprocess.Popen([program, "--dump", name, str(step)], stdout=subprocess.PIPE)
    compared = 0
    for first in range(0, 1 << 32, PIECE * step):
        patterns = torch.arange(first, min(first + PIECE * step, 1 << 32), step)
        made = torch.frombuffer(bytearray(dump.stdout.read(len(patterns) * size)), dtype=integer)
        signed = torch.where(patterns < 1 << 31, patterns, patterns - (1 << 32)).to(torch.int32)
        theirs = signed.view(torch.float32).to(getattr(torch, word)).view(integer)
        wrong = (made != theirs) & ~(is_nan(made) & is_nan(theirs))
        if wrong.any():
            at = int(wrong.nonzero()[0])
            print(f"{name}: 0x{int(patterns[at]):08x} became {int(made[at])}, in PyTorch {int(theirs[at])}")
            dump.kill()
            return True
        compared += len(patterns)
    if dump.wait() != 0:
        print(f"{name}: the dump ended with {dump.returncode}")
        return True
    print(f"{name}: {compared} values as PyTorch {torch.__version__} has them")
    return False


def main():
    step = int(sys.argv[2]) if len(sys.argv) > 2 else 61
    different = False
    for name, (word, _, _) in DTYPES.items():
        if hasattr(torch, word):
            different |= differences(sys.argv[1], name, step)
        else:
            print(f"{name}: not compared, PyTorch {torch.__version__} has no {word}")
    sys.exit(1 if different else 0)


main()
