package ptxsim

import (
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// Class is the kind of a mistake that a kernel makes when it runs.
type Class uint8

// The classes of Fault.
const (
	OutOfBounds  Class = iota // an address outside every allocation or variable
	Misaligned                // an address that is no multiple of the access
	ReadOnly                  // a store to an allocation marked so, or ld.global.nc of what the launch writes
	UninitMemory              // a read of bytes nobody wrote
	UninitReg                 // a read of a register nobody wrote
	SharedRace                // two threads touch shared bytes without order, one writes
	GlobalRace                // the same on global memory
	Divergence                // a warp-wide or block-wide instruction reached by part of its threads
	Deadlock                  // threads wait for what cannot come
	InactiveLane              // a shuffle reads a lane that takes no part
	DivideByZero              // div or rem of integers
	Endless                   // the instruction budget is spent
	BadOperand                // an operand value that the instruction does not allow
)

var classNames = [...]string{"out of bounds", "misaligned", "read-only memory", "uninitialized memory",
	"uninitialized register", "race on shared memory", "race on global memory", "divergence", "deadlock",
	"inactive lane", "division by zero", "endless loop", "bad operand"}

func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "class(" + fmt.Sprint(uint8(c)) + ")"
}

// Fault is a mistake of a running kernel. Run returns it wrapped in a
// *diag.Error that names the kernel; errors.As finds it.
type Fault struct {
	Class  Class
	Kernel string
	Line   int    // line of the PTX text, from 1
	Text   string // the instruction there
	Block  [3]int
	Thread [3]int // the lowest thread concerned
	Addr   uint64 // the address, where Class has one
	Detail string // what is wrong, and with whom
}

// Error prints the fault as one line.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d (%s): block (%d,%d,%d) thread (%d,%d,%d): %s", f.Line, f.Text,
		f.Block[0], f.Block[1], f.Block[2], f.Thread[0], f.Thread[1], f.Thread[2], f.Class)
	switch f.Class {
	case OutOfBounds, Misaligned, ReadOnly, UninitMemory, SharedRace, GlobalRace:
		fmt.Fprintf(&b, " at 0x%x", f.Addr)
	}
	if f.Detail != "" {
		b.WriteString(": " + f.Detail)
	}
	return b.String()
}

// wrap makes the error that Run returns.
func (f *Fault) wrap() error {
	k := diag.Internal
	if f.Class == Endless {
		k = diag.Limit
	}
	return &diag.Error{Kind: k, Node: "kernel " + f.Kernel, Err: f}
}

// faultAt is an error in the text: position, what is wrong, and the line.
func faultAt(k diag.Kind, src string, t token, format string, a ...any) error {
	msg := fmt.Sprintf(format, a...)
	if text := sourceLine(src, t.line); text != "" {
		msg += " in `" + text + "`"
	}
	return &diag.Error{Kind: k, File: fmt.Sprintf("ptx:%d:%d", t.line, t.col), Err: fmt.Errorf("%s", msg)}
}

// sourceLine is line n of the text (from 1), trimmed and of bounded length.
func sourceLine(src string, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(src, '\n')
		if i < 0 {
			return ""
		}
		src = src[i+1:]
	}
	if i := strings.IndexByte(src, '\n'); i >= 0 {
		src = src[:i]
	}
	if i := strings.Index(src, "//"); i >= 0 {
		src = src[:i]
	}
	src = strings.TrimSpace(src)
	if len(src) > 160 {
		src = src[:160] + "..."
	}
	return strings.ToValidUTF8(src, "?")
}
