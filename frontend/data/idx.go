package data

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// idxTypes maps the third byte of an idx file to an element type. Elements
// wider than a byte are big endian.
var idxTypes = map[byte]dtype.DType{8: dtype.U8, 9: dtype.I8, 11: dtype.I16, 12: dtype.I32, 13: dtype.F32, 14: dtype.F64}

// ParseIDX reads an idx file, the format of the MNIST files: two zero bytes, a
// type, the rank, big-endian extents, big-endian elements. Nothing is
// allocated that b does not hold.
func ParseIDX(b []byte) (tensor.Tensor, error) {
	if len(b) < 4 || b[0] != 0 || b[1] != 0 {
		return tensor.Tensor{}, fmt.Errorf("no idx file: want two zero bytes first")
	}
	d, ok := idxTypes[b[2]]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("idx element type %#x: unknown (have 0x8, 0x9, 0xb, 0xc, 0xd, 0xe)", b[2])
	}
	rank := int(b[3])
	if rank == 0 || len(b) < 4+4*rank {
		return tensor.Tensor{}, fmt.Errorf("idx header of rank %d in %d bytes", rank, len(b))
	}
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = int(int32(binary.BigEndian.Uint32(b[4+4*i:])))
	}
	body := b[4+4*rank:]
	n, ok := tensor.Count(dims)
	if !ok || n > len(body) || d.Bytes(n) != len(body) {
		return tensor.Tensor{}, fmt.Errorf("idx extents %v of %v: have %d bytes of elements", dims, d, len(body))
	}
	t := tensor.New(d, dims...)
	to, w := t.Bytes(), d.Size()
	for i := 0; i < len(body); i += w { // to little endian
		for k := range w {
			to[i+k] = body[i+w-1-k]
		}
	}
	return t, nil
}

func openIDX(images, labels string) (Dataset, error) {
	x, err := readIDX(images)
	if err != nil {
		return nil, err
	}
	y, err := readIDX(labels)
	if err != nil {
		return nil, err
	}
	return idxTable(x, y, images, labels)
}

func readIDX(file string) (tensor.Tensor, error) {
	b, err := readAll(file)
	if err != nil {
		return tensor.Tensor{}, err
	}
	t, err := ParseIDX(b)
	return t, diag.In(file, diag.BadData, err)
}

// idxTable makes the fields "image" and "label" of the two tensors.
func idxTable(x, y tensor.Tensor, images, labels string) (Dataset, error) {
	if y.Rank() != 1 || !y.DType().IsInt() {
		return nil, &diag.Error{Kind: diag.BadData, File: labels, Port: "labels", Have: y.DType().String() + fmt.Sprint(y.Dims()), Want: "one integer a picture"}
	}
	if x.Dim(0) != y.Len() {
		return nil, &diag.Error{Kind: diag.BadData, File: labels, Port: "labels", Have: fmt.Sprint(y.Len()), Want: fmt.Sprintf("%d, one a picture of %s", x.Dim(0), images)}
	}
	if x.Dim(0) == 0 {
		return nil, diag.In(images, diag.BadData, fmt.Errorf("holds no pictures"))
	}
	l := tensor.New(dtype.I64, y.Len())
	for i := range y.Len() {
		l.SetInt(i, y.Int(i))
	}
	name := filepath.Base(images)
	return NewTable(
		[]Field{{Name: "image", DType: x.DType(), Dims: x.Dims()[1:]}, {Name: "label", DType: dtype.I64, Dims: []int{}, Target: true}},
		[]tensor.Tensor{x, l},
		func(row int) string { return fmt.Sprintf("%s: picture %d", name, row) })
}
