package conform

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Case is one model with its vectors.
type Case struct {
	Name   string
	FS     fs.FS  // the case's folder
	Model  string // file in it
	Sets   []Set
	Reject string // gist of why it must be refused, "" if it must run
	Spec   Spec
}

// Set is one call: named or numbered values.
type Set struct {
	Name    string
	Inputs  []Vector
	Outputs []Vector
}

// Vector is one recorded value, as it lies in its file: the messages do not
// say of which kind they are, so the model's types are needed to decode them.
type Vector struct {
	Index int // from the file's name
	data  []byte
}

// Port is an input or output of a model.
type Port struct {
	Name string
	Type tensor.Type
}

// Spec is what case.json may say.
type Spec struct {
	Rtol    *float64 `json:"rtol"`
	Atol    *float64 `json:"atol"`
	Level   string   `json:"level"`   // "spec" (default) or "advisory"
	Expects string   `json:"expects"` // "outputs" (default), "error", "error-or-outputs"
}

func load(f folder) (*Case, error) {
	c := &Case{Name: f.name, FS: f.fsys, Model: f.model}
	if b, err := fs.ReadFile(f.fsys, "expect_error.txt"); err == nil {
		c.Reject = strings.TrimSpace(string(b))
		if c.Reject == "" {
			c.Reject = "must be refused"
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if b, err := fs.ReadFile(f.fsys, "case.json"); err == nil {
		if err := json.Unmarshal(b, &c.Spec); err != nil {
			return nil, fmt.Errorf("case.json: %w", err)
		}
	}
	dirs, err := fs.Glob(f.fsys, "test_data_set_*")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(dirs, func(a, b string) int { return number(a) - number(b) })
	for _, d := range dirs {
		s, err := ReadSet(f.fsys, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d, err)
		}
		c.Sets = append(c.Sets, *s)
	}
	return c, nil
}

// number is the integer at the end of a name (test_data_set_10, output_9.pb).
func number(s string) int {
	s = strings.TrimSuffix(s, ".pb")
	n, err := strconv.Atoi(s[strings.LastIndexByte(s, '_')+1:])
	if err != nil {
		return -1
	}
	return n
}

// ReadSet reads the input_N.pb and output_N.pb files of a folder in order of
// their numbers.
func ReadSet(fsys fs.FS, dir string) (*Set, error) {
	s := &Set{Name: dir}
	for _, side := range []struct {
		pattern string
		to      *[]Vector
	}{{"input_*.pb", &s.Inputs}, {"output_*.pb", &s.Outputs}} {
		files, err := fs.Glob(fsys, path.Join(dir, side.pattern))
		if err != nil {
			return nil, err
		}
		slices.SortFunc(files, func(a, b string) int { return number(a) - number(b) })
		for _, f := range files {
			b, err := fs.ReadFile(fsys, f)
			if err != nil {
				return nil, err
			}
			*side.to = append(*side.to, Vector{number(f), b})
		}
	}
	return s, nil
}

// Bind decodes vectors and orders them by the ports: each goes to the port of
// its own name, else, where names do not decide, to the port of its number.
// Ports without a vector get zero Values. Error: a file that does not decode.
func Bind(vs []Vector, ports []Port) (vals []tensor.Value, bound int, err error) {
	vals = make([]tensor.Value, len(ports))
	byNumber := map[int]tensor.Value{}
	for _, v := range vs {
		want := tensor.Type{}
		if v.Index >= 0 && v.Index < len(ports) {
			want = ports[v.Index].Type
		}
		name, val, err := tensor.DecodePB(v.data, want)
		if err != nil {
			return nil, 0, fmt.Errorf("value %d: %w", v.Index, err)
		}
		if i := slices.IndexFunc(ports, func(p Port) bool { return p.Name == name }); i >= 0 && name != "" {
			vals[i] = val
			bound++
			continue
		}
		byNumber[v.Index] = val
	}
	for i := range ports {
		if val, ok := byNumber[i]; ok && !vals[i].Present() {
			vals[i] = val
			bound++
		}
	}
	return vals, bound, nil
}

func usage(format string, a ...any) error { return diag.New(diag.Usage, format, a...) }
