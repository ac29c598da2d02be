package op

import (
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Nodes of older schemas, written as those schemas have them, give what the
// specification of that version says.
func TestMovementUpgrades(t *testing.T) {
	x := f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)
	row := f32s([]int{1, 1, 2, 4}, 1, 2, 3, 4, 5, 6, 7, 8)
	up := func(scales ...float32) attr.Map { return attr.Map{"scales": attr.Floats(scales...)} }
	cases := []struct {
		name    string
		op      string
		version int
		a       attr.Map
		in      []tensor.Tensor
		want    []tensor.Tensor
	}{
		{"squeeze by attribute", "Squeeze", 1, attr.Map{"axes": attr.Ints(0)}, []tensor.Tensor{f32s([]int{1, 2}, 1, 2)}, []tensor.Tensor{f32s([]int{2}, 1, 2)}},
		{"squeeze all", "Squeeze", 11, nil, []tensor.Tensor{f32s([]int{1, 2}, 1, 2)}, []tensor.Tensor{f32s([]int{2}, 1, 2)}},
		{"unsqueeze by attribute", "Unsqueeze", 11, attr.Map{"axes": attr.Ints(0, -1)}, []tensor.Tensor{f32s([]int{2}, 1, 2)}, []tensor.Tensor{f32s([]int{1, 2, 1}, 1, 2)}},
		{"slice by attributes", "Slice", 1, attr.Map{"starts": attr.Ints(1), "ends": attr.Ints(-1), "axes": attr.Ints(1)}, []tensor.Tensor{x}, []tensor.Tensor{f32s([]int{2, 1}, 2, 5)}},
		{"split by attribute", "Split", 2, attr.Map{"split": attr.Ints(1, 2), "axis": attr.Int(1)}, []tensor.Tensor{x},
			[]tensor.Tensor{f32s([]int{2, 1}, 1, 4), f32s([]int{2, 2}, 2, 3, 5, 6)}},
		{"split evenly by outputs", "Split", 13, nil, []tensor.Tensor{x}, []tensor.Tensor{f32s([]int{1, 3}, 1, 2, 3), f32s([]int{1, 3}, 4, 5, 6)}},
		{"split by input", "Split", 13, attr.Map{"axis": attr.Int(1)}, []tensor.Tensor{x, i64s(1, 2)}, []tensor.Tensor{f32s([]int{2, 1}, 1, 4), f32s([]int{2, 2}, 2, 3, 5, 6)}},
		{"pad by attributes", "Pad", 2, attr.Map{"pads": attr.Ints(0, 1), "value": attr.Float(9)}, []tensor.Tensor{f32s([]int{2}, 1, 2)}, []tensor.Tensor{f32s([]int{3}, 1, 2, 9)}},
		{"dropout", "Dropout", 7, attr.Map{"ratio": attr.Float(0.5)}, []tensor.Tensor{f32s([]int{2}, 1, 2)}, []tensor.Tensor{f32s([]int{2}, 1, 2), f32s([]int{2}, 1, 1)}},
		{"dropout with a bool mask", "Dropout", 10, nil, []tensor.Tensor{f32s([]int{2}, 1, 2)}, []tensor.Tensor{f32s([]int{2}, 1, 2), tensor.MustOf([]bool{true, true}, 2)}},
		{"upsample by attribute", "Upsample", 7, up(2), []tensor.Tensor{f32s([]int{2}, 1, 2)}, []tensor.Tensor{f32s([]int{4}, 1, 1, 2, 2)}},
		{"upsample by input", "Upsample", 9, attr.Map{"mode": attr.Str("linear")}, []tensor.Tensor{f32s([]int{2}, 1, 2), f32s([]int{1}, 2)}, []tensor.Tensor{f32s([]int{4}, 1, 1.5, 2, 2)}},
		// onnxruntime 1.32 at opset 10 gives these three.
		{"resize 10 shrinks", "Resize", 10, nil, []tensor.Tensor{row, f32s([]int{4}, 1, 1, .6, .6)}, []tensor.Tensor{f32s([]int{1, 1, 1, 2}, 1, 3)}},
		{"resize 10 grows and shrinks", "Resize", 10, nil, []tensor.Tensor{row, f32s([]int{4}, 1, 1, 2, .6)}, []tensor.Tensor{f32s([]int{1, 1, 4, 2}, 1, 3, 1, 3, 5, 7, 5, 7)}},
		{"resize 10 shrinks and grows", "Resize", 10, attr.Map{"mode": attr.Str("nearest")}, []tensor.Tensor{row, f32s([]int{4}, 1, 1, .6, 2)}, []tensor.Tensor{f32s([]int{1, 1, 1, 8}, 1, 1, 2, 2, 3, 3, 4, 4)}},
		{"resize 11 for tensorflow", "Resize", 11, attr.Map{"coordinate_transformation_mode": attr.Str("tf_half_pixel_for_nn"), "nearest_mode": attr.Str("floor")},
			[]tensor.Tensor{f32s([]int{4}, 1, 2, 3, 4), f32s([]int{0}), f32s([]int{1}, 0.5)}, []tensor.Tensor{f32s([]int{2}, 2, 4)}}, // floor(2*(x+0.5))
		{"resize 11 with empty scales", "Resize", 11, attr.Map{"coordinate_transformation_mode": attr.Str("asymmetric"), "nearest_mode": attr.Str("floor")},
			[]tensor.Tensor{f32s([]int{2}, 1, 2), f32s([]int{0}), f32s([]int{0}), i64s(4)}, []tensor.Tensor{f32s([]int{4}, 1, 1, 2, 2)}},
		{"constant", "Constant", 12, attr.Map{"value_floats": attr.Floats(1, 2)}, nil, []tensor.Tensor{f32s([]int{2}, 1, 2)}},
		{"constant string", "Constant", 25, attr.Map{"value_string": attr.Str("a")}, nil, []tensor.Tensor{oneString("a")}},
	}
	set := Builtin()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := ir.NewModule("m")
			f := m.AddFunc("main")
			b := ir.NewBuilder(f, -1, set)
			var in []*ir.Value
			for _, v := range c.in {
				in = append(in, b.Const(v))
			}
			d := set.Lookup(c.op)
			if !slices.Contains(d.Since, c.version) {
				t.Fatalf("%s has no version %d", c.op, c.version)
			}
			out, err := d.Upgrade[c.version](b, ir.Raw{Op: c.op, Version: c.version, Attrs: c.a, In: in, NOut: len(c.want)})
			if err == nil {
				err = b.Err()
			}
			if err != nil {
				t.Fatal(err)
			}
			env := map[*ir.Value]tensor.Value{}
			if _, err := runNodes(t.Context(), f.Nodes, env); err != nil {
				t.Fatal(err)
			}
			for k, w := range c.want {
				if err := tensor.Exact.Compare(env[out[k]], tensor.V(w)); err != nil {
					t.Errorf("output %d: %v", k, err)
				}
				if out[k].Node.Is("Constant") || out[k].Node.Is("Upsample") {
					t.Errorf("%s survives", out[k].Node.OpName())
				}
			}
		})
	}
}

