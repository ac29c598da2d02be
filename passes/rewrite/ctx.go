package rewrite

import (
	"context"
	"hash/fnv"
	"io"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Data gives sample inputs, each the parameters of main in order.
type Data func(ctx context.Context) iter.Seq2[[]tensor.Value, error]

// Options are the settings that every pass may read.
type Options struct {
	Level     int   // 0..3
	Size      bool  // -Os: size is the cost
	Fast      bool  // -Ofast: the numerics rule may be left
	FoldBytes int   // largest result that fold computes; 0: DefaultFoldBytes, negative: any
	Fuel      int64 // rewrites allowed in all passes together; 0: any number, negative: none
	Seed      uint64
	Off, Only []string // names of passes and rules switched off, or the only ones on
}

// DefaultFoldBytes is the largest constant that folding makes unasked.
const DefaultFoldBytes = 1 << 20

// FoldLimit is the largest result in bytes that fold may compute, -1 for any.
func (o *Options) FoldLimit() int {
	switch {
	case o.FoldBytes == 0:
		return DefaultFoldBytes
	case o.FoldBytes < 0:
		return -1
	}
	return o.FoldBytes
}

// RemarkKind says what a remark tells of.
type RemarkKind string

// The kinds: something was done, something was refused and why, something was
// found.
const (
	Applied  RemarkKind = "applied"
	Missed   RemarkKind = "missed"
	Analysis RemarkKind = "analysis"
)

// Remark tells the user what a pass did to a node, or why it did not.
type Remark struct {
	Kind   RemarkKind
	Pass   string
	Node   string // Label of the node, "" for the whole module
	Msg    string
	Detail map[string]string
}

// Ctx is what a pass may ask of its driver. One Ctx serves one run of a
// pipeline, on one goroutine.
type Ctx struct {
	Context context.Context
	Ops     *ir.OpSet // the table that rewrites emit from
	Target  string    // target text, "" before one is chosen
	Options Options
	Data    Data        // sample inputs, nil if none were given
	Exec    ir.Executor // runs a module, nil if none was given
	Log     *slog.Logger
	// OnRemark is told each remark as it is made; nil: they are only kept.
	OnRemark func(Remark)

	pass     string
	required bool
	args     map[string]string
	read     map[string]bool // arguments that the pass asked for
	quota    int64           // rewrites left to the pass, -1: any number
	spent    int64
	counts   map[string]int // of the running pass
	total    map[string]int
	last     string
	remarks  []Remark
}

// NewCtx makes a context that emits from ops and discards its log.
func NewCtx(ctx context.Context, ops *ir.OpSet) *Ctx {
	return &Ctx{
		Context: ctx, Ops: ops, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		counts: map[string]int{}, total: map[string]int{}, read: map[string]bool{}, quota: -1,
	}
}

// Begin starts a pass: counts are kept apart for it, and Arg reads args; "max"
// bounds the rewrites of every pass. The rules of a required pass ignore
// switches and fuel. Error (Usage): max is no number.
func (c *Ctx) Begin(pass string, required bool, args map[string]string) error {
	c.pass, c.required, c.args = pass, required, args
	c.counts = map[string]int{}
	c.read = map[string]bool{"max": true}
	c.quota = -1
	if s, ok := args["max"]; ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return &diag.Error{Kind: diag.Usage, Node: "pass " + pass, Port: "max", Have: s, Want: "a number"}
		}
		c.quota = n
	}
	return nil
}

// End closes a pass. Error (Usage): an argument that the pass does not know.
func (c *Ctx) End() error {
	for _, k := range slices.Sorted(maps.Keys(c.args)) {
		if !c.read[k] {
			return &diag.Error{Kind: diag.Usage, Node: "pass " + c.pass, Port: "argument " + k, Have: "one", Want: "none of that name"}
		}
	}
	return nil
}

// Pass is the name of the running pass.
func (c *Ctx) Pass() string { return c.pass }

// Arg is an argument given to the pass in braces ("fuse{max=3}"), "" if none.
func (c *Ctx) Arg(key string) string {
	c.read[key] = true
	return c.args[key]
}

