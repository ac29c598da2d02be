"""Replays calls of AVX-512 kernels in an emulated processor and compares bits.

The machine code is that of the Go program in vectors/, the expected bits are
from the twins in plain Go; emulator.py says how code is run. It needs nothing
but the emulator, and Go for the symbols:

    python3 -m venv venv && venv/bin/pip install bochscpu-python==0.4.0
    CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -o kernels.elf ./tools/peers/avx512/vectors
    go run ./tools/peers/avx512/vectors -out vec
    venv/bin/python tools/peers/avx512/run.py kernels.elf vec .

(../avx512.sh does this, and helps where the C library is older than glibc 2.38.)
Older versions of the emulator won't do: 0.3.1 rounds ties between subnormal
float16 up. Each call is made with its memory at three places,
see Emulator.place. It passes if

* every buffer, those that are only read too, holds the expected bits after it
  (of a NaN the payload is not compared: none of our contracts gives it);
* nothing beside the buffers is read across a page or written within GUARD;
* stack, frame pointer, MXCSR and direction flag are as the Go ABI wants them.

Functions of AVX2 run the same calls where they exist: they pass the tests of
their packages on real processors, so that they show the emulator to be right.
Before all that, calls that are damaged on purpose must fail: a wrong expected
bit, a buffer that is too short, a processor without AVX-512. And every function
that stands in an assembly file of AVX-512 must have been called.
"""

import faulthandler
import glob
import os
import re
import struct
import sys
import time
from collections import Counter, namedtuple

from emulator import Emulator

Call = namedtuple("Call", "fn label args bufs")
Buffer = namedtuple("Buffer", "pointers kind before after")
MODULE = "github.com/mlc-go/mlc/"
PLACES = ("inside", "first", "last")
FORMS = {4: ("I", 0x7FFFFFFF, 0x7F800000), 2: ("H", 0x7FFF, 0x7C00), 0: ("B", 0, 0)}  # by kind: form, all but sign, infinity


def read(path):
    """The calls of a file; vectors/call.go has the form."""
    data, at = open(path, "rb").read(), 0

    def number(form):
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, data, at - struct.calcsize(form))[0]

    def string(n):
        nonlocal at
        at += n
        return data[at - n:at]

    while at < len(data):
        fn, label, args = (string(number("<H")) for _ in range(3))
        bufs = []
        for _ in range(number("<H")):
            pointers = [number("<H") for _ in range(number("<H"))]
            kind, n = number("<H"), number("<I")
            bufs.append(Buffer(pointers, kind, string(n), string(n)))
        yield Call(fn.decode(), label.decode(), args, bufs)


def differ(kind, have, want):
    """The first element that is not as wanted, in words, or None."""
    if have == want:
        return None
    form, low, inf = FORMS[kind]
    n = len(want) // struct.calcsize(form)
    for i, (h, w) in enumerate(zip(struct.unpack(f"<{n}{form}", have), struct.unpack(f"<{n}{form}", want))):
        if h != w and not (h & low > inf and w & low > inf):
            return f"element {i} is {h:#x}, want {w:#x}"
    return None


def replay(emu, call, isa, place, code=None):
    """Makes one call; returns None or what is wrong. code is the instruction
    set whose function is called, where that is not the one the processor has."""
    args, put = bytearray(call.args), []
    for slot, b in enumerate(call.bufs):
        address, at = emu.place(slot, b.before, place, b.kind)
        put.append(at)
        for p in b.pointers:
            struct.pack_into("<Q", args, p, address)
    wrong = emu.call(call.fn.replace("*", code or isa) + ".abi0", bytes(args), isa)
    for slot, (b, at) in enumerate(zip(call.bufs, put)):
        n = len(b.before)
        wrong = wrong or differ(b.kind, emu.arena[at:at + n], b.after)
        if not wrong and not emu.intact(slot, at, n):
            wrong = f"wrote beside buffer {slot}"
    return wrong


def flipped(b):
    """The bytes after a call with the lowest bit of the last number wrong."""
    form, low, inf = FORMS[b.kind]
    size = struct.calcsize(form)
    for at in range(len(b.after) - size, -1, -size):
        x = struct.unpack_from("<" + form, b.after, at)[0]
        if not b.kind or x & low < inf:
            return b.after[:at] + struct.pack("<" + form, x ^ 1) + b.after[at + size:]
    return None