func oneString(s string) tensor.Tensor {
	t := tensor.New(dtype.String)
	t.Strings()[0] = s
	return t
}

// Export to opset 13 puts into inputs and attributes what that schema has, or
// says what it cannot.
func TestMovementDowngrades(t *testing.T) {
	x := f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)
	none := tensor.Tensor{}
	cases := []struct {
		name  string
		op    string
		to    int
		nout  int
		a     attr.Map
		in    []tensor.Tensor
		attrs string // names that stay
		ins   []string
		err   string
	}{
		{"reshape", "Reshape", 13, 1, nil, []tensor.Tensor{x, i64s(6)}, "", nil, ""},
		{"reshape allowzero", "Reshape", 13, 1, attr.Map{"allowzero": attr.Int(1)}, []tensor.Tensor{f32s([]int{0}), i64s(0, 1)}, "", nil, "allowzero"},
		{"shape", "Shape", 13, 1, nil, []tensor.Tensor{x}, "", nil, ""},
		{"shape from 1", "Shape", 13, 1, attr.Map{"start": attr.Int(1)}, []tensor.Tensor{x}, "", nil, "Shape-13"},
		{"even split", "Split", 13, 3, attr.Map{"axis": attr.Int(1), "num_outputs": attr.Int(3)}, []tensor.Tensor{x}, "axis", []string{"f32[2,3]"}, ""},
		{"uneven split", "Split", 13, 2, attr.Map{"axis": attr.Int(1), "num_outputs": attr.Int(2)}, []tensor.Tensor{x}, "axis", []string{"f32[2,3]", "2,1"}, ""},
		{"pad with axes", "Pad", 13, 1, nil, []tensor.Tensor{x, i64s(1, 2), none, i64s(-1)}, "mode", []string{"f32[2,3]", "0,1,0,2", ""}, ""},
		{"pad wrap", "Pad", 18, 1, attr.Map{"mode": attr.Str("wrap")}, []tensor.Tensor{x, i64s(1, 2, 0, 0)}, "", nil, "wrap"},
		{"resize with axes by sizes", "Resize", 13, 1, attr.Map{"axes": attr.Ints(1)}, []tensor.Tensor{x, none, none, i64s(7)},
			"coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value mode nearest_mode", []string{"f32[2,3]", "", "", "2,7"}, ""},
		{"resize keeping the aspect", "Resize", 13, 1, attr.Map{"keep_aspect_ratio_policy": attr.Str("not_larger")}, []tensor.Tensor{x, none, none, i64s(4, 7)}, "", nil, "keep_aspect_ratio_policy"},
		{"resize symmetric", "Resize", 18, 1, attr.Map{"coordinate_transformation_mode": attr.Str("half_pixel_symmetric")}, []tensor.Tensor{x, none, none, i64s(4, 7)}, "", nil, "half_pixel_symmetric"},
	}
	set := Builtin()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := ir.NewBuilder(ir.NewModule("m").AddFunc("main"), -1, set)
			var in []*ir.Value
			for _, v := range c.in {
				if v.Valid() {
					in = append(in, b.Const(v))
				} else {
					in = append(in, nil)
				}
			}
			n := b.OpN(c.op, c.nout, c.a, nil, in...)[0].Node
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			ins, a, err := n.Def.Downgrade[c.to](b, n)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || strings.Join(a.Names(), " ") != c.attrs {
				t.Fatalf("attributes %v, %v, want %s", a.Names(), err, c.attrs)
			}
			for k, want := range c.ins {
				got := ""
				if k < len(ins) && ins[k] != nil {
					if got = ins[k].Type.String(); ins[k].Ints != nil {
						var s []string
						for _, d := range ins[k].Ints {
							s = append(s, d.String())
						}
						got = strings.Join(s, ",")
					}
				}
				if got != want {
					t.Errorf("input %d: have %q, want %q", k, got, want)
				}
			}
		})
	}
}

// Schema versions are those of the specification for all operators here; the
// newest is what onnx.defs of onnx 1.23 lists.
func TestMovementSince(t *testing.T) {
	newest := map[string]int{"Reshape": 25, "Flatten": 25, "Transpose": 25, "Concat": 13, "Split": 18, "Slice": 13, "Gather": 13,
		"Squeeze": 25, "Unsqueeze": 25, "Expand": 13, "Tile": 13, "Pad": 25, "Shape": 25, "Constant": 25, "ConstantOfShape": 25,
		"Identity": 25, "Dropout": 22, "Resize": 19, "If": 25, "Loop": 25, "Upsample": 9}
	set := Builtin()
	for name, v := range newest {
		if d := set.Lookup(name); d == nil || d.Version() != v || !slices.IsSorted(d.Since) {
			t.Errorf("%s: have %v, want newest %d", name, d, v)
		}
	}
}
