package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// shown is how many elements of an output the text has.
const shown = 16

// print gives the outputs in the form that was asked for.
func (a *app) print(outs []tensor.Tensor) error {
	switch {
	case a.to != "":
		return a.save(outs)
	case a.json:
		return a.printJSON(outs)
	}
	for i, x := range a.model.Outputs() {
		t := &outs[i]
		fmt.Fprintf(a.out, "%s: %v", x.Name, t.Type())
		if top, ok := a.largest(t); ok {
			fmt.Fprintln(a.out)
			for _, j := range top {
				name := ""
				if len(a.classes) == t.Len() {
					name = "  " + a.classes[j]
				}
				fmt.Fprintf(a.out, "%8d  %s%s\n", j, t.ElemText(j), name)
			}
			continue
		}
		sep := " = "
		for j := range min(t.Len(), shown) {
			fmt.Fprint(a.out, sep, t.ElemText(j))
			sep = " "
		}
		if more := t.Len() - shown; more > 0 {
			fmt.Fprintf(a.out, " ... (%d more)", more)
		}
		fmt.Fprintln(a.out)
	}
	return nil
}

// largest are the positions that --top asks for; false: all elements are wanted.
func (a *app) largest(t *tensor.Tensor) ([]int, bool) {
	if a.top == 0 {
		return nil, false
	}
	return t.Largest(a.top)
}

// output is one output in JSON.
type output struct {
	Name  string   `json:"name"`
	DType string   `json:"dtype"`
	Dims  []int    `json:"dims"`
	Data  []any    `json:"data,omitempty"`
	Top   []ranked `json:"top,omitempty"`
}

type ranked struct {
	Index int    `json:"index"`
	Value any    `json:"value"`
	Class string `json:"class,omitempty"`
}

// elem is an element as JSON has it: NaN and the infinities by name.
func elem(t *tensor.Tensor, i int) any {
	switch {
	case t.DType() == dtype.String:
		return t.Strings()[i]
	case t.DType() == dtype.Bool:
		return t.Int(i) != 0
	case t.DType().IsInt():
		if t.DType() == dtype.U64 {
			return uint64(t.Int(i))
		}
		return t.Int(i)
	case t.DType().IsFloat() && t.DType().Bits() >= 16:
		v := t.Float(i)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
		if t.DType() == dtype.F32 {
			return float32(v)
		}
		return v
	}
	return nil
}

func (a *app) printJSON(outs []tensor.Tensor) error {
	doc := struct {
		Schema  string   `json:"schema"`
		Outputs []output `json:"outputs"`
	}{Schema: "mlc.program/1"}
	for i, x := range a.model.Outputs() {
		t := &outs[i]
		o := output{Name: x.Name, DType: t.DType().String(), Dims: append([]int{}, t.Dims()...)}
		if top, ok := a.largest(t); ok {
			for _, j := range top {
				r := ranked{Index: j, Value: elem(t, j)}
				if len(a.classes) == t.Len() {
					r.Class = a.classes[j]
				}
				o.Top = append(o.Top, r)
			}
		} else {
			for j := range t.Len() {
				o.Data = append(o.Data, elem(t, j))
			}
		}
		doc.Outputs = append(doc.Outputs, o)
	}
	return json.NewEncoder(a.out).Encode(doc)
}

// save writes .npy: to a file or standard output where there is one output,
// else to a folder.
func (a *app) save(outs []tensor.Tensor) error {
	infos := a.model.Outputs()
	if a.to == "-" || strings.HasSuffix(a.to, ".npy") {
		if len(outs) != 1 {
			return diag.New(diag.Usage, "-o %s: the model has outputs %s: name a folder", a.to, names(infos))
		}
		if a.to == "-" {
			return tensor.WriteNPY(a.out, outs[0])
		}
		return saveTo(a.to, outs[0])
	}
	if err := os.MkdirAll(a.to, 0o755); err != nil {
		return diag.New(diag.Usage, "%v", err)
	}
	for i, x := range infos {
		name := strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:*?"<>|`, r) {
				return '_'
			}
			return r
		}, x.Name)
		if err := saveTo(filepath.Join(a.to, name+".npy"), outs[i]); err != nil {
			return err
		}
	}
	return nil
}

// notOver refuses -o where it names a file that a value comes from.
func (a *app) notOver(given []string) error {
	out, err := os.Stat(a.to)
	if a.to == "" || err != nil || !out.Mode().IsRegular() {
		return nil
	}
	for _, s := range given {
		for _, x := range a.model.Inputs() {
			s = strings.TrimPrefix(s, x.Name+"=")
		}
		if in, err := os.Stat(s); err == nil && os.SameFile(in, out) {
			return diag.New(diag.Usage, "-o %s: is an input, want another file", a.to)
		}
	}
	return nil
}

// saveTo writes a file whole or not at all.
func saveTo(path string, t tensor.Tensor) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		var e *fs.PathError // of a name that nobody has given
		if errors.As(err, &e) {
			err = e.Err
		}
		return diag.New(diag.Usage, "-o %s: %v", path, err)
	}
	defer os.Remove(f.Name()) // gone already where all went well
	defer f.Close()
	if err := tensor.WriteNPY(f, t); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return diag.New(diag.Usage, "%v", err)
	}
	return nil
}
