package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/program"
)

// maxInputBytes bounds one .npz in memory.
const maxInputBytes = 4 << 30

// loadModel opens an artifact, or compiles a model on the fly.
func (a *app) loadModel(ctx context.Context, path string, o codegen.Options) (*runtime.Model, error) {
	if isArtifactFile(path) {
		return runtime.Open(path, a.open()...)
	}
	src, err := a.source(path)
	if err != nil {
		return nil, err
	}
	return a.compiled(ctx, src, o)
}

// compiled builds a model in memory.
func (a *app) compiled(ctx context.Context, src codegen.Source, o codegen.Options) (*runtime.Model, error) {
	art, err := codegen.Build(ctx, src, o)
	if err != nil {
		return nil, err
	}
	defer art.Close()
	b, err := art.Bytes()
	if err != nil {
		return nil, err
	}
	return runtime.Decode(b, a.open()...)
}

// concrete is extents for a value that is to be made. Error: among others, that
// it has more than maxInputBytes, as a few bytes of a model can say.
func concrete(t tensor.Type, dims map[string]int64) ([]int, error) {
	out, err := extents(t, dims)
	if err != nil {
		return nil, err
	}
	if n, ok := tensor.Count(out); !ok || int64(t.DType.Bytes(n)) > maxInputBytes {
		return nil, &diag.Error{Kind: diag.Limit, Port: "value", Have: fmt.Sprintf("%v%v", t.DType, out), Want: fmt.Sprintf("at most %d bytes", int64(maxInputBytes))}
	}
	return out, nil
}

// extents gives those of a value whose open dims take their values from dims,
// else 1.
func extents(t tensor.Type, dims map[string]int64) ([]int, error) {
	if !t.Ranked() {
		return nil, usage("an input of unknown rank needs a file or a value")
	}
	out := make([]int, len(t.Dims))
	for i, d := range t.Dims {
		v, err := d.Eval(func(name string) (int64, bool) {
			if n, ok := dims[name]; ok {
				return n, true
			}
			return 1, true
		})
		if err != nil {
			return nil, diag.New(diag.Shape, "%v", err)
		}
		out[i] = int(v)
	}
	return out, nil
}

// inputs reads what -i says, in the order of the model's inputs.
func (a *app) inputs(m *runtime.Model, args []string, random bool, seed uint64, dims map[string]int64) ([]tensor.Value, error) {
	infos := m.Inputs()
	vals := make([]tensor.Value, len(infos))
	for _, s := range args {
		if st, err := os.Stat(s); err == nil && st.IsDir() {
			if err := fromDir(s, infos, vals); err != nil {
				return nil, err
			}
			continue
		}
		name, val, ok := strings.Cut(s, "=")
		i := -1
		if ok {
			i = find(infos, name)
		}
		if i < 0 && len(infos) == 1 { // one input needs no name
			if _, err := os.Stat(s); err == nil {
				i, val = 0, s
			}
		}
		if i < 0 {
			return nil, usage("-i %s: want NAME=FILE, NAME=VALUE or a folder; inputs are %s", s, strings.Join(infoNames(infos), ", "))
		}
		if strings.HasSuffix(val, ".npz") {
			if err := fromNPZ(val, infos, vals, i); err != nil {
				return nil, err
			}
			continue
		}
		v, err := readValue(val, infos[i], dims)
		if err != nil {
			return nil, diag.At(fmt.Sprintf("input %q", infos[i].Name), "", diag.BadData, err)
		}
		vals[i] = v
	}
	var missing []string
	for i, in := range infos {
		if vals[i].Present() {
			continue
		}
		if !random || !in.Type.IsTensor() || !tensor.HasRandom(in.Type.DType) {
			missing = append(missing, in.Name+": "+in.Type.String())
			continue
		}
		d, err := concrete(in.Type, dims)
		if err != nil {
			return nil, diag.At(fmt.Sprintf("input %q", in.Name), "", diag.Shape, err)
		}
		t, err := tensor.Random(in.Type.DType, seed+uint64(i), d...)
		if err != nil {
			return nil, err
		}
		vals[i] = tensor.V(t)
	}
	if len(missing) > 0 {
		return nil, usage("inputs without a value: %s (give -i NAME=FILE, or --random)", strings.Join(missing, "; "))
	}
	return vals, nil
}

