package ref

import (
	"math"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Cast converts elements to the type with ONNX code to. Floats round to
// nearest even and overflow to infinity; floats to integers truncate toward
// zero (see truncTo); integers to integers keep their low bits; anything to bool is x != 0. Strings are decimal or scientific numbers.
// Conversions to 8-bit floats follow saturate, those to f8e8m0 round_mode.
func Cast(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	d, ok := dtype.FromONNX(int32(a.Int("to")))
	if !ok || d.IsComplex() {
		return diag.New(diag.Shape, "cast to type %d", a.Int("to"))
	}
	y := output(c, out, 0, d, x.Dims()...)
	switch {
	case x.DType() == d:
		moveAll(y, x)
		return nil
	case x.DType() == dtype.String:
		return parseInto(y, x, a)
	case d == dtype.String:
		s := y.Strings()
		for i := range s {
			s[i] = numberText(x, i)
		}
		return nil
	}
	cast(y, x, a)
	return nil
}

// CastDesc describes Cast.
var CastDesc = kernel.Desc{ID: "ref.Cast", Op: "ref.Cast", Ref: Cast}

// cast converts between numeric types and bool.
func cast(y, x *tensor.Tensor, a attr.Map) {
	from, to := x.DType(), y.DType()
	whole := from.IsInt() || from == dtype.Bool
	_, small := tinyOf(to)
	small = small || to == dtype.F8E8M0
	for i := range x.Len() {
		switch {
		case to == dtype.Bool && whole:
			y.SetInt(i, x.Int(i)) // any but 0 is true
		case to == dtype.Bool:
			y.SetInt(i, boolInt(loadReal(x, i) != 0))
		case to.IsInt() && whole:
			y.SetInt(i, x.Int(i))
		case to.IsInt():
			y.SetInt(i, truncTo(to, loadReal(x, i)))
		case small:
			storeTiny(y, i, loadReal(x, i), a)
		case whole:
			setRounded(y, i, x.Int(i), from == dtype.U64)
		default:
			y.SetFloat(i, loadReal(x, i))
		}
	}
}

func storeTiny(y *tensor.Tensor, i int, v float64, a attr.Map) {
	saturate := !a.Has("saturate") || a.Bool("saturate")
	if f, ok := tinyOf(y.DType()); ok {
		setTinyCode(y, i, f.encode(v, saturate))
		return
	}
	mode := a.Str("round_mode")
	if mode == "" {
		mode = "up"
	}
	setTinyCode(y, i, encodeE8M0(v, mode, saturate))
}

// setRounded stores an integer as a float, rounded once: through float64 it
// would round twice where it has more than 53 bits.
func setRounded(y *tensor.Tensor, i int, v int64, unsigned bool) {
	switch {
	case y.DType() == dtype.F64 && unsigned:
		tensor.Slice[float64](y)[i] = float64(uint64(v))
	case y.DType() == dtype.F64:
		tensor.Slice[float64](y)[i] = float64(v)
	case y.DType() == dtype.F32 && unsigned:
		tensor.Slice[float32](y)[i] = float32(uint64(v))
	case y.DType() == dtype.F32:
		tensor.Slice[float32](y)[i] = float32(v)
	default:
		m, sign := uint64(v), 1.0
		if v < 0 && !unsigned {
			m, sign = -m, -1
		}
		// Beyond 53 bits keep one bit that says whether lower ones were set:
		// enough for the one rounding to a short type.
		if m >= 1<<53 && m&0x7ff != 0 {
			m = m&^0x7ff | 0x800
		}
		y.SetFloat(i, sign*float64(m))
	}
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// parseInto converts strings. Error: one that is no number.
func parseInto(y, x *tensor.Tensor, a attr.Map) error {
	d := y.DType()
	for i, s := range x.Strings() {
		s = strings.TrimSpace(s)
		if d.IsInt() {
			if v, err := strconv.ParseInt(s, 10, 64); err == nil {
				y.SetInt(i, v)
				continue
			}
			if v, err := strconv.ParseUint(s, 10, 64); err == nil {
				y.SetInt(i, int64(v))
				continue
			}
		}
		if d == dtype.Bool && (strings.EqualFold(s, "true") || strings.EqualFold(s, "false")) {
			y.SetInt(i, boolInt(strings.EqualFold(s, "true")))
			continue
		}
		bits := 64
		if d == dtype.F32 {
			bits = 32 // rounded once
		}
		v, err := strconv.ParseFloat(s, bits)
		if err != nil && !math.IsInf(v, 0) { // out of range is infinity
			return &diag.Error{Kind: diag.BadData, Port: "string " + strconv.Itoa(i), Have: strconv.Quote(x.Strings()[i]), Want: "a number"}
		}
		_, small := tinyOf(d)
		switch {
		case d == dtype.Bool:
			y.SetInt(i, boolInt(v != 0))
		case d.IsInt():
			y.SetInt(i, truncTo(d, v))
		case small || d == dtype.F8E8M0:
			storeTiny(y, i, v, a)
		default:
			y.SetFloat(i, v)
		}
	}
	return nil
}

// numberText is an element as text: the shortest decimal that reads back, with
// an exponent where a plain number would be long; NaN, INF and -INF.
func numberText(x *tensor.Tensor, i int) string {
	d := x.DType()
	switch {
	case d == dtype.Bool:
		if x.Int(i) != 0 {
			return "True"
		}
		return "False"
	case d == dtype.U64:
		return strconv.FormatUint(uint64(x.Int(i)), 10)
	case d.IsInt():
		return strconv.FormatInt(x.Int(i), 10)
	}
	v, bits := loadReal(x, i), 32
	switch {
	case v != v:
		return "NaN"
	case math.IsInf(v, 1):
		return "INF"
	case math.IsInf(v, -1):
		return "-INF"
	case d == dtype.F64:
		bits = 64
	}
	if m := math.Abs(v); m != 0 && (m < 1e-4 || m >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, bits)
	}
	s := strconv.FormatFloat(v, 'f', -1, bits)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
