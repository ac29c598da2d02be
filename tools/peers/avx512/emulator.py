"""A bare x86-64 processor that calls functions of a Go program.

The processor is that of Bochs (package bochscpu): it decodes and executes
real machine code, EVEX encodings included, on any host. There is no operating
system and no Go runtime in it. What the functions need is made by hand:

* Memory is one anonymous mapping of this process, the arena. Guest physical
  pages are pages of the arena, and guest virtual addresses equal physical
  ones, so that the page tables are an identity. What is not in the page tables
  faults, and a fault ends the call with an error: there are no handlers.
* The program is a static ELF file. Its read-only segments (code and constants)
  are copied to the addresses they are linked at; kernels use no variables.
* The processor starts each call in 64-bit mode at privilege 0, with SSE and AVX
  enabled by CR0, CR4 and XCR0 as an operating system would. XCR0 says which
  vector state exists: without the AVX-512 bits every EVEX instruction is
  undefined, which keeps the AVX2 functions honest.
* Bochs knows some thirty processors. That which the package chooses has AVX-512
  but no VNNI, and no call of its Python side changes that; choose() does, by
  the functions of Bochs that the package exports.
* Go's assembly functions (ABI0) take all arguments on the stack, above the
  return address. The return address points to a HLT, which ends the run.
"""

import mmap
import ctypes
import struct
import subprocess

import bochscpu
import bochscpu.cpu
from bochscpu import _bochscpu
from bochscpu._bochscpu import memory

PAGE = 4096
GUARD = 256  # bytes beside a buffer that are watched
MARK = b"\xa7" * GUARD
SLOT = 64 * PAGE  # room for one buffer
SLOTS = 6
DATA = 0x7000_0000  # the first slot; behind each is a page that does not exist
STACK = 0x6000_0000
HALT = 0x5000_0000
TABLES = 0x4000_0000

XCR0 = {"avx2": 0x07, "avx512": 0xE7}  # x87, SSE, AVX; and masks, upper halves, upper registers
FAULTS = {0: "divide error", 6: "undefined instruction", 7: "vectors not enabled", 13: "general protection",
          14: "page fault", 19: "floating-point exception"}
MODEL = 28  # of Bochs' list of processors: Ice Lake; that before it lacks VNNI
LEFT_BY_OTHERS = 0x7FA7_A7A7_7FA7_A7A7  # in registers before a call: two NaNs, and no address


class Emulator:
    def __init__(self, elf):
        """elf is the path of a static linux/amd64 program with symbols."""
        nm = subprocess.run(["go", "tool", "nm", elf], capture_output=True, text=True, check=True).stdout
        fields = (line.split() for line in nm.splitlines())
        self.symbols = {f[2]: int(f[0], 16) for f in fields if len(f) == 3 and f[2].endswith(".abi0")}

        image = open(elf, "rb").read()
        pages = {}  # guest page to its bytes
        for address, data in segments(image):
            lo = address % PAGE
            data = bytes(lo) + data
            for i in range(0, len(data), PAGE):
                pages[address - lo + i] = data[i:i + PAGE]
        pages[HALT] = b"\xf4" * PAGE
        pages[STACK] = bytes(PAGE)
        code = len(pages)
        for i in range(SLOTS):
            for at in range(0, SLOT, PAGE):
                pages[DATA + i * (SLOT + PAGE) + at] = b""

        self.arena = mmap.mmap(-1, len(pages) * PAGE)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.arena))
        self.tables = memory.PageMapLevel4Table()  # kept: it owns the pages of the tables
        for i, (address, data) in enumerate(pages.items()):
            self.arena[i * PAGE:i * PAGE + len(data)] = data
            memory.page_insert(address, base + i * PAGE)
            self.tables.insert(address, address, 7)  # present, writable, user
        for host, guest in self.tables.commit(TABLES):
            host, guest = max(host, guest), min(host, guest)
            memory.page_insert(guest, host)
        self.slots = code * PAGE  # where in the arena the slots begin; they lie one behind another
        self.stack = (code - 1) * PAGE

        self.fault = None
        choose(MODEL)
        self.session = bochscpu.Session()
        self.session.missing_page_handler = lambda gpa: self.stop(f"no memory at {gpa:#x}")
        self.hook = bochscpu.Hook()
        self.hook.hlt = lambda session, cpu: session.stop()
        self.hook.exception = lambda session, cpu, vector, error: self.stop(FAULTS.get(vector, f"exception {vector}"))
        self.states = {isa: initial(xcr0) for isa, xcr0 in XCR0.items()}

    def stop(self, why):
        self.fault = self.fault or why
        self.session.stop()

    def place(self, slot, data, where, size):
        """Puts data into a slot between guards and returns its address and its
        offset in the arena. "first" and "last" put it at the very begin or end
        of the pages, so that one byte beyond it faults; "inside" puts it at
        an address that is a multiple of no more than the size of an element."""
        lo = self.slots + slot * SLOT
        hi = lo + SLOT
        at = {"first": lo, "last": hi - len(data), "inside": lo + PAGE + (size or 8) * (2 * slot + 1)}[where]
        before = min(GUARD, at - lo)
        behind = min(GUARD, hi - at - len(data))
        self.arena[at - before:at + len(data) + behind] = MARK[:before] + data + MARK[:behind]
        return DATA + slot * (SLOT + PAGE) + at - lo, at

    def intact(self, slot, at, n):
        """Whether the guards of n bytes that place put at an offset are whole."""
        lo = self.slots + slot * SLOT
        before = min(GUARD, at - lo)
        behind = min(GUARD, lo + SLOT - at - n)
        return self.arena[at - before:at] == MARK[:before] and self.arena[at + n:at + n + behind] == MARK[:behind]

    def call(self, symbol, args, isa):
        """Calls a function; returns None, or what went wrong in itself."""
        rsp = PAGE // 2
        frame = struct.pack("<Q", HALT) + args
        self.arena[self.stack:self.stack + PAGE] = b"\xa7" * rsp + frame + b"\xa7" * (PAGE - rsp - len(frame))
        state = self.states[isa]
        state.rsp = STACK + rsp
        state.rip = self.symbols[symbol]
        self.fault = None
        self.session.cpu.state = state
        self.session.run([self.hook])
        after = self.session.cpu.state
        if self.fault:
            return f"{self.fault} at {symbol}+{after.rip - self.symbols[symbol]:#x}, cr2 {after.cr2:#x}"
        if after.rsp != STACK + rsp + 8 or after.rbp != state.rbp:
            return "stack or frame pointer is not restored"
        if after.mxcsr & 0xFFC0 != state.mxcsr & 0xFFC0 or after.rflags & 0x400:
            return "rounding, exception masks or direction flag changed"
        above = self.stack + rsp + 8
        if self.arena[above:self.stack + PAGE] != args + b"\xa7" * (PAGE - rsp - 8 - len(args)):
            return "arguments or what lies above them changed"
        return None


