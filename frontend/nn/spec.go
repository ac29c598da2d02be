package nn

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// Model describes a model by name: what its spec may say.
type Model struct {
	Name, Doc string
	Takes     string // the sample that it wants
	Widths    []int  // by default
	WidthsDoc string
	Args      []Arg
}

// Arg is a named argument of a model. Its values are whole numbers where Min
// is 1 or more.
type Arg struct {
	Name, Doc         string
	Default, Min, Max float64
}

// widest is the largest width.
const widest = 1 << 13

// Spec writes out what the bare name stands for: "resnet8:16,32,64,stem=2,...".
func (m Model) Spec() string {
	var parts []string
	for _, w := range m.Widths {
		parts = append(parts, strconv.Itoa(w))
	}
	for _, a := range m.Args {
		parts = append(parts, a.Name+"="+strconv.FormatFloat(a.Default, 'g', -1, 64))
	}
	return m.Name + ":" + strings.Join(parts, ",")
}

// Spec is a model by name with the values of its arguments.
type Spec struct {
	Name   string
	Widths []int
	of     *entry
	args   map[string]float64 // every one that the model has
}

// ParseSpec reads NAME or NAME:ARGUMENTS, joined by commas: numbers are the
// model's widths and take the place of all the default ones; NAME=VALUE sets an
// argument. Models tells what there is.
//
//	mlp   mlp:128,64,dropout=0.1   resnet8:8,16,32,stem=1   lstm:32
//
// Errors (Usage): no such model or argument, with near misses; a value out of
// range; an argument that is given twice; too few or too many widths.
func ParseSpec(spec string) (Spec, error) {
	name, rest, with := strings.Cut(spec, ":")
	i := slices.IndexFunc(zoo, func(z entry) bool { return z.Name == name })
	if i < 0 {
		var have []string
		for _, z := range zoo {
			have = append(have, z.Name)
		}
		return Spec{}, diag.New(diag.Usage, "no model %q%s", name, diag.DidYouMean(name, have, "have "+strings.Join(have, ", ")))
	}
	s := Spec{of: &zoo[i], Name: name, Widths: slices.Clone(zoo[i].Widths), args: map[string]float64{}}
	if with {
		if err := s.parse(rest); err != nil {
			return Spec{}, &diag.Error{Kind: diag.Usage, Port: "model " + name, Err: err}
		}
	}
	for _, a := range s.of.Args {
		if _, ok := s.args[a.Name]; !ok {
			s.args[a.Name] = a.Default
		}
	}
	return s, nil
}

func (s *Spec) parse(args string) error {
	var widths []int
	for _, part := range strings.Split(args, ",") {
		key, value, named := strings.Cut(part, "=")
		if named {
			if err := s.set(key, value); err != nil {
				return err
			}
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil && part != "" && !strings.ContainsAny(part[:1], "+-.0123456789") {
			return s.unknown(part)
		}
		if err != nil || n < 1 || n > widest {
			return fmt.Errorf("width %q: want a whole number of 1..%d", part, widest)
		}
		widths = append(widths, n)
	}
	if len(widths) == 0 {
		return nil
	}
	if len(widths) < s.of.least || len(widths) > s.of.most {
		want := fmt.Sprintf("%d..%d", s.of.least, s.of.most)
		if s.of.least == s.of.most {
			want = strconv.Itoa(s.of.most)
		}
		return fmt.Errorf("have %d widths, want %s (%s)", len(widths), want, s.of.WidthsDoc)
	}
	s.Widths = widths
	return nil
}

func (s *Spec) set(key, value string) error {
	i := slices.IndexFunc(s.of.Args, func(a Arg) bool { return a.Name == key })
	if i < 0 {
		return s.unknown(key)
	}
	if _, ok := s.args[key]; ok {
		return fmt.Errorf("argument %s is given twice", key)
	}
	a := s.of.Args[i]
	v, err := strconv.ParseFloat(value, 64)
	whole := a.Min >= 1
	if err != nil || !(v >= a.Min && v <= a.Max) || whole && v != math.Trunc(v) {
		kind := "number"
		if whole {
			kind = "whole number"
		}
		return fmt.Errorf("%s=%s: want a %s of %v..%v", key, value, kind, a.Min, a.Max)
	}
	s.args[key] = v
	return nil
}

func (s *Spec) unknown(key string) error {
	names := []string{}
	for _, a := range s.of.Args {
		names = append(names, a.Name)
	}
	have := "it takes widths only"
	if len(names) > 0 {
		have = "have " + strings.Join(names, ", ")
	}
	return fmt.Errorf("unknown argument %q%s", key, diag.DidYouMean(key, names, have))
}

// count is a whole argument.
func (s Spec) count(name string) int { return int(s.args[name]) }

// String is the spec with every argument written out; it parses to the same.
func (s Spec) String() string {
	if s.of == nil {
		return ""
	}
	m := s.of.Model
	m.Widths, m.Args = s.Widths, slices.Clone(m.Args)
	for i := range m.Args {
		m.Args[i].Default = s.args[m.Args[i].Name]
	}
	return m.Spec()
}
