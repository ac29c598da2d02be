package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/plan"
)

// inspection is what `mlc inspect --json` prints.
type inspection struct {
	Name     string         `json:"name"`
	Inputs   []portInfo     `json:"inputs"`
	Outputs  []portInfo     `json:"outputs"`
	Dims     []string       `json:"dims,omitempty"`
	Opsets   map[string]int `json:"opsets,omitempty"`
	Ops      map[string]int `json:"operators,omitempty"`
	Params   int64          `json:"parameters,omitempty"`
	MACs     int64          `json:"macs"`
	Memory   int            `json:"memory_bytes,omitempty"`
	Consts   int64          `json:"constant_bytes,omitempty"`
	Target   string         `json:"target,omitempty"`
	FastMACs float64        `json:"fast_mac_share"`
	Device   *deviceShare   `json:"device,omitempty"`
	Kernels  []kernelUse    `json:"kernels,omitempty"`
}

type portInfo struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// kernelUse sums the calls of one kernel.
type kernelUse struct {
	Op     string   `json:"op"`
	Kernel string   `json:"kernel"`
	Alts   []string `json:"alternatives,omitempty"`
	Calls  int      `json:"calls"`
	MACs   int64    `json:"macs"`
	Fast   bool     `json:"fast"`
	Device bool     `json:"device,omitempty"`
}

func (a *app) inspect() *cobra.Command {
	var f compileFlags
	var kernels bool
	c := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Show inputs, outputs, operators, parameters, MACs, memory; with --kernels what runs them",
		Args:  cobra.ExactArgs(1),
	}
	f.register(c, "2")
	c.Flags().BoolVar(&kernels, "kernels", false, "list the kernels and the share of MACs in fast ones")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.onlyForModels(c, args); err != nil {
			return err
		}
		x, err := a.inspectModel(c, args[0], &f)
		if err != nil {
			return err
		}
		if !kernels {
			x.Kernels = nil
		}
		if a.json {
			return a.emit("inspect/1", x)
		}
		a.printInspection(x, kernels)
		return nil
	}
	return c
}

func (a *app) inspectModel(c *cobra.Command, path string, f *compileFlags) (*inspection, error) {
	if isArtifactFile(path) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, diag.In(path, diag.BadModel, err)
		}
		file, err := artifact.Decode(b)
		if err != nil {
			return nil, diag.In(path, diag.BadModel, err)
		}
		x := &inspection{Name: file.Program.Name}
		a.ofProgram(x, file.Program)
		main := file.Program.Main()
		for i, p := range main.Params {
			x.Inputs = append(x.Inputs, portInfo{main.Names[i], main.Slots[p].Type.String()})
		}
		for i, r := range main.Results {
			x.Outputs = append(x.Outputs, portInfo{main.Outputs()[i], main.Slots[r].Type.String()})
		}
		return x, nil
	}
	o := a.options()
	if err := f.fill(c, a, &o); err != nil {
		return nil, err
	}
	imp := o
	imp.Stop = codegen.StageImport
	art, err := a.built(c.Context(), path, imp)
	if err != nil {
		return nil, err
	}
	defer art.Close()
	x := ofModule(art.Module())
	o.Bind = bindshape.Binding{} // the import has bound what there is
	built, err := codegen.Build(c.Context(), codegen.Graph(art.Module()), o)
	if err != nil {
		return nil, err
	}
	a.ofProgram(x, built.Program())
	return x, nil
}

func ofModule(m *ir.Module) *inspection {
	x := &inspection{Name: m.Name, Opsets: m.Opset, Ops: map[string]int{}}
	for _, p := range m.Main().Params {
		x.Inputs = append(x.Inputs, portInfo{p.Name, p.Type.String()})
	}
	for _, r := range m.Main().Results {
		x.Outputs = append(x.Outputs, portInfo{r.Name, r.Value.Type.String()})
	}
	for _, d := range m.Dims {
		x.Dims = append(x.Dims, d.Name)
	}
	m.Walk(func(n *ir.Node) {
		if n.Const != nil {
			if n.Const.DType.IsFloat() {
				x.Params += int64(n.Const.Len())
			}
			return
		}
		x.Ops[n.OpName()]++
	})
	return x
}

