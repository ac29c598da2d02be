package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen/tflite"
)

func registerTFLite(c *cobra.Command, o *tflite.Options) {
	c.Flags().StringVar(&o.IO, "tflite-io", tflite.NCHW, "how a TensorFlow Lite export stores 4-D inputs and outputs: `nchw`, as the model has them, or nhwc")
	c.Flags().StringVar(&o.Edges, "tflite-edges", tflite.Float, "what inputs and outputs of a quantized TensorFlow Lite export are: `float`, or int8, the bytes that the network works with")
}

// checkTFLite checks the flags that only an export to TensorFlow Lite takes.
func checkTFLite(c *cobra.Command, o *tflite.Options, kind string) error {
	for _, name := range []string{"tflite-io", "tflite-edges"} {
		if typed(c.Flags(), name) && kind != "tflite" {
			return usage("--%s is of TensorFlow Lite exports, and this one is %s", name, kind)
		}
	}
	if o.IO != tflite.NCHW && o.IO != tflite.NHWC {
		return usage("--tflite-io=%s: unknown layout (have %s, %s)", o.IO, tflite.NCHW, tflite.NHWC)
	}
	if o.Edges != tflite.Float && o.Edges != tflite.Int8 {
		return usage("--tflite-edges=%s: unknown type (have %s, %s)", o.Edges, tflite.Float, tflite.Int8)
	}
	return nil
}

// tfliteSummary is what --json says of an export.
type tfliteSummary struct {
	Operators  []tfliteOp    `json:"operators"`
	Transposes []tfliteMoved `json:"transposes"`
	Inputs     []tflitePort  `json:"inputs"`
	Outputs    []tflitePort  `json:"outputs"`
	Batch      string        `json:"batch,omitempty"`
}

type tfliteOp struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Count   int    `json:"count"`
}

type tfliteMoved struct {
	Tensor string `json:"tensor"`
	Dims   []int  `json:"dims"`
	Perm   []int  `json:"perm"`
	Reason string `json:"reason"`
}

type tflitePort struct {
	Name string `json:"name"`
	Dims []int  `json:"dims"`
	Perm []int  `json:"perm,omitempty"` // stored axis i is the model's axis perm[i]
	Type string `json:"type"`
	// What integers mean: (q - zero_point) * scale.
	Scale *float32 `json:"scale,omitempty"`
	Zero  *int     `json:"zero_point,omitempty"`
}

func newTFLitePort(p *tflite.Port) tflitePort {
	out := tflitePort{Name: p.Name, Dims: p.Dims, Perm: p.Perm, Type: p.Type.String()}
	if p.Quant != nil {
		out.Scale, out.Zero = &p.Quant.Scale, &p.Quant.Zero
	}
	return out
}

func newTFLiteSummary(r *tflite.Report) *tfliteSummary {
	s := &tfliteSummary{Batch: r.Batch, Transposes: []tfliteMoved{}}
	for _, o := range r.Operators {
		s.Operators = append(s.Operators, tfliteOp{o.Name, o.Version, o.N})
	}
	for _, t := range r.Transposes {
		s.Transposes = append(s.Transposes, tfliteMoved(t))
	}
	for i := range r.Inputs {
		s.Inputs = append(s.Inputs, newTFLitePort(&r.Inputs[i]))
	}
	for i := range r.Outputs {
		s.Outputs = append(s.Outputs, newTFLitePort(&r.Outputs[i]))
	}
	return s
}

// printTFLite lists ports that are stored otherwise than in the model or are
// quantized, and the transposes that are left.
func (a *app) printTFLite(s *tfliteSummary) {
	if s.Batch != "" {
		fmt.Fprintf(a.out, "  %s is 1 and may be resized (--dim %s=1 fixes it)\n", s.Batch, s.Batch)
	}
	for _, p := range append(append([]tflitePort{}, s.Inputs...), s.Outputs...) {
		if p.Perm != nil {
			fmt.Fprintf(a.out, "  %s is stored as %v, axes %v of the model\n", p.Name, p.Dims, p.Perm)
		}
		if p.Scale != nil {
			fmt.Fprintf(a.out, "  %s is %s: byte q means (q - %d) * %v\n", p.Name, p.Type, *p.Zero, *p.Scale)
		}
	}
	for _, t := range s.Transposes {
		fmt.Fprintf(a.out, "  transpose of %s %v by %v: %s\n", t.Tensor, t.Dims, t.Perm, t.Reason)
	}
}
