package passes

import (
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/pass"
)

// Step is one entry of a parsed pipeline: a pass with its arguments, or a
// list, run once or until nothing changes.
type Step struct {
	Pass  pass.Pass
	Args  map[string]string
	Body  []Step // not nil: a list; Pass is not used
	Loop  bool   // of a list
	Stage string // name of the stage that a list is
}

// Parse reads "fold,fuse{max=3},repeat(dce,cse)". A name is that of a pass
// (lookup tells), of a stage of the pipeline, or the first word of several
// passes ("fuse" is every fuse-* in running order). Error (Usage): syntax, or
// an unknown name, with the nearest that exist.
func Parse(spec string, lookup func(string) (pass.Pass, bool)) ([]Step, error) {
	p := &specParser{s: spec, lookup: lookup}
	steps, err := p.list(0)
	if err == nil && p.pos < len(p.s) {
		err = p.fail("end of the list")
	}
	return steps, err
}

type specParser struct {
	s      string
	pos    int
	lookup func(string) (pass.Pass, bool)
}

// maxSpecDepth bounds nesting of repeat.
const maxSpecDepth = 8

func (p *specParser) fail(want string) error {
	have := "end"
	if p.pos < len(p.s) {
		have = strconv.Quote(p.s[p.pos:])
	}
	return &diag.Error{Kind: diag.Usage, Port: "passes", Have: have, Want: want}
}

func (p *specParser) word(stop string) string {
	i := p.pos
	for p.pos < len(p.s) && !strings.ContainsRune(stop, rune(p.s[p.pos])) {
		p.pos++
	}
	return strings.TrimSpace(p.s[i:p.pos])
}

func (p *specParser) take(c byte) bool {
	if p.pos < len(p.s) && p.s[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *specParser) list(depth int) ([]Step, error) {
	if strings.TrimSpace(p.s[p.pos:]) == "" {
		return nil, nil
	}
	var out []Step
	for {
		steps, err := p.item(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, steps...)
		if !p.take(',') {
			return out, nil
		}
	}
}

func (p *specParser) item(depth int) ([]Step, error) {
	at := p.pos
	name := p.word(",(){}")
	if name == "" {
		return nil, p.fail("a pass")
	}
	if name == "repeat" {
		if depth >= maxSpecDepth {
			return nil, p.fail("less nesting")
		}
		if !p.take('(') {
			return nil, p.fail("(")
		}
		body, err := p.list(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.take(')') {
			return nil, p.fail(")")
		}
		p.word(",(){}")
		return []Step{{Body: append([]Step{}, body...), Loop: true}}, nil
	}
	args, err := p.args()
	if err != nil {
		return nil, err
	}
	steps := p.named(name)
	if steps == nil {
		p.pos = at
		return nil, unknownPass(name)
	}
	for i := range steps {
		if steps[i].Body != nil && args != nil {
			return nil, diag.New(diag.Usage, "stage %s takes no arguments", name)
		}
		steps[i].Args = args
	}
	return steps, nil
}

func (p *specParser) args() (map[string]string, error) {
	if !p.take('{') {
		return nil, nil
	}
	args := map[string]string{}
	for {
		kv := p.word(",{}()")
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, p.fail("key=value")
		}
		args[strings.TrimSpace(k)] = strings.TrimSpace(v)
		if p.take('}') {
			p.word(",(){}")
			return args, nil
		}
		if !p.take(',') {
			return nil, p.fail("}")
		}
	}
}

// named resolves a name, nil if there is none.
func (p *specParser) named(name string) []Step {
	if q, ok := p.lookup(name); ok {
		return []Step{{Pass: q}}
	}
	for _, s := range Pipeline() {
		if s.Name == name {
			return []Step{stageStep(s, func(pass.Pass) bool { return true })}
		}
	}
	var out []Step
	for _, q := range All() {
		if strings.HasPrefix(q.Name, name+"-") {
			out = append(out, Step{Pass: q})
		}
	}
	return out
}

// stageStep turns a stage into one step with the passes for which on says
// true.
func stageStep(s Stage, on func(pass.Pass) bool) Step {
	body := []Step{}
	for _, q := range s.Passes {
		if on(q) {
			body = append(body, Step{Pass: q})
		}
	}
	return Step{Body: body, Loop: s.Repeat, Stage: s.Name}
}

func unknownPass(name string) error {
	if best := diag.Nearest(name, Names()); len(best) > 0 {
		return diag.New(diag.Usage, "pass %q is unknown; did you mean %s?", name, best[0])
	}
	return diag.New(diag.Usage, "pass %q is unknown (have %s)", name, strings.Join(Names(), ", "))
}

// levelSteps is the pipeline at an optimization level: the stages with the
// passes of that level or below.
func levelSteps(level int) []Step {
	var out []Step
	for _, s := range Pipeline() {
		out = append(out, stageStep(s, func(q pass.Pass) bool { return q.Required || q.Level <= level }))
	}
	return out
}
