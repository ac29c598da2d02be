package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// maxInput bounds one input file in memory.
const maxInput int64 = 4 << 30

// inputs reads the arguments: NAME=WHAT, or the values in order. With none,
// standard input is read, unless it is a terminal.
func (a *app) inputs(given []string) ([]tensor.Value, error) {
	infos := a.model.Inputs()
	vals := make([]tensor.Value, len(infos))
	if len(given) == 0 && len(infos) > 0 {
		if a.terminal() {
			a.usage(a.err)
			return nil, diag.New(diag.Usage, "no input given")
		}
		given = []string{"-"}
	}
	for _, s := range given {
		i, what := -1, s
		for j, x := range infos {
			if rest, ok := strings.CutPrefix(s, x.Name+"="); ok {
				i, what = j, rest
			}
		}
		name, _, named := strings.Cut(s, "=")
		named = named && i < 0
		for j := 0; i < 0 && j < len(infos); j++ {
			if !vals[j].Present() {
				i = j
			}
		}
		if i < 0 {
			return nil, diag.New(diag.Usage, "%s: more values than inputs, which are %s", s, names(infos))
		}
		err := a.read(what, i, infos, vals)
		if named && errors.Is(err, fs.ErrNotExist) {
			return nil, diag.New(diag.Usage, "%s: no such file, and no input %q (inputs are %s)", s, name, names(infos))
		}
		if err != nil {
			return nil, diag.At(fmt.Sprintf("input %q", infos[i].Name), "", diag.BadData, err)
		}
	}
	for i, x := range infos {
		if !vals[i].Present() && x.Type.Kind != tensor.KindOptional {
			return nil, diag.New(diag.Usage, "input %q: no value given, want %v (--help tells how)", x.Name, x.Type)
		}
	}
	return vals, nil
}

func names(infos []runtime.Info) string {
	var s []string
	for _, x := range infos {
		s = append(s, x.Name)
	}
	return strings.Join(s, ", ")
}

// read reads the value of input i; a JSON object gives those of all that it
// names.
func (a *app) read(what string, i int, infos []runtime.Info, vals []tensor.Value) error {
	ext := strings.ToLower(filepath.Ext(what))
	var b []byte
	var err error
	switch {
	case ext == ".json":
		b, err = readAll(what)
	case IsFile(what):
		vals[i], err = ReadFile(what, infos[i].Type)
		return err
	default:
		if what == "-" {
			if b, err = limited(a.in); err == nil && len(b) == 0 {
				return diag.New(diag.BadData, "standard input is empty")
			}
			ext = sniff(b, infos[i].Type)
			break
		}
		if st, e := os.Stat(what); e == nil && st.IsDir() {
			return diag.New(diag.Usage, "%s: is a folder, want a file", what)
		} else if e == nil {
			return diag.New(diag.Unsupported, "%s: files of this kind (supported: .npy, .json, .pb, .raw, .bin)", what)
		}
		vals[i], err = literal(what, infos[i].Type)
		return err
	}
	if err != nil {
		return err
	}
	if ext == ".json" {
		return fromJSON(b, i, infos, vals)
	}
	vals[i], err = decode(b, ext, infos[i].Type)
	return err
}

// IsFile says whether a name has a suffix that ReadFile knows.
func IsFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".npy", ".json", ".pb", ".raw", ".bin":
		return true
	}
	return false
}

// ReadFile reads a value for type t from a file of at most 4 GiB, by its suffix:
// .npy; .json, nested lists; .pb, a TensorProto or what t wants; .raw or .bin,
// elements in little-endian order for a t with at most one extent open. Whether
// the value fits t otherwise is seen by who runs the model. Errors: of the file
// system; what the file holds is not of its form (BadData), or too large (Limit).
func ReadFile(name string, t tensor.Type) (tensor.Value, error) {
	ext := strings.ToLower(filepath.Ext(name))
	if ext == ".npy" {
		f, err := os.Open(name)
		if err != nil {
			return tensor.Value{}, err
		}
		defer f.Close()
		x, err := tensor.ReadNPY(f, maxInput)
		return tensor.V(x), err
	}
	b, err := readAll(name)
	if err != nil {
		return tensor.Value{}, err
	}
	return decode(b, ext, t)
}

func readAll(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f)
}

func limited(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && int64(len(b)) > maxInput {
		err = diag.New(diag.Limit, "more than %d bytes", maxInput)
	}
	return b, err
}

