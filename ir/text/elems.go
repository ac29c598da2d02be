package text

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// splatMin is the shortest list of equal elements that is written as a splat.
const splatMin = 16

// sideAlign is the alignment of constants in a side file.
const sideAlign = 64

// init writes the elements of c.
func (p *printer) init(c *ir.Const, what string) {
	switch c.Init.Kind {
	case ir.InitSplat:
		p.f("splat(%s)", number(c.Init.Splat))
		return
	case ir.InitRandom:
		p.f("random(seed=%d)", c.Init.Seed)
		return
	case ir.InitFile:
		if p.Side == nil && c.Init.SHA256 != "" {
			p.fileInit(c.Init.SHA256, c.Init.File, c.Init.Offset)
			return
		}
	}
	t, err := c.Tensor()
	if err != nil {
		p.constFault(what, err)
		p.s(`sha256:@""+0`)
		return
	}
	p.elements(&t, true)
}

// elements writes a tensor as a splat, a list or a reference to the side file.
func (p *printer) elements(t *tensor.Tensor, side bool) {
	if v, ok := splat(t); ok {
		p.f("splat(%s)", number(v))
		return
	}
	if p.MaxElems > 0 && t.Len() > p.MaxElems && t.DType() != dtype.String && side {
		sum := sha256.Sum256(t.Bytes())
		if p.Side == nil {
			p.fileInit(hex.EncodeToString(sum[:]), "", 0)
			return
		}
		pad := -p.offset & (sideAlign - 1)
		if _, err := p.Side.Write(make([]byte, pad)); err != nil {
			p.fail(err)
		}
		p.offset += pad
		p.fileInit(hex.EncodeToString(sum[:]), p.SideName, p.offset)
		n, err := p.Side.Write(t.Bytes())
		if err != nil {
			p.fail(err)
		}
		p.offset += int64(n)
		return
	}
	p.s("[")
	for i := range t.Len() {
		p.sep(i, "", ", ")
		p.s(element(t, i))
	}
	p.s("]")
}

func (p *printer) fileInit(sum, file string, offset int64) {
	p.f("sha256:%s@%s+%d", sum, fileName(file), offset)
}

// fileName is file, quoted unless it is made of letters, digits and ./_- only.
func fileName(s string) string {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && !strings.ContainsRune("./-", rune(c)) {
			return strconv.Quote(s)
		}
	}
	if s == "" || strings.Contains(s, "//") {
		return strconv.Quote(s)
	}
	return s
}

// splat says whether all elements are one value that a float64 holds.
func splat(t *tensor.Tensor) (float64, bool) {
	n := t.Len()
	if n < splatMin || !splats(t.DType()) {
		return 0, false
	}
	v := t.Float(0)
	if bits := t.DType().Bits(); bits >= 8 {
		b, size := t.Bytes(), bits/8
		for i := size; i < len(b); i++ {
			if b[i] != b[i-size] {
				return 0, false
			}
		}
	} else {
		for i := range n {
			if t.Float(i) != v {
				return 0, false
			}
		}
	}
	if t.DType().IsInt() && math.Abs(v) >= 1<<53 {
		return 0, false
	}
	if t.DType() == dtype.F32 && v != v && math.Float32bits(tensor.Slice[float32](t)[0]) != 0x7fc00000 {
		return 0, false
	}
	return v, true
}

// splats says whether splat(v) is defined for the element type: where v can be
// stored by SetFloat.
func splats(d dtype.DType) bool {
	return d.IsInt() || d == dtype.Bool || d.IsFloat() && d.Bits() > 8
}

// element is the text of element i.
func element(t *tensor.Tensor, i int) string {
	d := t.DType()
	switch {
	case d == dtype.String:
		return strconv.Quote(t.Strings()[i])
	case d == dtype.Bool:
		return strconv.FormatBool(t.Int(i) != 0)
	case d == dtype.U64:
		return strconv.FormatUint(uint64(t.Int(i)), 10)
	case d.IsInt():
		return strconv.FormatInt(t.Int(i), 10)
	case d == dtype.F32:
		return float(t.Float(i), 32)
	case d == dtype.F64:
		return float(t.Float(i), 64)
	case d == dtype.F16:
		return small(t.Float(i), func(f float64) bool { return dtype.F64ToF16(f) == tensor.Slice[uint16](t)[i] })
	case d == dtype.BF16:
		return small(t.Float(i), func(f float64) bool { return dtype.F64ToBF16(f) == tensor.Slice[uint16](t)[i] })
	case d == dtype.C64:
		s := tensor.Slice[float32](t)
		return "(" + float(float64(s[2*i]), 32) + ", " + float(float64(s[2*i+1]), 32) + ")"
	case d == dtype.C128:
		s := tensor.Slice[float64](t)
		return "(" + float(s[2*i], 64) + ", " + float(s[2*i+1], 64) + ")"
	}
	return fmt.Sprintf("0x%02x", rawBits(t, i)) // floats of 8 bits and less
}

// rawBits is element i of a type of 8 bits or less.
func rawBits(t *tensor.Tensor, i int) byte {
	b := t.DType().Bits()
	per := 8 / b
	return t.Bytes()[i/per] >> (b * (i % per)) & byte(1<<b-1)
}

func setRawBits(t *tensor.Tensor, i int, v byte) {
	b := t.DType().Bits()
	per, mask := 8/b, byte(1<<b-1)
	s := b * (i % per)
	t.Bytes()[i/per] = t.Bytes()[i/per]&^(mask<<s) | v&mask<<s
}

// number writes a splat's value.
func number(v float64) string { return float(v, 64) }

// float is the shortest decimal that reads back as v.
func float(v float64, bits int) string {
	switch {
	case v != v:
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}

// small is float for the 16-bit types: same says whether a number rounds back.
func small(v float64, same func(float64) bool) string {
	if v != v || math.IsInf(v, 0) {
		return float(v, 64)
	}
	for prec := 1; prec < 9; prec++ {
		s := strconv.FormatFloat(v, 'g', prec, 64)
		if f, err := strconv.ParseFloat(s, 64); err == nil && same(f) {
			return float(f, 64)
		}
	}
	return float(v, 32)
}

// attr writes an attribute's value.
func (p *printer) attr(v attr.Value, label string) {
	switch v.Kind {
	case attr.KindInt:
		p.f("%d", v.Int)
	case attr.KindFloat:
		p.s(float(float64(v.Float), 32))
	case attr.KindString:
		p.s(strconv.Quote(v.Str))
	case attr.KindInts:
		list(p, v.Ints, func(n int64) string { return strconv.FormatInt(n, 10) })
	case attr.KindFloats:
		list(p, v.Floats, func(f float32) string { return float(float64(f), 32) })
	case attr.KindStrings:
		list(p, v.Strs, strconv.Quote)
	case attr.KindTensor:
		p.f("%s ", v.Tensor.Type())
		p.elements(v.Tensor, false)
	case attr.KindType:
		p.s(v.TypeVal.String())
	default:
		p.s("none")
	}
}

func list[T any](p *printer, vs []T, f func(T) string) {
	p.s("[")
	for i, v := range vs {
		p.sep(i, "", ", ")
		p.s(f(v))
	}
	p.s("]")
}