def choose(model):
    """Sets the number of the processor in Bochs' list, before a session makes it."""
    bochs = ctypes.CDLL(_bochscpu.__file__)
    find = bochs._ZN13bx_real_sim_c14get_param_enumEPKcP10bx_param_c  # bx_real_sim_c::get_param_enum(const char*, bx_param_c*)
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    put = bochs._ZN15bx_param_enum_c3setEl  # bx_param_enum_c::set(long)
    put.restype, put.argtypes = None, [ctypes.c_void_p, ctypes.c_int64]
    get = bochs._ZN14bx_param_num_c5get64Ev  # bx_param_num_c::get64()
    get.restype, get.argtypes = ctypes.c_int64, [ctypes.c_void_p]
    parameter = find(ctypes.c_void_p.in_dll(bochs, "SIM"), b"cpu.model", None)
    if not parameter:
        raise RuntimeError("Bochs has no parameter cpu.model")
    put(parameter, model)
    if get(parameter) != model:
        raise RuntimeError(f"Bochs has processor {get(parameter)}, want {model}")


def segments(image):
    """Address and bytes of the loaded segments of an ELF file that are not writable."""
    offset, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
    for i in range(count):
        kind, flags, at, address, _, size = struct.unpack_from("<IIQQQQ", image, offset + 56 * i)
        if kind == 1 and not flags & 2:
            yield address, image[at:at + size]


def initial(xcr0):
    """The state in which calls begin, but for RSP and RIP."""
    s = bochscpu.State()
    bochscpu.cpu.set_long_mode(s)
    s.cr3 = TABLES
    s.cr0 = s.cr0 & ~(1 << 2 | 1 << 16) | 1 << 1  # x87 is not emulated; the tables' upper levels say read-only: ignore
    s.cr4 = s.cr4 | 1 << 9 | 1 << 10 | 1 << 18  # SSE, its exceptions, XSAVE
    s.xcr0 = xcr0
    s.mxcsr, s.mxcsr_mask = 0x1F80, 0xFFFF  # round to nearest, keep subnormals, no traps: as Go has it
    s.rflags = 2
    s.cs = segment(0x10, 0x209B)  # 64-bit code
    for name in ("ss", "ds", "es", "fs", "gs"):
        setattr(s, name, segment(0x18, 0xC093))  # data
    for name in "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15".split():
        setattr(s, name, LEFT_BY_OTHERS)
    zmm = s.zmm
    for z in zmm:
        z.q = [LEFT_BY_OTHERS] * 8
    s.zmm = zmm
    return s


def segment(selector, attributes):
    s = bochscpu.Segment()
    s.present, s.selector, s.base, s.limit, s.attr = True, selector, 0, 0xFFFFFFFF, attributes
    return s
