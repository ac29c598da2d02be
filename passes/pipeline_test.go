package passes_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/pass"
)

// sequence is every pass of the pipeline in running order, with repetitions.
func sequence() []string {
	var out []string
	for _, s := range passes.Pipeline() {
		for _, p := range s.Passes {
			out = append(out, p.Name)
		}
	}
	return out
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

func TestOrder(t *testing.T) {
	seq := sequence()
	for _, o := range passes.Order() {
		b, a := lastIndex(seq, o.Before), lastIndex(seq, o.After)
		switch {
		case b < 0 || a < 0:
			t.Errorf("%s before %s: a pass is not in the pipeline", o.Before, o.After)
		case b >= a:
			t.Errorf("%s must run before %s: %s", o.Before, o.After, o.Why)
		case strings.TrimSpace(o.Why) == "":
			t.Errorf("%s before %s: no reason given", o.Before, o.After)
		}
	}
}

func TestPassesAreDescribed(t *testing.T) {
	verbNoun := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	rules := map[string]string{}
	for _, p := range passes.All() {
		if !verbNoun.MatchString(p.Name) || p.Doc == "" {
			t.Errorf("pass %q: name or doc", p.Name)
		}
		if p.Run == nil && len(p.Rules) == 0 {
			t.Errorf("pass %s does nothing", p.Name)
		}
		if p.Level < 0 || p.Level > 3 && p.Level != pass.Manual {
			t.Errorf("pass %s: level %d", p.Name, p.Level)
		}
		for _, r := range p.Rules {
			if !verbNoun.MatchString(r.Name) || r.Doc == "" {
				t.Errorf("rule %q of %s: name or doc", r.Name, p.Name)
			}
			if other, ok := rules[r.Name]; ok {
				t.Errorf("rule %s is in %s and %s", r.Name, other, p.Name)
			}
			rules[r.Name] = p.Name
			if r.Make != nil && len(r.Match.Roots()) == 0 {
				t.Errorf("rule %s of %s has no root operator", r.Name, p.Name)
			}
		}
		if !p.Required && len(p.Rules) == 0 {
			t.Errorf("pass %s fires nothing that could be switched off", p.Name)
		}
	}
	for _, name := range passes.Names() {
		if _, ok := rules[name]; ok {
			t.Errorf("%s is a pass and a rule", name)
		}
	}
}

func lookup(name string) (pass.Pass, bool) {
	for _, p := range passes.All() {
		if p.Name == name {
			return p, true
		}
	}
	return pass.Pass{}, false
}

// show prints parsed steps back.
func show(steps []passes.Step) string {
	var out []string
	for _, s := range steps {
		switch {
		case s.Body == nil:
			x := s.Pass.Name
			if m := s.Args["max"]; m != "" {
				x += "{max=" + m + "}"
			}
			out = append(out, x)
		case s.Loop:
			out = append(out, "repeat("+show(s.Body)+")")
		default:
			out = append(out, "("+show(s.Body)+")")
		}
	}
	return strings.Join(out, ",")
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ spec, want, err string }{
		{"", "", ""},
		{"fold", "fold", ""},
		{"fold,fuse-conv-bn{max=3},repeat(dce,cse)", "fold,fuse-conv-bn{max=3},repeat(dce,cse)", ""},
		{" fold , repeat( dce , repeat(cse) ) ", "fold,repeat(dce,repeat(cse))", ""},
		{"clean", "repeat(fold,inline-if,canon,cse,dce)", ""},
		{"canonical", "(order-nodes)", ""},
		{"fuse-conv{max=2}", "fuse-conv-bn{max=2},fuse-conv-scale{max=2},fuse-conv-bias{max=2}", ""},
		{"fodl", "", `pass "fodl" is unknown; did you mean fold?`},
		{"nothing-like-it", "", "(have fold, "},
		{"fold,", "", "have end, want a pass"},
		{"fold)", "", `have ")", want end of the list`},
		{"repeat(fold", "", "have end, want )"},
		{"repeat fold", "", `pass "repeat fold" is unknown`},
		{"repeat", "", "have end, want ("},
		{"fold{max}", "", "want key=value"},
		{"fold{max=1", "", "want }"},
		{"clean{max=1}", "", "stage clean takes no arguments"},
		{strings.Repeat("repeat(", 20), "", "want less nesting"},
	} {
		t.Run(c.spec, func(t *testing.T) {
			steps, err := passes.Parse(c.spec, lookup)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("have error %v, want one that says %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := show(steps); got != c.want {
				t.Errorf("have %s, want %s", got, c.want)
			}
		})
	}
}