func (a *app) ofProgram(x *inspection, p *plan.Program) {
	st := programStats(p, a.reg.Kernels)
	x.MACs, x.FastMACs, x.Consts, x.Memory, x.Target = st.macs, st.share(), st.consts, memoryOf(p), p.Target
	x.Device = st.device(p)
	if x.Dims == nil {
		for _, s := range p.Syms {
			x.Dims = append(x.Dims, s.Name)
		}
	}
	for _, f := range p.Funcs {
		for i := range f.Body {
			in := &f.Body[i]
			k := ""
			switch {
			case in.Op == plan.Launch:
				k = in.Grid.Kernel
			case len(in.Alts) > 0:
				k = in.Alts[0].Kernel
			default:
				continue
			}
			j := slices.IndexFunc(x.Kernels, func(u kernelUse) bool { return u.Kernel == k })
			if j < 0 {
				u := kernelUse{Op: in.Name, Kernel: k}
				for _, alt := range in.Alts {
					u.Alts = append(u.Alts, alt.Kernel)
				}
				u.Alts = u.Alts[min(1, len(u.Alts)):]
				d := a.reg.Kernels.Get(k)
				u.Device = in.Op == plan.Launch
				u.Fast = d != nil && d.Fast || u.Device
				x.Kernels = append(x.Kernels, u)
				j = len(x.Kernels) - 1
			}
			x.Kernels[j].Calls++
			x.Kernels[j].MACs += in.MACs
		}
	}
	slices.SortStableFunc(x.Kernels, func(a, b kernelUse) int {
		if a.MACs != b.MACs {
			if a.MACs > b.MACs {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Kernel, b.Kernel)
	})
}

func (a *app) printInspection(x *inspection, kernels bool) {
	w := a.out
	fmt.Fprintf(w, "model       %s\n", x.Name)
	for _, p := range x.Inputs {
		fmt.Fprintf(w, "input       %s: %s\n", p.Name, p.Type)
	}
	for _, p := range x.Outputs {
		fmt.Fprintf(w, "output      %s: %s\n", p.Name, p.Type)
	}
	if len(x.Dims) > 0 {
		fmt.Fprintf(w, "dims        %s\n", strings.Join(x.Dims, ", "))
	}
	if len(x.Ops) > 0 {
		var names []string
		for n := range x.Ops {
			names = append(names, n)
		}
		slices.Sort(names)
		for i, n := range names {
			names[i] = fmt.Sprintf("%s*%d", n, x.Ops[n])
		}
		fmt.Fprintf(w, "operators   %s\n", strings.Join(names, " "))
		fmt.Fprintf(w, "opset       %d in this table's terms\n", x.Opsets["ai.onnx"])
		fmt.Fprintf(w, "parameters  %s\n", countText(x.Params))
	}
	fmt.Fprintf(w, "MACs        %s\n", countText(x.MACs))
	fmt.Fprintf(w, "constants   %s packed\n", bytesText(x.Consts))
	fmt.Fprintf(w, "memory      %s for intermediate values (open dims at their lower bounds)\n", bytesText(int64(x.Memory)))
	fmt.Fprintf(w, "target      %s, %.2f %% of MACs in fast kernels\n", x.Target, 100*x.FastMACs)
	if x.Device != nil {
		fmt.Fprintf(w, "device      %v\n", x.Device)
	}
	if !kernels {
		return
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\nop\tkernel\tcalls\tMACs\tfast\telse")
	for _, k := range x.Kernels {
		fast := fmt.Sprint(k.Fast)
		if k.Device {
			fast = "device"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", k.Op, k.Kernel, k.Calls, countText(k.MACs), fast, strings.Join(k.Alts, " "))
	}
	t.Flush()
}

// isArtifactFile looks at the file's first bytes.
func isArtifactFile(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 16)
	n, _ := f.Read(b)
	return artifact.IsArtifact(b[:n])
}
