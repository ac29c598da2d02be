package passes_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/fuse"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// manual are passes that golden tests may name beside the pipeline's.
var manual = []pass.Pass{
	passes.Func("inline-groups", "inline every group", func(c *rewrite.Ctx, m *ir.Module) error {
		n, err := fuse.InlineAll(m, nil)
		c.Count("group", n)
		return err
	}),
}

// verbPass runs a pass spec (blanks are allowed between passes) with checks.
func verbPass(c *irtest.Case, args []string) error {
	o := passes.Options{Ops: c.Ops, Spec: strings.Join(args, ","), Extra: manual, Check: true}
	return drive(c, o)
}

// verbPipeline runs a level: pipeline 2.
func verbPipeline(c *irtest.Case, args []string) error {
	level, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	return drive(c, passes.Options{Ops: c.Ops, Options: rewrite.Options{Level: level}, Check: true})
}

// verbBind binds dims and shapes: bind dim N=1 shape x=1,3,8,8.
func verbBind(c *irtest.Case, args []string) error {
	o := passes.Options{Ops: c.Ops, Spec: "order-nodes"}
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "dim" {
			d, err := bindshape.ParseDim(args[i+1])
			if err != nil {
				return err
			}
			o.Bind.Dims = append(o.Bind.Dims, d)
			continue
		}
		s, err := bindshape.ParseShape(args[i+1])
		if err != nil {
			return err
		}
		o.Bind.Shapes = append(o.Bind.Shapes, s)
	}
	return drive(c, o)
}

func drive(c *irtest.Case, o passes.Options) error {
	m, err := c.Load()
	if err != nil {
		return err
	}
	rep, err := passes.Run(context.Background(), m, o)
	if err != nil {
		return err
	}
	for _, p := range rep.Passes {
		for k, n := range p.Counts {
			c.Counts[k] += n
		}
	}
	return nil
}

// verbFails wants an error with a text: fails "pass nonesuch" unknown.
func verbFails(c *irtest.Case, args []string) error {
	words := strings.Join(args, " ")
	quoted, err := strconv.QuotedPrefix(words)
	if err != nil {
		return err
	}
	want, _ := strconv.Unquote(quoted)
	cmd := strings.Fields(words[len(quoted):])
	err = verbs()[cmd[0]](c, cmd[1:])
	if err == nil || !strings.Contains(err.Error(), want) {
		return fmt.Errorf("have error %v, want one that says %q", err, want)
	}
	return nil
}

func verbs() map[string]irtest.Verb {
	return map[string]irtest.Verb{"pass": verbPass, "pipeline": verbPipeline, "bind": verbBind, "fails": verbFails}
}

func TestGolden(t *testing.T) {
	irtest.Runner{Ops: op.Builtin(), Verbs: verbs()}.Dir(t, "../testdata/mir/passes")
}
