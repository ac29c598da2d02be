package gosrc

import (
	"fmt"
	"go/format"
	"go/token"
	"strings"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/plan"
)

// The tolerances of the generated test: |have-want| is at most Rtol*|want| plus
// Atol times the largest |want| of the output, or 1.
const (
	Rtol = 1e-3
	Atol = 1e-5
)

// Options say how the package looks.
type Options struct {
	Package  string   // its name, see PackageName
	SideFile bool     // the artifact is not embedded: the package maps the file that it is told
	Vectors  []Vector // of the test; none: it checks only that a run works and does not allocate
}

// Vector is one recorded run. Input i (of those that Predict takes, in order)
// is tensor.Random of Seed+i.
type Vector struct {
	Seed    uint64
	Outputs []tensor.Value
}

// File is one file of the package.
type File struct {
	Name string // slash-separated, below the package's folder
	Data []byte
}

// PackageName makes a package name of a folder's or model's name.
func PackageName(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0 {
			b.WriteRune(r)
		} else if r >= '0' && r <= '9' {
			b.WriteString("model")
			b.WriteRune(r)
		}
	}
	if n := b.String(); n != "" && !token.IsKeyword(n) && n != "main" {
		return n
	}
	return "model" + b.String()
}

// Files writes the package of program p, whose artifact is art. The same
// arguments give the same bytes. Errors: a package name that is none (Usage);
// open dims, values that are no tensors, element types without a Go form, and
// kernels that are not mlc's own (Unsupported, all of them named).
func Files(p *plan.Program, art []byte, o Options) ([]File, error) {
	if !token.IsIdentifier(o.Package) || o.Package == "main" || o.Package == "_" {
		return nil, diag.New(diag.Usage, "package name %q: want an identifier other than main", o.Package)
	}
	m, err := describe(p)
	if err != nil {
		return nil, err
	}
	a, err := artifact.Decode(art)
	if err != nil {
		return nil, err
	}
	m.Index = a.Index
	m.Package, m.Side, m.Rtol, m.Atol = o.Package, o.SideFile, Rtol, Atol
	m.Artifact = "model_" + m.Arch + ".mlc"
	m.Generic = m.Arch == target.Generic
	var out []File
	for _, v := range o.Vectors {
		fs, err := m.vector(v)
		if err != nil {
			return nil, err
		}
		out = append(out, fs...)
	}
	src := []File{}
	for _, t := range []struct{ name, text string }{
		{"model.go", modelText}, {"model_" + m.Arch + ".go", archText},
		{"example_test.go", exampleText}, {"model_test.go", testText},
	} {
		b, err := m.render(t.text)
		if err != nil {
			return nil, diag.New(diag.Internal, "%s: %v", t.name, err)
		}
		src = append(src, File{t.name, b})
	}
	src = append(src, File{m.Artifact, art})
	return append(src, out...), nil
}

// vector records v in m and gives the files of its outputs.
func (m *model) vector(v Vector) ([]File, error) {
	if len(v.Outputs) != len(m.Outs) {
		return nil, diag.New(diag.Internal, "a vector of %d outputs, want %d", len(v.Outputs), len(m.Outs))
	}
	var out []File
	for i := range v.Outputs {
		b, err := tensor.EncodePB(m.Outs[i].Name, v.Outputs[i])
		if err != nil {
			return nil, diag.At(fmt.Sprintf("output %q", m.Outs[i].Name), "", diag.Internal, err)
		}
		out = append(out, File{fmt.Sprintf("testdata/seed_%d/output_%d.pb", v.Seed, i), b})
	}
	m.Seeds = append(m.Seeds, v.Seed)
	return out, nil
}

// render fills in a template and formats the result.
func (m *model) render(text string) ([]byte, error) {
	var b strings.Builder
	if err := parsed(text).Execute(&b, m); err != nil {
		return nil, err
	}
	return format.Source([]byte(b.String()))
}
