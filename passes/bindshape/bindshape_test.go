package bindshape_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes/bindshape"
)

func TestParseDim(t *testing.T) {
	for _, c := range []struct {
		s    string
		want bindshape.Dim
		bad  bool
	}{
		{s: "N=1", want: bindshape.Dim{Name: "N", Lo: 1, Hi: 1}},
		{s: "N=1..8", want: bindshape.Dim{Name: "N", Lo: 1, Hi: 8}},
		{s: "N=2..*", want: bindshape.Dim{Name: "N", Lo: 2, Hi: shape.Unbounded}},
		{s: "N", bad: true}, {s: "=1", bad: true}, {s: "N=", bad: true}, {s: "N=8..1", bad: true},
		{s: "N=-1", bad: true}, {s: "N=x", bad: true}, {s: "N=1..", bad: true},
	} {
		got, err := bindshape.ParseDim(c.s)
		if c.bad != (err != nil) || !c.bad && got != c.want {
			t.Errorf("%q: %v, %v", c.s, got, err)
		}
		if err != nil && diag.KindOf(err) != diag.Usage {
			t.Errorf("%q: kind %v", c.s, diag.KindOf(err))
		}
	}
}

func TestParseShape(t *testing.T) {
	for _, c := range []struct {
		s    string
		want bindshape.Shape
		bad  bool
	}{
		{s: "x=1,3,?", want: bindshape.Shape{Param: "x", Dims: []int64{1, 3, bindshape.Open}}},
		{s: "a=b=4", want: bindshape.Shape{Param: "a=b", Dims: []int64{4}}},
		{s: "x=", want: bindshape.Shape{Param: "x", Dims: []int64{}}},
		{s: "x", bad: true}, {s: "=1", bad: true}, {s: "x=1,,2", bad: true}, {s: "x=-2", bad: true},
	} {
		got, err := bindshape.ParseShape(c.s)
		if c.bad != (err != nil) || !c.bad && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, %v", c.s, got, err)
		}
	}
}

const open = `module "b" opset {ai.onnx 28}
dim N 0..*
dim H 0..*
func main(%x: f32[N,(2*H)], %c: bool[], %u: f32[?]) -> (%y: f32[N,(2*H)], %z: f32[?], %s: i64[2]) {
	%y = If %c {
		()
		%a = Neg %x : f32[N,(2*H)]
		yield %a
	} {
		()
		yield %x
	} : f32[N,(2*H)]
	%z = Abs %u : f32[?]
	%s = Shape %x : i64[2]
	return %y, %z, %s
}
`

func TestBind(t *testing.T) {
	dims := func(ds ...bindshape.Dim) []bindshape.Dim { return ds }
	for _, c := range []struct {
		name  string
		b     bindshape.Binding
		wants []string
		err   string
	}{
		{name: "nothing", wants: []string{"dim N 0..*", "f32[N,(2*H)]"}},
		{name: "a dim, in regions too", b: bindshape.Binding{Dims: dims(bindshape.Dim{Name: "N", Lo: 3, Hi: 3})},
			wants: []string{"%x: f32[3,(2*H)]", "%a = Neg %x : f32[3,(2*H)]"}},
		{name: "a shape of unknown rank", b: bindshape.Binding{Shapes: []bindshape.Shape{{Param: "u", Dims: []int64{4, bindshape.Open}}}},
			wants: []string{"dim u_1 0..*", "%u: f32[4,u_1]", "%z = Abs %u : f32[4,u_1]"}},
		{name: "a shape beside its dim", b: bindshape.Binding{
			Dims:   dims(bindshape.Dim{Name: "H", Lo: 2, Hi: 2}),
			Shapes: []bindshape.Shape{{Param: "x", Dims: []int64{1, 4}}}}, wants: []string{"%x: f32[1,4]"}},
		{name: "a shape that solves for a dim", b: bindshape.Binding{Shapes: []bindshape.Shape{{Param: "x", Dims: []int64{1, 6}}}},
			wants: []string{"%x: f32[1,6]"}},
		{name: "a shape that no dim gives", b: bindshape.Binding{Shapes: []bindshape.Shape{{Param: "x", Dims: []int64{1, 5}}}},
			err: "shape of x: have 1,5, want f32[1,(2*H)]"},
		{name: "a shape of another product", b: bindshape.Binding{
			Dims:   dims(bindshape.Dim{Name: "H", Lo: 2, Hi: 2}),
			Shapes: []bindshape.Shape{{Param: "x", Dims: []int64{1, 6}}}}, err: "dim H: have 3, want 2"},
		{name: "another rank", b: bindshape.Binding{Shapes: []bindshape.Shape{{Param: "x", Dims: []int64{1}}}}, err: "shape of x: have 1, want f32[N,(2*H)]"},
		{name: "bound twice", b: bindshape.Binding{Dims: dims(bindshape.Dim{Name: "N", Lo: 1, Hi: 1}, bindshape.Dim{Name: "N", Lo: 2, Hi: 2})},
			err: "dim N: have 2, want 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := text.Parse([]byte(open), "b.mir", op.Builtin(), text.Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = bindshape.Bind(m, c.b)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || diag.KindOf(err) != diag.Usage {
					t.Errorf("have error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := verify.Module(m); err != nil {
				t.Error(err)
			}
			for _, w := range c.wants {
				if s := text.String(m); !strings.Contains(s, w) {
					t.Errorf("no %q in\n%s", w, s)
				}
			}
		})
	}
}