// sniff tells the form of bytes that have no name: what they begin with, or
// whether they are as many as the elements take; else it is a message.
func sniff(b []byte, t tensor.Type) string {
	s := bytes.TrimLeft(b, " \t\r\n")
	switch {
	case bytes.HasPrefix(b, []byte("\x93NUMPY")):
		return ".npy"
	case len(s) > 0 && (s[0] == '[' || s[0] == '{') && json.Valid(s):
		return ".json"
	case t.IsTensor() && t.DType != dtype.String && rawDims(len(b), t) != nil:
		return ".raw"
	case len(s) > 0 && (s[0] == '[' || s[0] == '{'): // no message begins so
		return ".json" // which will say what is wrong with it
	}
	return ".pb"
}

func decode(b []byte, ext string, t tensor.Type) (tensor.Value, error) {
	switch ext {
	case ".npy":
		x, err := tensor.ReadNPY(bytes.NewReader(b), maxInput)
		return tensor.V(x), err
	case ".pb":
		_, v, err := tensor.DecodePB(b, t)
		return v, err
	case ".json":
		x, err := parseJSON(b)
		if err != nil {
			return tensor.Value{}, err
		}
		l, err := tensor.OfLists(x, t.DType)
		return tensor.V(l), err
	}
	if !t.IsTensor() || t.DType == dtype.String {
		return tensor.Value{}, diag.New(diag.BadData, "raw bytes for %v", t)
	}
	dims := rawDims(len(b), t)
	if dims == nil {
		return tensor.Value{}, &diag.Error{Kind: diag.BadData, Have: fmt.Sprintf("%d raw bytes", len(b)), Want: fmt.Sprintf("those of %v", t)}
	}
	x, err := tensor.FromBytes(t.DType, dims, b)
	return tensor.V(x), err
}

// rawDims are the extents that n bytes of type t have: at most one is open. nil:
// they do not fit.
func rawDims(n int, t tensor.Type) []int {
	if !t.Ranked() || n == 0 {
		return nil
	}
	dims, open := make([]int, len(t.Dims)), -1
	for i, d := range t.Dims {
		if v, ok := d.Const(); ok {
			dims[i] = int(v)
			continue
		}
		if open >= 0 {
			return nil
		}
		open, dims[i] = i, 1
	}
	count, ok := tensor.Count(dims)
	if !ok || count == 0 {
		return nil
	}
	one := t.DType.Bytes(count)
	if open >= 0 && one > 0 && n%one == 0 {
		dims[open] = n / one
		count, _ = tensor.Count(dims)
		one = t.DType.Bytes(count)
	}
	if one != n {
		return nil
	}
	return dims
}

// literal reads a value of the command line; extents that are open are 1.
func literal(s string, t tensor.Type) (tensor.Value, error) {
	var dims []int
	for _, d := range t.Dims {
		n, ok := d.Const()
		if !ok {
			n = 1
		}
		dims = append(dims, int(n))
	}
	if n, ok := tensor.Count(dims); !ok || int64(t.DType.Bytes(n)) > maxInput {
		return tensor.Value{}, &diag.Error{Kind: diag.Limit, Have: t.String(), Want: fmt.Sprintf("at most %d bytes", int64(maxInput))}
	}
	x, err := tensor.ParseLiteral(s, t.DType, dims)
	if err != nil {
		return tensor.Value{}, diag.New(diag.Usage, "%s: no such file, and no value: %v", s, err)
	}
	return tensor.V(x), nil
}

// parseJSON reads one value and nothing after it; numbers keep their digits.
func parseJSON(b []byte) (x any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&x); err != nil {
		return nil, diag.New(diag.BadData, "%v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, diag.New(diag.BadData, "something follows the JSON value, byte %d", dec.InputOffset())
	}
	return x, nil
}

// fromJSON takes nested lists for input i, or an object of them by name.
func fromJSON(b []byte, i int, infos []runtime.Info, vals []tensor.Value) error {
	x, err := parseJSON(b)
	if err != nil {
		return err
	}
	byName, ok := x.(map[string]any)
	if !ok {
		t, err := tensor.OfLists(x, infos[i].Type.DType)
		if err != nil {
			return diag.New(diag.BadData, "%v", err)
		}
		vals[i] = tensor.V(t)
		return nil
	}
	taken := 0
	for j, info := range infos {
		v, ok := byName[info.Name]
		if !ok {
			continue
		}
		t, err := tensor.OfLists(v, info.Type.DType)
		if err != nil {
			return diag.New(diag.BadData, "%q: %v", info.Name, err)
		}
		vals[j] = tensor.V(t)
		taken++
	}
	if taken != len(byName) {
		return diag.New(diag.BadData, "the object has other keys than the inputs %s", names(infos))
	}
	return nil
}
