package eltwise

import (
	"math"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
)

// AttrProg is the attribute of a call that holds its program, as Encode gives
// it.
const AttrProg = "prog"

// MaxInputs and MaxSteps bound a program.
const (
	MaxInputs = 16
	MaxSteps  = 256
)

// Arg is an operand of a step: value Val, or the number Imm where Val is
// negative.
type Arg struct {
	Val int
	Imm float32
}

// Value is the operand that stands for value i, Number the one that stands for
// v.
func Value(i int) Arg      { return Arg{Val: i} }
func Number(v float32) Arg { return Arg{Val: -1, Imm: v} }

// Step is one function applied to values. Only binary functions take a Number,
// and at most one. P and Q are the literal parameters of Clip (bounds) and
// LeakyRelu (slope).
type Step struct {
	Op   Op
	X, Y Arg // Y is ignored by functions of one operand
	P, Q float32
}

// Prog is a chain or tree of elementwise functions over Inputs operands.
// Values 0 to Inputs-1 are the operands, value Inputs+i is the result of step
// i; the last step's is the result.
type Prog struct {
	Inputs int
	Steps  []Step
}

// Encode writes one line a step: name, operands, parameters. Values are %i,
// numbers stand for themselves: "add %0 %1", "mul %2 0.5", "clip %3 0 6".
func (p *Prog) Encode() []string {
	out := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		var b strings.Builder
		b.WriteString(s.Op.String())
		for k, a := range [2]Arg{s.X, s.Y} {
			if k < s.Op.Values() {
				b.WriteByte(' ')
				b.WriteString(a.String())
			}
		}
		for k, v := range [2]float32{s.P, s.Q} {
			if k < s.Op.Params() {
				b.WriteByte(' ')
				b.WriteString(Number(v).String())
			}
		}
		out[i] = b.String()
	}
	return out
}

// String is the form of an operand in the text of a program.
func (a Arg) String() string {
	if a.Val >= 0 {
		return "%" + strconv.Itoa(a.Val)
	}
	switch {
	case a.Imm != a.Imm:
		return "nan"
	case a.Imm > math.MaxFloat32:
		return "inf"
	case a.Imm < -math.MaxFloat32:
		return "-inf"
	}
	return strconv.FormatFloat(float64(a.Imm), 'g', -1, 32)
}

// Attrs holds the program as the attributes of a call.
func (p *Prog) Attrs() attr.Map { return attr.Map{AttrProg: attr.Strs(p.Encode()...)} }

// Decode is the inverse of Encode, for a call of so many operands. Its errors
// are of kind BadModel.
func Decode(inputs int, lines []string) (*Prog, error) {
	p := &Prog{Inputs: inputs}
	for i, l := range lines {
		s, err := decodeStep(l)
		if err != nil {
			return nil, &diag.Error{Kind: diag.BadModel, Port: "step " + strconv.Itoa(i), Err: err}
		}
		p.Steps = append(p.Steps, s)
	}
	return p, p.Check()
}

func decodeStep(line string) (s Step, err error) {
	f := strings.Fields(line)
	if len(f) == 0 {
		return s, diag.New(diag.BadModel, "empty line")
	}
	op, ok := ParseOp(f[0])
	if !ok {
		return s, diag.New(diag.BadModel, "unknown function %q", f[0])
	}
	s.Op = op
	if want := 1 + op.Values() + op.Params(); len(f) != want {
		return s, diag.New(diag.BadModel, "%q: have %d words, want %d", line, len(f), want)
	}
	for k, w := range f[1:] {
		a, err := decodeArg(w)
		if err != nil {
			return s, err
		}
		switch k -= op.Values(); {
		case k < 0 && k == -op.Values():
			s.X = a
		case k < 0:
			s.Y = a
		case a.Val >= 0:
			return s, diag.New(diag.BadModel, "%q: parameter %s is not a number", line, w)
		case k == 0:
			s.P = a.Imm
		default:
			s.Q = a.Imm
		}
	}
	return s, nil
}

func decodeArg(w string) (Arg, error) {
	if v, ok := strings.CutPrefix(w, "%"); ok {
		i, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			return Arg{}, diag.New(diag.BadModel, "value %q is not a number", w)
		}
		return Value(int(i)), nil
	}
	if w == "nan" {
		return Number(float32(math.NaN())), nil
	}
	v, err := strconv.ParseFloat(w, 32)
	if err != nil {
		return Arg{}, diag.New(diag.BadModel, "%q is neither a value nor a number", w)
	}
	return Number(float32(v)), nil
}

// Check says what is wrong with a program: too many inputs or steps, a value
// used before it is there, a number where none may stand.
func (p *Prog) Check() error {
	if p.Inputs < 1 || p.Inputs > MaxInputs {
		return &diag.Error{Kind: diag.BadModel, Port: "inputs", Have: strconv.Itoa(p.Inputs), Want: "1 to " + strconv.Itoa(MaxInputs)}
	}
	if len(p.Steps) == 0 || len(p.Steps) > MaxSteps {
		return &diag.Error{Kind: diag.BadModel, Port: "steps", Have: strconv.Itoa(len(p.Steps)), Want: "1 to " + strconv.Itoa(MaxSteps)}
	}
	for i, s := range p.Steps {
		at := "step " + strconv.Itoa(i)
		if s.Op.String() == "" {
			return &diag.Error{Kind: diag.BadModel, Port: at, Err: diag.New(diag.BadModel, "no function of a program")}
		}
		args := [2]Arg{s.X, s.Y}
		values := 0
		for _, a := range args[:s.Op.Values()] {
			if a.Val >= p.Inputs+i {
				return &diag.Error{Kind: diag.BadModel, Port: at, Err: diag.New(diag.BadModel, "%v is not computed yet", a)}
			}
			if a.Val >= 0 {
				values++
			}
		}
		if values == 0 {
			return &diag.Error{Kind: diag.BadModel, Port: at, Err: diag.New(diag.BadModel, "no operand is a value")}
		}
	}
	return nil
}
