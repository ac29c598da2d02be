package serve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// served is a name and the version that answers for it.
type served struct {
	s    *Server
	name string
	path string
	counters
	loads, loadErrors atomic.Uint64

	mu   sync.Mutex
	cur  *version
	last int  // number of the newest version
	gone bool // closed: nothing is served under this name again

	// of the watcher alone
	seen    fileState // what was last loaded or refused
	changed fileState // what was there at the last look, if not that
}

// version is one loaded state of a model's file.
type version struct {
	id      string
	m       *runtime.Model
	inputs  []runtime.Info
	outputs []runtime.Info
	index   map[string]int // input name to place
	opts    []runtime.SessionOption
	busy    sync.WaitGroup // requests; Add under served.mu only
	task    *task.Model    // what it does with pictures; nil: nothing, because of
	noTask  error

	mu   sync.Mutex
	idle []*runtime.Session
}

// acquire gives the current version, which stays open until release; nil when
// the model is gone.
func (m *served) acquire() *version {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cur != nil {
		m.cur.busy.Add(1)
	}
	return m.cur
}

// current is the number of the newest version, and whether it can answer.
func (m *served) current() (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.cur != nil
}

func (v *version) release() { v.busy.Done() }

// load reads and warms up the file; nothing that serves is touched.
func (m *served) load(ctx context.Context) (v *version, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = diag.In(m.path, diag.Internal, fmt.Errorf("%v", r))
		}
	}()
	if st := stat(m.path); st.there() && !st.info.Mode().IsRegular() && !st.info.IsDir() {
		// Reading a pipe or a device may never end, and with it the watch and Serve.
		return nil, &diag.Error{Kind: diag.BadModel, File: m.path, Have: "a file of mode " + st.info.Mode().Type().String(), Want: "a regular file or a folder"}
	}
	x, err := m.s.o.Load(ctx, m.path)
	if err != nil {
		return nil, err
	}
	v = &version{m: x, inputs: x.Inputs(), outputs: x.Outputs(), index: map[string]int{},
		opts: []runtime.SessionOption{runtime.Threads(m.s.o.Threads), runtime.MemoryLimit(m.s.o.MemoryLimit)}}
	if err := v.check(); err != nil {
		x.Close()
		return nil, diag.In(m.path, diag.Unsupported, err)
	}
	if err := v.findTask(); err != nil {
		x.Close()
		return nil, diag.In(m.path, diag.BadModel, err)
	}
	if err := v.warmUp(ctx, m.s.o.MaxElems); err != nil {
		v.close()
		return nil, diag.In(m.path, diag.BadModel, err)
	}
	return v, nil
}

// check finds what the protocol cannot express.
func (v *version) check() error {
	for i, in := range v.inputs {
		v.index[in.Name] = i
	}
	for _, port := range []struct {
		what string
		list []runtime.Info
	}{{"input", v.inputs}, {"output", v.outputs}} {
		for _, x := range port.list {
			if !x.Type.IsTensor() || datatypeOf(x.Type.DType) == "" {
				return &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("%s %q", port.what, x.Name), Have: x.Type.String(), Want: "a tensor of " + datatypeNames()}
			}
		}
	}
	return nil
}

// warmUp runs once on zeros, so that the first request finds memory and pages
// in place. Where extents are open it takes 1; a model that does not like that
// guess is none the worse for it. Inputs of more than most elements are too large
// for any request, too.
func (v *version) warmUp(ctx context.Context, most int) error {
	s, err := v.session()
	if err != nil {
		return err
	}
	guessed := false
	for _, in := range v.inputs {
		dims := make([]int, len(in.Type.Dims))
		guessed = guessed || in.Type.Unranked
		for i, d := range in.Type.Dims {
			n, ok := d.Const()
			if !ok {
				guessed, n = true, 1
			}
			dims[i] = int(n)
		}
		n, ok := tensor.Count(dims)
		if !ok || n > most {
			s.Close()
			return diag.New(diag.Limit, "input %q is %v: more than the %d elements that a request may have", in.Name, in.Type, most)
		}
		most -= n
		if err := s.Bind(in.Name, tensor.New(in.Type.DType, dims...)); err != nil {
			s.Close()
			return err
		}
	}
	if err := s.Run(ctx); err != nil && (!guessed || ctx.Err() != nil || diag.KindOf(err) == diag.Internal) {
		s.Close()
		return fmt.Errorf("warm-up: %w", err)
	}
	if err := v.warmUpTask(ctx, s); err != nil {
		s.Close()
		return fmt.Errorf("warm-up on a picture: %w", err)
	}
	v.put(s)
	return nil
}

// session gives an idle session or a new one. What was bound before stays
// bound: the caller binds every input.
func (v *version) session() (*runtime.Session, error) {
	v.mu.Lock()
	if n := len(v.idle); n > 0 {
		s := v.idle[n-1]
		v.idle = v.idle[:n-1]
		v.mu.Unlock()
		return s, nil
	}
	v.mu.Unlock()
	return v.m.NewSession(v.opts...)
}

// put gives a session back with its states at their initial values: requests
// do not see each other.
func (v *version) put(s *runtime.Session) {
	s.Reset()
	v.mu.Lock()
	v.idle = append(v.idle, s)
	v.mu.Unlock()
}

// close frees a version that nobody can acquire any more, after its last
// request.
func (v *version) close() {
	v.busy.Wait()
	for _, s := range v.idle {
		s.Close()
	}
	v.m.Close()
}

// swap makes v the version that answers; the one before is freed when its
// last request is done. Where the server has closed meanwhile, that is v.
func (m *served) swap(v *version) {
	m.mu.Lock()
	if m.gone {
		m.mu.Unlock()
		v.close()
		return
	}
	m.last++
	v.id = strconv.Itoa(m.last)
	old := m.cur
	m.cur = v
	m.mu.Unlock()
	m.loads.Add(1)
	if old != nil {
		go old.close()
	}
}

func (m *served) close() {
	m.mu.Lock()
	old := m.cur
	m.cur, m.gone = nil, true
	m.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// runOn has run use a session of v, whose outputs are valid until it returns, and
// which it leaves as the next request may have it.
func (v *version) runOn(ctx context.Context, run func(*runtime.Session) error) error {
	s, err := v.session()
	if err != nil {
		return err
	}
	healthy := false
	defer func() {
		if healthy {
			v.put(s)
		} else {
			s.Close()
		}
	}()
	err = run(s)
	var answer *statusError
	healthy = err == nil || diag.KindOf(err) != diag.Internal || errors.Is(err, ctx.Err()) || errors.As(err, &answer)
	return err
}
