package cli

import (
	"fmt"

	"github.com/mlc-go/mlc/codegen/tflite"
)

// tfliteIO checks --tflite-io, which only an export to TensorFlow Lite takes.
func tfliteIO(io, kind string, given bool) error {
	if given && kind != "tflite" {
		return usage("--tflite-io is of TensorFlow Lite exports, and this one is %s", kind)
	}
	if io != tflite.NCHW && io != tflite.NHWC {
		return usage("--tflite-io=%s: unknown layout (have %s, %s)", io, tflite.NCHW, tflite.NHWC)
	}
	return nil
}

// tfliteSummary is what --json says of an export.
type tfliteSummary struct {
	Operators  []tfliteOp    `json:"operators"`
	Transposes []tfliteMoved `json:"transposes"`
	Inputs     []tflitePort  `json:"inputs"`
	Outputs    []tflitePort  `json:"outputs"`
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
}

func newTFLiteSummary(r *tflite.Report) *tfliteSummary {
	s := &tfliteSummary{Transposes: []tfliteMoved{}}
	for _, o := range r.Operators {
		s.Operators = append(s.Operators, tfliteOp{o.Name, o.Version, o.N})
	}
	for _, t := range r.Transposes {
		s.Transposes = append(s.Transposes, tfliteMoved(t))
	}
	for _, p := range r.Inputs {
		s.Inputs = append(s.Inputs, tflitePort(p))
	}
	for _, p := range r.Outputs {
		s.Outputs = append(s.Outputs, tflitePort(p))
	}
	return s
}

// printTFLite lists ports that are stored otherwise than in the model, and the
// transposes that are left.
func (a *app) printTFLite(s *tfliteSummary) {
	for _, p := range append(append([]tflitePort{}, s.Inputs...), s.Outputs...) {
		if p.Perm != nil {
			fmt.Fprintf(a.out, "  %s is stored as %v, axes %v of the model\n", p.Name, p.Dims, p.Perm)
		}
	}
	for _, t := range s.Transposes {
		fmt.Fprintf(a.out, "  transpose of %s %v by %v: %s\n", t.Tensor, t.Dims, t.Perm, t.Reason)
	}
}
