package cli

import (
	"context"
	"fmt"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/cuda"
)

// check is one line of the doctor's report.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [MODEL]",
		Short: "Check this machine: CPU features, GPU, kernels against the reference; with MODEL what it lacks",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			set := settingsCheck(c.Root())
			if set.OK {
				if err := a.applySettings(c); err != nil {
					set.OK, set.Detail = false, err.Error()
				}
			}
			list := []check{a.cpuCheck(), {"cores", true, fmt.Sprint(cpu.Cores())}, {"caches", true, fmt.Sprintf("%+v", cpu.Caches())}, cudaCheck(cuda.Open(cuda.Options{})), set}
			list = append(list, a.selfTest(c.Context()))
			if len(args) == 1 {
				list = append(list, a.modelCheck(c.Context(), args[0]))
			}
			for _, k := range list {
				a.failed = a.failed || !k.OK
			}
			if a.json {
				return a.emit("doctor/1", map[string]any{"checks": list})
			}
			for _, k := range list {
				mark := "ok  "
				if !k.OK {
					mark = "FAIL"
				}
				fmt.Fprintf(a.out, "%s %-10s %s\n", mark, k.Name, k.Detail)
			}
			return nil
		},
	}
}

func (a *app) cpuCheck() check {
	if err := cpu.HostErr(); err != nil {
		return check{"cpu", false, err.Error()}
	}
	d := fmt.Sprintf("%s with %s", goruntime.GOARCH, cpu.Detect())
	if h := cpu.Host(); h != cpu.Detect() {
		d += fmt.Sprintf("; in force: %s (%s)", h, cpu.EnvCPU)
	}
	return check{"cpu", true, d}
}

// cudaCheck says which device d is, or why there is none. A machine without one
// is well all the same; one whose driver fails is not.
func cudaCheck(d *cuda.Device, err error) check {
	if err != nil {
		return check{"cuda", diag.KindOf(err) == diag.Unsupported, err.Error()}
	}
	i := d.Info()
	c := check{"cuda", true, fmt.Sprintf("%s, compute capability %d.%d, %d multiprocessors, %s, driver of CUDA %d.%d", i.Name, i.Capability/10, i.Capability%10, i.Processors, bytesText(i.Memory), i.Driver/1000, i.Driver%1000/10)}
	if err := d.Close(); err != nil {
		c.OK, c.Detail = false, c.Detail+": "+err.Error()
	}
	return c
}

// selfTest compiles every operator's examples for this machine and compares
// with the values that the table declares.
func (a *app) selfTest(ctx context.Context) check {
	x := codegen.NewExecutor(a.options(), 1)
	ran := 0
	for _, d := range a.reg.Ops.All() {
		for _, k := range d.Examples {
			if k.Regions != nil {
				continue // regions are run by the same reference functions everywhere
			}
			if err := runExample(ctx, x, a.reg.Ops, d, k); err != nil {
				return check{"kernels", false, fmt.Sprintf("%s, example %q: %v", d.FullName(), k.Name, err)}
			}
			ran++
		}
	}
	return check{"kernels", true, fmt.Sprintf("%d examples agree with the reference values", ran)}
}

func runExample(ctx context.Context, x ir.Executor, ops *ir.OpSet, d *ir.OpDef, k ir.Case) error {
	m := ir.NewModule(d.Name)
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops, d.Name)
	var in []*ir.Value
	var vals []tensor.Value
	for i, v := range k.In {
		if !v.Present() {
			in = append(in, nil)
			continue
		}
		// Operands that say shapes must be constants for inference to know them.
		if v.Kind == tensor.KindTensor && i > 0 && v.Tensor.DType().IsInt() {
			in = append(in, b.Const(v.Tensor))
			continue
		}
		in = append(in, f.AddParam(fmt.Sprintf("x%d", i), v.Type()))
		vals = append(vals, v)
	}
	for i, o := range b.OpN(d.FullName(), len(k.Out), k.Attrs, nil, in...) {
		f.AddResult(fmt.Sprintf("y%d", i), o)
	}
	if b.Err() != nil {
		return b.Err()
	}
	e, err := x.Compile(ctx, m)
	if err != nil {
		return err
	}
	defer e.Close()
	out, err := e.Run(ctx, vals)
	if err != nil {
		return err
	}
	for i := range k.Out {
		if !k.Out[i].Present() {
			continue
		}
		// The example's tolerance is the reference's; fast kernels may round
		// otherwise.
		if err := k.Tol.Compare(out[i], k.Out[i]); err != nil {
			if err := tensor.Close.Compare(out[i], k.Out[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// modelCheck imports and builds a model and says what it lacks.
func (a *app) modelCheck(ctx context.Context, path string) check {
	o := a.options()
	art, err := a.built(ctx, path, o)
	if err != nil {
		return check{"model", false, fmt.Sprintf("%v: %v", diag.KindOf(err), err)}
	}
	defer art.Close()
	st := programStats(art.Program(), a.reg.Kernels)
	return check{"model", true, fmt.Sprintf("%s builds: %d kernel calls, %.1f %% of MACs in fast kernels", path, st.calls, 100*st.share())}
}
