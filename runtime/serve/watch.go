package serve

import (
	"context"
	"os"
	"time"
)

// fileState is what tells one content of a file from the next without reading
// it. The zero fileState is a missing file.
type fileState struct {
	info os.FileInfo
}

func stat(path string) fileState {
	i, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{i}
}

func (f fileState) there() bool { return f.info != nil }

func (f fileState) same(g fileState) bool {
	if !f.there() || !g.there() {
		return f.there() == g.there()
	}
	return f.info.Size() == g.info.Size() && f.info.ModTime().Equal(g.info.ModTime()) && os.SameFile(f.info, g.info)
}

// watch looks at the files of all models until ctx ends.
func (s *Server) watch(ctx context.Context) {
	if s.o.Poll < 0 {
		return
	}
	t := time.NewTicker(s.o.Poll)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, name := range s.Models() {
			if m := s.model(name); m != nil && ctx.Err() == nil {
				m.look(ctx)
			}
		}
	}
}

// look loads the file if it has changed and has been still for one look, so
// that a file that is being written is not read in the middle. Whatever goes
// wrong, the version that serves goes on serving.
func (m *served) look(ctx context.Context) {
	now := stat(m.path)
	if now.same(m.seen) {
		m.changed = fileState{}
		return
	}
	if !now.there() {
		m.seen = now
		m.s.o.Log.Warn("model file is gone, the loaded version goes on serving", "model", m.name, "file", m.path)
		return
	}
	if !m.changed.there() || !now.same(m.changed) {
		m.changed = now
		return
	}
	t0 := time.Now()
	v, err := m.load(ctx)
	if ctx.Err() != nil {
		if err == nil {
			v.close()
		}
		return
	}
	if after := stat(m.path); !after.same(now) { // torn: another look will come
		if err == nil {
			v.close()
		}
		m.changed = after
		return
	}
	m.seen, m.changed = now, fileState{}
	if err != nil {
		m.loadErrors.Add(1)
		m.s.o.Log.Error("model file not loaded, the version before goes on serving", "model", m.name, "file", m.path, "error", err)
		return
	}
	m.swap(v)
	m.s.o.Log.Info("model replaced", "model", m.name, "version", v.id, "file", m.path, "took", time.Since(t0).Round(time.Millisecond))
}