def self_test(emu, calls):
    """Damages one call of each function in every way that must be noticed;
    returns how many functions there are and what was not noticed."""
    samples, missed = {}, []
    for call in calls:
        known = call.fn.replace("*", "avx512") + ".abi0" in emu.symbols
        if known and call.fn not in samples and all(len(b.before) >= 8 and flipped(b) for b in call.bufs):
            if not replay(emu, call, "avx512", "inside"):  # where the function itself is wrong, damage proves nothing
                samples[call.fn] = call

    def expect(what, wrong, text):
        if text not in (wrong or ""):
            missed.append(f"self-test: {call.fn} {call.label}: {what}: {wrong or 'passed'}")

    for call in samples.values():
        for i, b in enumerate(call.bufs):
            def with_buffer(new):
                return call._replace(bufs=call.bufs[:i] + [new] + call.bufs[i + 1:])
            bit = with_buffer(b._replace(after=flipped(b)))
            expect(f"a wrong bit in buffer {i}", replay(emu, bit, "avx512", "inside"), "want")
            short = with_buffer(b._replace(before=b.before[:-4], after=b.after[:-4]))
            expect(f"buffer {i} too short", replay(emu, short, "avx512", "last"), "page fault")
            if b.before != b.after:
                expect(f"output {i} too short", replay(emu, short, "avx512", "inside"), "wrote beside")
        expect("a processor without AVX-512", replay(emu, call, "avx2", "inside", code="avx512"), "undefined")
    return len(samples), missed


def existing(root, isa):
    """The symbols of all functions of an instruction set in the source."""
    for path in glob.glob(os.path.join(root, f"runtime/**/*_{isa}_amd64.s"), recursive=True):
        package = os.path.relpath(os.path.dirname(path), root).replace(os.sep, "/")
        for name in re.findall(r"^TEXT ·(\w+)\(SB\)", open(path, encoding="utf-8").read(), re.M):
            yield MODULE + package + "." + name


def main(elf, folder, root):
    faulthandler.dump_traceback_later(600, exit=True)  # a loop without end would stay in native code
    emu = Emulator(elf)
    families = {os.path.basename(f)[:-4]: list(read(f)) for f in sorted(glob.glob(os.path.join(folder, "*.vec")))}
    passed, made = 0, Counter()

    functions, failures = self_test(emu, (c for calls in families.values() for c in calls))
    print(f"self-test: damaged calls of {functions} functions, {len(failures)} not noticed")

    for isa in ("avx512", "avx2"):
        for family, calls in families.items():
            start, before, runs = time.monotonic(), len(failures), 0
            for call in calls:
                fn = call.fn.replace("*", isa)
                if fn + ".abi0" not in emu.symbols:
                    if isa == "avx512":
                        failures.append(f"{fn}: not in the program")
                    continue  # AVX2 has fewer tiles
                made[fn] += 1
                for place in PLACES:
                    runs += 1
                    wrong = replay(emu, call, isa, place)
                    if wrong:
                        failures.append(f"{fn} {call.label} {place}: {wrong}")
            failed = len(failures) - before
            passed += runs - failed
            print(f"{isa}: {family}: {runs} runs, {failed} failed, {time.monotonic() - start:.1f} s", flush=True)

    names = set(existing(root, "avx512")) | set(existing(root, "avx512vnni"))
    failures += [f"{fn}: no vector calls it" for fn in sorted(names) if not made[fn]]
    if not names or functions < len(names):
        failures.append(f"the self-test has {functions} of {len(names)} functions")
    for f in failures[:50]:
        print("FAIL", f)
    control = sum(fn.endswith("_avx2") for fn in made)
    print(f"{len(names & made.keys())} of {len(names)} AVX-512 functions, {control} of AVX2 as control")
    print(f"{passed} passed, {len(failures)} failed", flush=True)
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: run.py kernels.elf vectors-folder repository")
    code = main(*sys.argv[1:])
    os._exit(code)  # not sys.exit: bochscpu may crash when the interpreter frees it
