package op

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
)

// maxWindow bounds every number that describes a window, so that products of
// two stay far from overflow.
const maxWindow = 1 << 30

// windowInts checks a list of numbers from lo on.
func windowInts(lo int64) func(attr.Value) error {
	return func(v attr.Value) error {
		for _, n := range v.Ints {
			if n < lo || n > maxWindow {
				return &diag.Error{Kind: diag.Shape, Have: fmt.Sprint(v.Ints), Want: fmt.Sprintf("numbers in %d..2^30", lo)}
			}
		}
		return nil
	}
}

// oneOf checks a word.
func oneOf(words ...string) func(attr.Value) error {
	return func(v attr.Value) error {
		if slices.Contains(words, v.Str) {
			return nil
		}
		return &diag.Error{Kind: diag.Unsupported, Have: strconv.Quote(v.Str), Want: fmt.Sprintf("one of %q", words)}
	}
}

// flag checks 0 or 1.
func flag(v attr.Value) error {
	if v.Int == 0 || v.Int == 1 {
		return nil
	}
	return &diag.Error{Kind: diag.Shape, Have: strconv.FormatInt(v.Int, 10), Want: "0 or 1"}
}

// windowAttrs are the attributes of every sliding window, followed by more.
func windowAttrs(more ...ir.Attr) []ir.Attr {
	return append([]ir.Attr{
		{Name: "auto_pad", Kind: attr.KindString, Default: attr.Str("NOTSET"), Check: oneOf("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
			Doc: "how pads are found: NOTSET takes them as given"},
		{Name: "dilations", Kind: attr.KindInts, Check: windowInts(1), Doc: "distance of taps per spatial axis, default 1"},
		{Name: "kernel_shape", Kind: attr.KindInts, Check: windowInts(1), Doc: "taps per spatial axis"},
		{Name: "pads", Kind: attr.KindInts, Check: windowInts(0), Doc: "padding at the begin of each spatial axis, then at the end of each; default 0"},
		{Name: "strides", Kind: attr.KindInts, Check: windowInts(1), Doc: "step per spatial axis, default 1"},
	}, more...)
}

// groupAttr is the number of groups that channels fall into.
func groupAttr() ir.Attr {
	return ir.Attr{Name: "group", Kind: attr.KindInt, Default: attr.Int(1), Doc: "groups that input and output channels fall into",
		Check: func(v attr.Value) error {
			if v.Int < 1 || v.Int > maxWindow {
				return &diag.Error{Kind: diag.Shape, Have: strconv.FormatInt(v.Int, 10), Want: "1 or more"}
			}
			return nil
		}}
}

// windowLists checks that the lists of a window have one entry (pads: two) per
// spatial axis.
func windowLists(q *ir.Query, n int) error {
	for _, a := range []string{"dilations", "kernel_shape", "output_padding", "output_shape", "pads", "strides"} {
		want := n
		if a == "pads" {
			want = 2 * n
		}
		if v, ok := q.Attrs[a]; ok && len(v.Ints) != want && len(v.Ints) > 0 {
			return ir.Fault("attribute "+a, fmt.Sprintf("%d numbers", len(v.Ints)), fmt.Sprintf("%d for %d spatial axes", want, n))
		}
	}
	return nil
}

// padsOrAuto checks that pads are not given beside auto_pad.
func padsOrAuto(q *ir.Query) error {
	if q.Attrs.Str("auto_pad") == "NOTSET" || !slices.ContainsFunc(q.Attrs.Ints("pads"), func(p int64) bool { return p != 0 }) {
		return nil
	}
	return ir.Fault("attribute pads", fmt.Sprint(q.Attrs.Ints("pads")), "none beside auto_pad "+q.Attrs.Str("auto_pad"))
}

// winAxis is a window along one spatial axis.
type winAxis struct {
	k                shape.Dim // taps
	stride, dil      int64
	begin, end, more int64 // pads; output_padding
	auto             string
	ceil             bool
}

// axisWindow reads what the attributes say of spatial axis i of n; k is its
// number of taps.
func axisWindow(a attr.Map, i, n int, k shape.Dim) winAxis {
	return winAxis{
		k: k, stride: listed(a.Ints("strides"), i, 1), dil: listed(a.Ints("dilations"), i, 1),
		begin: listed(a.Ints("pads"), i, 0), end: listed(a.Ints("pads"), n+i, 0), more: listed(a.Ints("output_padding"), i, 0),
		auto: a.Str("auto_pad"), ceil: a.Bool("ceil_mode"),
	}
}

func listed(v []int64, i int, missing int64) int64 {
	if i < len(v) {
		return v[i]
	}
	return missing
}

// span is the extent of the dilated kernel.
func (w *winAxis) span() shape.Dim {
	return w.k.Sub(shape.Int(1)).Mul(shape.Int(w.dil)).Add(shape.Int(1))
}

func (w *winAxis) same() bool { return w.auto == "SAME_UPPER" || w.auto == "SAME_LOWER" }

// pads are the explicit pads.
func (w *winAxis) pads() (begin, end int64) {
	if w.auto == "VALID" {
		return 0, 0
	}
	return w.begin, w.end
}

// room is how far the window can move: padded input minus span.
func (w *winAxis) room(in shape.Dim) shape.Dim {
	b, e := w.pads()
	return in.Add(shape.Int(b + e)).Sub(w.span())
}

// out is the output extent of Conv and the pools.
func (w *winAxis) out(in shape.Dim) shape.Dim {
	s := shape.Int(w.stride)
	if w.same() {
		return in.Add(shape.Int(w.stride - 1)).Div(s)
	}
	num := w.room(in)
	if w.ceil {
		// Round up, but no window starts in the end padding. Which of the two
		// bounds is lower doesn't depend on the input extent.
		b, _ := w.pads()
		up, start := num.Add(shape.Int(w.stride-1)), in.Add(shape.Int(b-1))
		num = up
		if d, ok := up.Sub(start).Const(); ok && d > 0 {
			num = start
		}
	}
	return num.Div(s).Add(shape.Int(1))
}

// grown is the extent of ConvTranspose's output before padding is cut off.
func (w *winAxis) grown(in shape.Dim) shape.Dim {
	return in.Sub(shape.Int(1)).Mul(shape.Int(w.stride)).Add(shape.Int(w.more)).Add(w.span())
}

// transposedOut is the output extent of ConvTranspose without output_shape.
func (w *winAxis) transposedOut(in shape.Dim) shape.Dim {
	if w.same() {
		return in.Mul(shape.Int(w.stride))
	}
	b, e := w.pads()
	return w.grown(in).Sub(shape.Int(b + e))
}

// fits is the fault of spatial axis i if the window is provably larger than
// the padded input.
func (w *winAxis) fits(i int, in shape.Dim) error {
	if w.same() {
		return nil
	}
	if c, ok := w.room(in).Const(); ok && c < 0 {
		b, e := w.pads()
		return ir.Fault(fmt.Sprintf("spatial axis %d of X", i), fmt.Sprintf("%v with pads %d and %d", in, b, e), fmt.Sprintf("at least the window's %v", w.span()))
	}
	return nil
}

// differ says whether two extents are provably unequal.
func differ(a, b shape.Dim) bool {
	d, ok := a.Sub(b).Const()
	return ok && d != 0
}

// dimAt is axis i of a ranked type; ok is false for an unranked or absent one.
func dimAt(t ir.Type, i int) (shape.Dim, bool) {
	if !t.Ranked() || i >= t.Rank() {
		return shape.Dim{}, false
	}
	return t.Dims[i], true
}

// withoutBF16 is the downgrade to a schema that differs in lacking bf16 only,
// followed by more (which may be nil).
func withoutBF16(v int, more func(a attr.Map) error) func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error) {
	return func(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
		for _, x := range n.In {
			if x != nil && x.Type.DType == dtype.BF16 {
				return nil, nil, diag.New(diag.Unsupported, "bf16 in %s-%d (supported: f32, f64, f16)", n.Def.Name, v)
			}
		}
		a := n.Attrs.Clone()
		if more != nil {
			if err := more(a); err != nil {
				return nil, nil, err
			}
		}
		return n.In, a, nil
	}
}

// dropAttr takes an attribute out for a schema that lacks it. Error: it says
// something that the schema can't.
func dropAttr(name string, neutral func(attr.Value) bool) func(attr.Map) error {
	return func(a attr.Map) error {
		v, ok := a[name]
		if ok && !neutral(v) {
			return diag.New(diag.Unsupported, "attribute %s = %s (supported: its default)", name, attrText(v))
		}
		delete(a, name)
		return nil
	}
}

func attrText(v attr.Value) string {
	if v.Kind == attr.KindInts {
		return fmt.Sprint(v.Ints)
	}
	return strconv.FormatInt(v.Int, 10)
}

func allOnes(v attr.Value) bool {
	return !slices.ContainsFunc(v.Ints, func(n int64) bool { return n != 1 })
}

func isZero(v attr.Value) bool { return v.Int == 0 }
