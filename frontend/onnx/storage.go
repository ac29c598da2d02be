package onnx

import (
	"math"
	"math/bits"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
)

// Field numbers of TensorProto that carry a payload, and of the few messages
// whose names faults need.
const (
	tensorDims      protowire.Number = 1
	tensorType      protowire.Number = 2
	tensorSegment   protowire.Number = 3
	tensorFloats    protowire.Number = 4
	tensorInt32s    protowire.Number = 5
	tensorStrings   protowire.Number = 6
	tensorInt64s    protowire.Number = 7
	tensorName      protowire.Number = 8
	tensorRaw       protowire.Number = 9
	tensorDoubles   protowire.Number = 10
	tensorUint64s   protowire.Number = 11
	tensorExternal  protowire.Number = 13
	tensorLocation  protowire.Number = 14
	tensorLifted    protowire.Number = 1000
	nodeName        protowire.Number = 3
	nodeOpType      protowire.Number = 4
	attrName        protowire.Number = 1
	entryKey        protowire.Number = 1
	entryValue      protowire.Number = 2
	locationDefault                  = 0
	locationOutside                  = 1
)

// ONNX's codes of the 6-bit floats, which dtype does not have.
const (
	codeF6E2M3 = 27
	codeF6E3M2 = 28
	codeString = 8
	codeBool   = 9
)

// storage is how ONNX stores elements of one data type.
type storage struct {
	name  string
	bits  int              // of one element in raw_data; 0 for strings
	field protowire.Number // the typed field that may hold it
	per   [2]int64         // entries of that field for how many elements
}

// storageOf gives the storage of a TensorProto.DataType code.
func storageOf(code int32) (storage, bool) {
	switch code {
	case codeF6E2M3:
		return storage{"f6e2m3", 6, tensorInt32s, [2]int64{1, 1}}, true
	case codeF6E3M2:
		return storage{"f6e3m2", 6, tensorInt32s, [2]int64{1, 1}}, true
	}
	d, ok := dtype.FromONNX(code)
	if !ok {
		return storage{}, false
	}
	s := storage{d.String(), d.Bits(), tensorInt32s, [2]int64{1, 1}}
	switch d {
	case dtype.F32:
		s.field = tensorFloats
	case dtype.C64:
		s.field, s.per = tensorFloats, [2]int64{2, 1}
	case dtype.F64:
		s.field = tensorDoubles
	case dtype.C128:
		s.field, s.per = tensorDoubles, [2]int64{2, 1}
	case dtype.I64:
		s.field = tensorInt64s
	case dtype.U32, dtype.U64:
		s.field = tensorUint64s
	case dtype.String:
		s.field = tensorStrings
	default:
		if s.bits < 8 { // one entry is one byte of raw_data
			s.per = [2]int64{1, int64(8 / s.bits)}
		}
	}
	return s, true
}

// entries is how many entries of the typed field n elements take.
func (s storage) entries(n int64) int64 { return (n*s.per[0] + s.per[1] - 1) / s.per[1] }

// maxElems keeps every later product (bits, two entries an element) in int64.
const maxElems = math.MaxInt64 / 256

// elems is the product of dims. A zero among them makes it zero however large
// the others are, so it is looked for first.
func elems(dims []int64) (int64, *diag.Error) {
	zero := false
	for _, d := range dims {
		if d < 0 {
			return 0, &diag.Error{Kind: diag.BadModel, Port: "dims", Have: dimsString(dims), Want: "no negative dimension"}
		}
		zero = zero || d == 0
	}
	if zero {
		return 0, nil
	}
	n := uint64(1)
	for _, d := range dims {
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > maxElems {
			return 0, &diag.Error{Kind: diag.BadModel, Port: "dims", Have: dimsString(dims), Want: "a product below 2^55"}
		}
		n = lo
	}
	return int64(n), nil
}

func dimsString(dims []int64) string {
	b := []byte{'['}
	for i, d := range dims {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, d, 10)
	}
	return string(append(b, ']'))
}

func quote(s string) string { return strconv.Quote(s) }

func itoa(n int) string { return strconv.Itoa(n) }

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }
