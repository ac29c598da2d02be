package ptx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// Options are what a module is written for.
type Options struct {
	SM int // compute capability in tenths, one of Targets: .target sm_75
}

// Module is one PTX text: kernels in the order in which they were added.
type Module struct {
	opt     Options
	names   []string
	bodies  map[string]string // by name
	byBody  map[string]string // the name, by base name and text
	pending map[*Kernel]bool
	err     error
}

// version is the first version of PTX that has what the package writes and the
// target, "" where there is no such target. The older it is, the more drivers
// take the text.
func version(sm int) string {
	switch sm {
	case 75, 80:
		return "7.0"
	case 86:
		return "7.1"
	case 87:
		return "7.4"
	case 89, 90:
		return "7.8"
	case 100:
		return "8.6"
	case 120:
		return "8.7"
	}
	return ""
}

// Targets are the compute capabilities that modules can be written for. A text
// runs on each device that has its own or more.
func Targets() []int { return []int{75, 80, 86, 87, 89, 90, 100, 120} }

// NewModule begins a module.
func NewModule(opt Options) *Module {
	m := &Module{opt: opt, bodies: map[string]string{}, byBody: map[string]string{}, pending: map[*Kernel]bool{}}
	if version(opt.SM) == "" {
		m.fail(&diag.Error{Kind: diag.Usage, Port: "compute capability", Have: fmt.Sprintf("sm_%d", opt.SM), Want: "sm_" + strings.Trim(strings.ReplaceAll(fmt.Sprint(Targets()), " ", ", sm_"), "[]")})
	}
	return m
}

// SM is the compute capability that the module is written for.
func (m *Module) SM() int { return m.opt.SM }

func (m *Module) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// Entry begins a kernel; base, a lower-case identifier, is the first part of
// its name. The kernel belongs to the module once it is added.
func (m *Module) Entry(base string) *Kernel {
	k := &Kernel{m: m, base: base, open: []bool{true}, scopes: []int32{0}, known: map[string]uint32{}, idents: map[string]bool{}}
	if !identifier(base) {
		k.fail("name %q is no lower-case identifier", base)
	}
	m.pending[k] = true
	return k
}

// Add ends a kernel and returns its name: base_ and the first digits of the
// hash of its text, so that kernels of equal base and text are one, and a
// kernel has the same name in every module.
func (m *Module) Add(k *Kernel) string {
	if k.m != m {
		m.fail(diag.New(diag.Internal, "kernel %s is of another module", k.base))
		return ""
	}
	delete(m.pending, k)
	if k.err != nil {
		m.fail(k.err)
		return k.base
	}
	if k.done == "" {
		k.ins("ret")
		k.done = k.text()
	}
	key := k.base + k.done
	if name, ok := m.byBody[key]; ok {
		return name
	}
	sum := sha256.Sum256([]byte(key))
	digits := hex.EncodeToString(sum[:])
	n := 8
	name := k.base + "_" + digits[:n]
	for m.bodies[name] != "" {
		n++
		name = k.base + "_" + digits[:n]
	}
	m.names = append(m.names, name)
	m.bodies[name] = k.done
	m.byBody[key] = name
	return name
}

// Names are the kernels' names, in the order in which they were added.
func (m *Module) Names() []string { return append([]string(nil), m.names...) }

// Text is the module's PTX, or the first fault of its kernels. A kernel that was
// begun and not added is one.
func (m *Module) Text() (string, error) {
	if m.err != nil {
		return "", m.err
	}
	if len(m.pending) > 0 {
		return "", diag.New(diag.Internal, "%d kernels of the module were not added", len(m.pending))
	}
	var b strings.Builder
	fmt.Fprintf(&b, ".version %s\n.target sm_%d\n.address_size 64\n", version(m.opt.SM), m.opt.SM)
	for _, name := range m.names {
		fmt.Fprintf(&b, "\n.visible .entry %s(%s", name, m.bodies[name])
	}
	return b.String(), nil
}

// identifier says whether s can be part of a name.
func identifier(s string) bool {
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c == '_' || c >= '0' && c <= '9')) {
			return false
		}
	}
	return s != ""
}
