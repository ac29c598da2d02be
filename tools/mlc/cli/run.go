package cli

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

func (a *app) run() *cobra.Command {
	var f compileFlags
	var ins []string
	var random bool
	var seed uint64
	var threads, top int
	var outDir, format string
	c := &cobra.Command{
		Use:   "run MODEL [-i NAME=FILE|VALUE | -i DIR]...",
		Short: "Run a model or artifact on inputs and print or write its outputs",
		Args:  cobra.ExactArgs(1),
	}
	f.register(c, "2")
	s := c.Flags()
	s.StringArrayVarP(&ins, "input", "i", nil, "`NAME=FILE` (.npy, .npz, .pb, .json), NAME=VALUE (4xf32=1,2,3,4 | zeros | random:SEED) or a folder of input_N.pb")
	s.BoolVar(&random, "random", false, "random values for inputs that are not given")
	s.Uint64Var(&seed, "seed", 1, "`seed` of --random")
	s.IntVar(&threads, "threads", 1, "`threads` to use")
	s.IntVar(&top, "top", 0, "print the `K` largest elements of each output with their positions")
	s.StringVar(&outDir, "out-dir", "", "write each output to `DIR`")
	s.StringVar(&format, "out-format", "npy", "npy (NAME.npy) or pb (output_N.pb in graph order)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if format != "npy" && format != "pb" {
			return usage("--out-format=%s: unknown format (have npy, pb)", format)
		}
		o := a.options()
		if err := f.fill(c, a, &o); err != nil {
			return err
		}
		m, err := a.loadModel(c.Context(), args[0], o)
		if err != nil {
			return err
		}
		defer m.Close()
		dims, err := dimValues(f.dims)
		if err != nil {
			return err
		}
		in, err := a.inputs(m, ins, random, seed, dims)
		if err != nil {
			return err
		}
		return a.runOnce(c, m, in, threads, top, outDir, format)
	}
	return c
}

func (a *app) runOnce(c *cobra.Command, m *runtime.Model, in []tensor.Value, threads, top int, outDir, format string) error {
	s, err := m.NewSession(runtime.Threads(threads))
	if err != nil {
		return err
	}
	defer s.Close()
	for i, x := range m.Inputs() {
		if err := s.BindValue(x.Name, in[i]); err != nil {
			return err
		}
	}
	t0 := time.Now()
	if err := s.Run(c.Context()); err != nil {
		return err
	}
	took := time.Since(t0)
	var outs []outputReport
	for i, x := range m.Outputs() {
		v, err := s.OutputValue(x.Name)
		if err != nil {
			return err
		}
		r := outputReport{Name: x.Name, Type: v.Type().String()}
		if outDir != "" {
			if r.File, err = writeOutput(outDir, format, i, x.Name, v); err != nil {
				return err
			}
		}
		r.describe(v, top)
		outs = append(outs, r)
	}
	if a.json {
		return a.emit("run/1", map[string]any{"seconds": took.Seconds(), "outputs": outs})
	}
	for _, r := range outs {
		r.print(a.out)
	}
	return nil
}

// outputReport is one output of `mlc run`.
type outputReport struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	File  string   `json:"file,omitempty"`
	First []string `json:"first,omitempty"`
	More  int      `json:"more,omitempty"`
	Top   []ranked `json:"top,omitempty"`
}

type ranked struct {
	Index int     `json:"index"`
	Value float64 `json:"value"`
}

// shown is how many elements are printed of each output.
const shown = 8

func (r *outputReport) describe(v tensor.Value, top int) {
	if v.Kind != tensor.KindTensor {
		r.More = len(v.Elems)
		return
	}
	t := &v.Tensor
	n := t.Len()
	if top > 0 && (t.DType().IsInt() || t.DType().IsFloat() && t.DType().Bits() >= 16) {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int {
			x, y := t.Float(i), t.Float(j)
			switch {
			case x > y || y != y && x == x:
				return -1
			case x < y || x != x && y == y:
				return 1
			}
			return 0
		})
		for _, i := range order[:min(top, n)] {
			r.Top = append(r.Top, ranked{i, finite(t.Float(i))})
		}
		return
	}
	for i := range min(n, shown) {
		r.First = append(r.First, elemText(t, i))
	}
	r.More = n - len(r.First)
}

// finite keeps JSON legal: it knows no NaN and no infinities.
func finite(v float64) float64 {
	if v != v {
		return 0
	}
	return max(-math.MaxFloat64, min(math.MaxFloat64, v))
}

func elemText(t *tensor.Tensor, i int) string {
	switch {
	case t.DType() == dtype.String:
		return fmt.Sprintf("%q", t.Strings()[i])
	case t.DType().IsInt() || t.DType() == dtype.Bool:
		return fmt.Sprint(t.Int(i))
	case t.DType().IsFloat() && t.DType().Bits() >= 16:
		return fmt.Sprintf("%.6g", t.Float(i))
	}
	return "?"
}

func (r *outputReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s", r.Name, r.Type)
	if r.File != "" {
		fmt.Fprintf(w, " -> %s", r.File)
	}
	switch {
	case len(r.Top) > 0:
		fmt.Fprintln(w)
		for _, t := range r.Top {
			fmt.Fprintf(w, "%8d  %.6g\n", t.Index, t.Value)
		}
		return
	case len(r.First) > 0:
		fmt.Fprintf(w, " = %s", strings.Join(r.First, " "))
	}
	if r.More > 0 {
		fmt.Fprintf(w, " ... (%d more)", r.More)
	}
	fmt.Fprintln(w)
}

func writeOutput(dir, format string, i int, name string, v tensor.Value) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", usage("%v", err)
	}
	var b bytes.Buffer
	file := ""
	if format == "pb" {
		file = fmt.Sprintf("output_%d.pb", i)
		enc, err := tensor.EncodePB(name, v)
		if err != nil {
			return "", err
		}
		b.Write(enc)
	} else {
		file = strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:*?"<>|`, r) {
				return '_'
			}
			return r
		}, name) + ".npy"
		if v.Kind != tensor.KindTensor {
			return "", usage("output %q is no tensor: use --out-format pb", name)
		}
		if err := tensor.WriteNPY(&b, v.Tensor); err != nil {
			return "", err
		}
	}
	p := filepath.Join(dir, file)
	_, err := atomicWrite(p, func(w io.WriteSeeker) error { _, err := w.Write(b.Bytes()); return err })
	return p, err
}
