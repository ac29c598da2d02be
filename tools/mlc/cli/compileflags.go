package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// levels are what -O takes.
var levels = []string{"0", "1", "2", "3"}

// compileFlags are the flags of every command that compiles.
type compileFlags struct {
	level, target, passes  string
	switches, dims, shapes []string
	keep                   []string
	fuel                   int64
	check                  string
	shuffle                uint64
	dumpDir                string
	printAfter             []string
	rpass, rmissed         string
}

func (f *compileFlags) register(c *cobra.Command, level string) {
	s := c.Flags()
	s.StringVarP(&f.level, "opt", "O", level, "optimization `level`: 0 legalizes, 1 cleans up exactly, 2 fuses, 3 as 2 until more is there")
	s.StringVar(&f.target, "target", "native", "`machine` to compile for (mlc targets lists them)")
	s.StringVar(&f.passes, "passes", "", "`pipeline` instead of the level's: \"fold,repeat(dce,cse)\"")
	s.StringArrayVarP(&f.switches, "disable", "d", nil, "`NAME=off` switches a pass or rule off; only=A,B leaves only those on")
	s.StringArrayVar(&f.dims, "dim", nil, "bind a symbol: `N=1` or N=1..8")
	s.StringArrayVar(&f.shapes, "shape", nil, "bind an input's extents: `NAME=1,3,224,224`")
	s.StringArrayVar(&f.keep, "keep-input", nil, "leave the initializer `NAME` an input")
	s.Int64Var(&f.fuel, "fuel", 0, "allow only the first `N` rewrites")
	s.StringVar(&f.check, "check", "", "`exec`: compare the meaning before and after each pass")
	s.Uint64Var(&f.shuffle, "shuffle", 0, "shuffle nodes before each pass with this `seed` (the result must not change)")
	s.StringVar(&f.dumpDir, "dump-dir", "", "write the module after each pass that changed it to `DIR`")
	s.StringArrayVar(&f.printAfter, "print-after", nil, "print the module after `PASS`, or all")
	s.StringVar(&f.rpass, "Rpass", "", "print what passes whose name matches `RE` did (-Rpass=RE)")
	s.StringVar(&f.rmissed, "Rmissed", "", "print what they could not do and why (-Rmissed=RE)")
}

// fill sets o from the flags.
func (f *compileFlags) fill(c *cobra.Command, a *app, o *codegen.Options) error {
	o.Level, o.Target, o.Passes, o.KeepInputs, o.Shuffle = f.level, f.target, f.passes, f.keep, f.shuffle
	o.DumpDir, o.PrintAfter, o.PrintTo = f.dumpDir, f.printAfter, a.err
	o.CrashDir = "."
	if !slices.Contains(levels, f.level) {
		return usage("-O%s: unknown level (have %s)", f.level, strings.Join(levels, ", "))
	}
	if _, err := target.Parse(f.target); err != nil {
		return diag.In("", diag.Usage, err)
	}
	for _, n := range f.printAfter {
		if n == "all" {
			continue
		}
		if err := a.knownPass("--print-after", n, false); err != nil {
			return err
		}
	}
	if o.Fuel = f.fuel; c.Flags().Changed("fuel") && f.fuel <= 0 {
		o.Fuel = -1
	}
	switch f.check {
	case "":
	case "exec":
		o.Check = true
	default:
		return usage("--check=%s: unknown check (have exec)", f.check)
	}
	for _, s := range f.switches {
		name, val, ok := strings.Cut(s, "=")
		switch {
		case ok && name == "only":
			for _, n := range strings.Split(val, ",") {
				if err := a.knownPass("-d", n, true); err != nil {
					return err
				}
				o.Only = append(o.Only, n)
			}
		case ok && val == "off":
			if err := a.knownPass("-d", name, true); err != nil {
				return err
			}
			o.Off = append(o.Off, name)
		default:
			return usage("-d %s: want NAME=off or only=A,B", s)
		}
	}
	for _, s := range f.dims {
		d, err := bindshape.ParseDim(s)
		if err != nil {
			return err
		}
		o.Bind.Dims = append(o.Bind.Dims, d)
	}
	for _, s := range f.shapes {
		d, err := bindshape.ParseShape(s)
		if err != nil {
			return err
		}
		o.Bind.Shapes = append(o.Bind.Shapes, d)
	}
	return f.remarks(a, o)
}

// onlyForModels refuses flags that say how to compile where all files are compiled
// already, but for those that the command has a use for.
func (f *compileFlags) onlyForModels(c *cobra.Command, paths []string, but ...string) error {
	for _, p := range paths {
		if !isArtifactFile(p) {
			return nil
		}
	}
	var of cobra.Command
	new(compileFlags).register(&of, f.level)
	var err error
	c.Flags().Visit(func(x *pflag.Flag) {
		if err == nil && of.Flags().Lookup(x.Name) != nil && !slices.Contains(but, x.Name) && typed(c.Flags(), x.Name) {
			err = usage("--%s: %s is compiled already; the flag says how to compile a model", x.Name, paths[0])
		}
	})
	return err
}

func (f *compileFlags) remarks(a *app, o *codegen.Options) error {
	applied, err := pattern("Rpass", f.rpass)
	if err != nil {
		return err
	}
	missed, err := pattern("Rmissed", f.rmissed)
	if err != nil {
		return err
	}
	if applied == nil && missed == nil {
		return nil
	}
	o.OnRemark = func(r rewrite.Remark) {
		re := applied
		if r.Kind == rewrite.Missed {
			re = missed
		}
		if re != nil && re.MatchString(r.Pass) {
			fmt.Fprintf(a.err, "remark: %s: %s: %s: %s\n", r.Kind, r.Pass, r.Node, r.Msg)
		}
	}
	return nil
}

func pattern(flag, s string) (*regexp.Regexp, error) {
	if s == "" {
		return nil, nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, usage("-%s=%s: %v", flag, s, err)
	}
	return re, nil
}