// Rand is a generator that depends on the seed, the options' seed and the
// running pass only.
func (c *Ctx) Rand(seed uint64) *rand.Rand {
	h := fnv.New64a()
	io.WriteString(h, c.pass)
	return rand.New(rand.NewPCG(seed^h.Sum64(), c.Options.Seed))
}

// PassOn says whether a pass that fires these rules may run under -d.
func (c *Ctx) PassOn(pass string, required bool, rules []string) bool {
	o := &c.Options
	if required {
		return true
	}
	if slices.Contains(o.Off, pass) {
		return false
	}
	return len(o.Only) == 0 || slices.Contains(o.Only, pass) ||
		slices.ContainsFunc(rules, func(r string) bool { return slices.Contains(o.Only, r) })
}

// RuleOn says whether a rule of the running pass may fire under -d.
func (c *Ctx) RuleOn(rule string) bool {
	o := &c.Options
	if c.required {
		return true
	}
	if slices.Contains(o.Off, rule) {
		return false
	}
	return len(o.Only) == 0 || slices.Contains(o.Only, c.pass) || slices.Contains(o.Only, rule)
}

// Fire asks for one rewrite of n by the named rule, right before it is made:
// it counts and logs it, and says false where the rule is switched off or
// fuel has run out. Every change of a module is asked for.
func (c *Ctx) Fire(rule string, n *ir.Node) bool {
	if !c.RuleOn(rule) {
		return false
	}
	if !c.required {
		if f := c.Options.Fuel; f < 0 || f > 0 && c.spent >= f {
			return false
		}
		if c.quota == 0 {
			return false
		}
		if c.quota > 0 {
			c.quota--
		}
		c.spent++
	}
	c.counts[rule]++
	c.total[rule]++
	c.last = c.pass + "/" + rule + " at " + n.Label()
	c.Log.LogAttrs(c.Context, slog.LevelDebug, "rewrite",
		slog.String("pass", c.pass), slog.String("rule", rule), slog.String("node", n.Label()), slog.String("op", n.OpName()))
	if c.OnRemark != nil { // told, not kept: there may be thousands
		c.OnRemark(Remark{Kind: Applied, Pass: c.pass, Node: n.Label(), Msg: "rule " + rule + " rewrites " + n.OpName()})
	}
	return true
}

// refund takes back a Fire whose rewrite turned out to be impossible.
func (c *Ctx) refund(rule string) {
	if !c.required {
		c.spent--
		if c.quota >= 0 {
			c.quota++
		}
	}
	c.counts[rule]--
	c.total[rule]--
}

// Count adds n to a statistic of the running pass.
func (c *Ctx) Count(key string, n int) {
	c.counts[key] += n
	c.total[key] += n
}

// Counts are the rewrites and statistics of the running pass.
func (c *Ctx) Counts() map[string]int { return positive(c.counts) }

// Totals are those of all passes since the context was made.
func (c *Ctx) Totals() map[string]int { return positive(c.total) }

func positive(m map[string]int) map[string]int {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(_ string, n int) bool { return n == 0 })
	return out
}

// Fired is how many rewrites consumed fuel so far: the N to give --fuel to
// stop right after the last of them.
func (c *Ctx) Fired() int64 { return c.spent }

// Last names the newest rewrite: "pass/rule at node", "" if there was none.
func (c *Ctx) Last() string { return c.last }

// Remark tells the user something about n (nil: the module). Details are
// pairs of key and value.
func (c *Ctx) Remark(kind RemarkKind, n *ir.Node, msg string, detail ...string) {
	r := Remark{Kind: kind, Pass: c.pass, Msg: msg}
	if n != nil {
		r.Node = n.Label()
	}
	for i := 0; i+1 < len(detail); i += 2 {
		if r.Detail == nil {
			r.Detail = map[string]string{}
		}
		r.Detail[detail[i]] = detail[i+1]
	}
	c.remarks = append(c.remarks, r)
	if c.OnRemark != nil {
		c.OnRemark(r)
	}
}

// Remarks are all remarks so far.
func (c *Ctx) Remarks() []Remark { return c.remarks }
