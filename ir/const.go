package ir

import (
	"errors"
	"fmt"
	"sync"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Const is a constant whose bytes may live elsewhere: in memory, in a mapped
// file, or in a rule that makes them. It is immutable and safe for concurrent
// use. (A constant computed from others stays a chain of pure nodes in the
// Module until fold or packing evaluates it.)
type Const struct {
	DType dtype.DType
	Dims  []int
	Init  Init // how text prints it; the zero Init prints the elements

	load func() (tensor.Tensor, error)
	once sync.Once
	val  tensor.Tensor
	err  error
}

// InitKind says how a constant's elements are given.
type InitKind uint8

// The kinds of .mir's init: a list, one value for all, a seeded generator, or
// a place in a file.
const (
	InitList InitKind = iota
	InitSplat
	InitRandom
	InitFile
)

// Init is the textual origin of a constant.
type Init struct {
	Kind   InitKind
	Splat  float64
	Seed   uint64
	SHA256 string // InitFile: hex digest of the bytes
	File   string
	Offset int64
}

// NewConst wraps a tensor; the caller must not change it afterwards.
func NewConst(t tensor.Tensor) *Const {
	return &Const{DType: t.DType(), Dims: t.Dims(), val: t}
}

// LazyConst is a constant that load produces when first asked. load must
// always give the same tensor of the stated type and extents.
func LazyConst(d dtype.DType, dims []int, init Init, load func() (tensor.Tensor, error)) *Const {
	return &Const{DType: d, Dims: dims, Init: init, load: load}
}

// Tensor gives the elements, reading them when first asked; callers must not
// change them. Error: the file behind it cannot be read or is not of the
// stated size.
func (c *Const) Tensor() (tensor.Tensor, error) {
	if c.load == nil {
		return c.val, nil
	}
	c.once.Do(func() {
		c.val, c.err = c.load()
		if c.err == nil && (c.val.DType() != c.DType || fmt.Sprint(c.val.Dims()) != fmt.Sprint(c.Dims)) {
			c.err = errors.New("constant is not of its stated type")
		}
	})
	return c.val, c.err
}

// Len is the number of elements.
func (c *Const) Len() int { n, _ := tensor.Count(c.Dims); return n }

// Bytes is the size of the elements in memory (strings count 16 each).
func (c *Const) Bytes() int {
	if c.DType == dtype.String {
		return 16 * c.Len()
	}
	return c.DType.Bytes(c.Len())
}

// Type is the constant's type.
func (c *Const) Type() Type { return tensor.T(c.DType, shape.Ints(c.Dims...)...) }