func find(infos []runtime.Info, name string) int {
	for i := range infos {
		if infos[i].Name == name {
			return i
		}
	}
	return -1
}

func infoNames(infos []runtime.Info) []string {
	var out []string
	for _, i := range infos {
		out = append(out, i.Name)
	}
	return out
}

// readValue reads a file by its suffix, or a literal.
func readValue(s string, in runtime.Info, dims map[string]int64) (tensor.Value, error) {
	if program.IsFile(s) {
		return program.ReadFile(s, in.Type)
	}
	var d []int
	if in.Type.IsTensor() && in.Type.Ranked() {
		var err error
		if d, err = concrete(in.Type, dims); err != nil {
			return tensor.Value{}, err
		}
	}
	t, err := tensor.ParseLiteral(s, in.Type.DType, d)
	if err == nil {
		return tensor.V(t), nil
	}
	switch st, e := os.Stat(s); {
	case e != nil:
		err = diag.New(diag.Usage, "%s: no such file, and no value: %v", s, err)
	case st.IsDir():
		err = diag.New(diag.Usage, "%s: is a folder, want a file", s)
	default:
		err = diag.New(diag.Unsupported, "%s: files of this kind (supported: .npy, .npz, .pb, .json, .raw, .bin)", s)
	}
	return tensor.Value{}, err
}

func fromNPZ(file string, infos []runtime.Info, vals []tensor.Value, only int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	ts, err := tensor.ReadNPZ(f, st.Size(), maxInputBytes)
	if err != nil {
		return diag.In(file, diag.BadData, err)
	}
	for _, t := range ts {
		if len(ts) == 1 {
			vals[only] = tensor.V(t.Tensor)
		} else if i := find(infos, t.Name); i >= 0 {
			vals[i] = tensor.V(t.Tensor)
		}
	}
	return nil
}

// fromDir reads input_N.pb files.
func fromDir(dir string, infos []runtime.Info, vals []tensor.Value) error {
	set, err := conform.ReadSet(os.DirFS(dir), ".")
	if err != nil {
		return diag.In(dir, diag.BadData, err)
	}
	if len(set.Inputs) == 0 {
		return diag.In(dir, diag.BadData, fmt.Errorf("holds no input_N.pb"))
	}
	got, _, err := conform.Bind(set.Inputs, portsOf(infos))
	if err != nil {
		return diag.In(dir, diag.BadData, err)
	}
	for i, v := range got {
		if v.Present() {
			vals[i] = v
		}
	}
	return nil
}

// knownDims makes sure that an artifact has the open dims that --dim names.
func knownDims(m *runtime.Model, path string, dims map[string]int64) error {
	var have []string
	for _, in := range m.Inputs() {
		for _, d := range in.Type.Dims {
			have = d.Symbols(have)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dims)) {
		if !slices.Contains(have, name) {
			if len(have) == 0 {
				have = []string{"none"}
			}
			return usage("%s: dim %s: the model has no such dim (has %s)", path, name, strings.Join(have, ", "))
		}
	}
	return nil
}

// dimValues reads NAME=N pairs given to --dim for the values of inputs that are
// made.
func dimValues(dims []string) (map[string]int64, error) {
	out := map[string]int64{}
	for _, s := range dims {
		name, val, ok := strings.Cut(s, "=")
		d, err := shape.Parse(val)
		n, isConst := d.Const()
		if !ok || err != nil || !isConst {
			return nil, usage("--dim %s: want NAME=N", s)
		}
		out[name] = n
	}
	return out, nil
}
