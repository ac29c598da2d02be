package main

import "encoding/binary"

// A call is one call of an assembly function: the bytes of its arguments as Go
// lays them on the stack, and the memory that they point to. Arguments are
// added in the order of the function's declaration.
//
// In a file, all little endian, a call is
//
//	u16 length, bytes   name of the function, see newCall
//	u16 length, bytes   what is particular in this call, for messages
//	u16 length, bytes   arguments, zero where a pointer belongs
//	u16                 number of buffers, each of which is
//	    u16 n, n × u16  offsets in the arguments of the pointers to it
//	    u16             kind of its elements
//	    u32 n, n bytes  before the call
//	    n bytes         after it
type call struct {
	fn, label string
	args      []byte
	bufs      []buffer
}

// A buffer is memory that a call may read and write, and no byte beside it.
type buffer struct {
	at            []uint16 // where pointers to it are in the arguments
	kind          kind
	before, after []byte
}

// kind is the size of an element in bytes, with which NaNs are known: their
// payload is not compared.
type kind uint16

const (
	raw kind = 0 // bytes that are compared as they are
	f16 kind = 2
	f32 kind = 4
)

// newCall begins a call of the function of a package under runtime/kernel; the
// instruction set in its name is written as *: "gemm", "f32_1x16_*".
func newCall(pkg, fn, label string) *call {
	return &call{fn: "github.com/mlc-go/mlc/runtime/kernel/" + pkg + "." + fn, label: label}
}

// ints adds arguments of type int.
func (c *call) ints(v ...int) *call {
	for _, x := range v {
		c.args = binary.LittleEndian.AppendUint64(c.args, uint64(x))
	}
	return c
}

// floats adds arguments of type float32.
func (c *call) floats(v ...float32) *call {
	c.args = appendAll(c.args, v)
	return c
}

// in adds a pointer to a buffer that the function only reads.
func in[T any](c *call, k kind, v []T) *call { return out(c, k, v, v) }

// out adds a pointer to a buffer that the function changes.
func out[T any](c *call, k kind, before, after []T) *call {
	c.bufs = append(c.bufs, buffer{kind: k, before: appendAll(nil, before), after: appendAll(nil, after)})
	return c.again()
}

// again adds one more pointer to the last buffer.
func (c *call) again() *call {
	b := &c.bufs[len(c.bufs)-1]
	b.at = append(b.at, uint16(len(c.args)))
	return c.ints(0)
}

// appendTo appends the call as it stands in a file.
func (c *call) appendTo(file []byte) []byte {
	le := binary.LittleEndian
	for _, s := range []string{c.fn, c.label, string(c.args)} {
		file = append(le.AppendUint16(file, uint16(len(s))), s...)
	}
	file = le.AppendUint16(file, uint16(len(c.bufs)))
	for _, b := range c.bufs {
		file = le.AppendUint16(file, uint16(len(b.at)))
		file = appendAll(file, b.at)
		file = le.AppendUint16(file, uint16(b.kind))
		file = le.AppendUint32(file, uint32(len(b.before)))
		file = append(append(file, b.before...), b.after...)
	}
	return file
}

// appendAll appends the bytes of fixed-size elements.
func appendAll[T any](to []byte, v []T) []byte {
	to, err := binary.Append(to, binary.LittleEndian, v)
	if err != nil {
		panic(err) // T has no fixed size: a fault of this program
	}
	return to
}
