package onnx

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/mlc-go/mlc/ir/diag"
)

// sources holds what the payloads of one model are read from.
type sources struct {
	folder func() (fs.FS, error) // of the model; nil if there is none

	mu     sync.Mutex
	fsys   fs.FS
	files  map[string]*outside // by location
	undo   []func() error
	closed bool
}

// outside is one file of external data. Where it cannot be mapped it is opened
// for each read: models exist with a file per tensor.
type outside struct {
	name string // inside fsys, links resolved
	size int64
	data []byte // the mapping, if any
	err  error
}

// close gives mappings and handles back.
func (s *sources) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.undo {
		errs = append(errs, f())
	}
	s.undo, s.closed = nil, true
	return errors.Join(errs...)
}

// open gives the file at a location, opened at most once; faults are kept too.
func (s *sources) open(location string) (*outside, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[location]; f != nil {
		return f, f.err
	}
	if s.files == nil {
		s.files = map[string]*outside{}
	}
	f := &outside{}
	f.err = s.find(f, location)
	s.files[location] = f
	return f, f.err
}

func (s *sources) find(f *outside, location string) error {
	if s.fsys == nil {
		fsys, err := s.folder()
		if err != nil {
			return plainError(err)
		}
		s.fsys = fsys
	}
	name, err := within(s.fsys, location)
	if err != nil {
		return plainError(err)
	}
	st, err := fs.Stat(s.fsys, name)
	if err != nil {
		return plainError(err)
	}
	if !st.Mode().IsRegular() {
		return errors.New("not a regular file") // a pipe would hang
	}
	f.name, f.size = name, st.Size()
	file, err := s.fsys.Open(name)
	if err != nil {
		return plainError(err)
	}
	defer file.Close()
	if o, ok := file.(*os.File); ok && f.size > 0 && f.size <= math.MaxInt {
		if data, undo, err := mapFile(o, int(f.size)); err == nil {
			f.data = data
			s.undo = append(s.undo, undo)
		}
	}
	return nil
}

// within gives the name in fsys that location stands for after links, none of
// which may lead out of fsys. A folder opened as os.Root checks that itself
// and without a race; os.DirFS and others do not.
func within(fsys fs.FS, location string) (string, error) {
	todo, done := strings.Split(path.Clean(location), "/"), "."
	for hops := 0; len(todo) > 0; {
		next := path.Join(done, todo[0])
		todo = todo[1:]
		st, err := fs.Lstat(fsys, next)
		if err != nil {
			return "", err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if hops++; hops > 32 {
			return "", errors.New("too many symbolic links")
		}
		target, err := fs.ReadLink(fsys, next)
		if err != nil {
			return "", err
		}
		full := path.Join(done, target)
		if path.IsAbs(target) || !fs.ValidPath(full) || unsafeName(target) {
			return "", errors.New("symbolic link leads out of the model's folder")
		}
		todo, done = append(strings.Split(full, "/"), todo...), "."
	}
	return done, nil
}

// unsafeName finds what some system takes for a separator, a drive or an end.
func unsafeName(s string) bool {
	return strings.ContainsAny(s, "\\\x00") || len(s) > 1 && s[1] == ':'
}

// checkLocation refuses every name that is not plainly inside the folder, in
// the same way on every system.
func checkLocation(s string) error {
	switch {
	case s == "":
		return errors.New("no location")
	case path.IsAbs(s) || len(s) > 1 && s[1] == ':':
		return errors.New("absolute path: external data must be in the model's folder")
	case unsafeName(s):
		return errors.New("backslash or zero byte in the path of external data")
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return errors.New("path with \"..\": external data must be in the model's folder")
		}
	}
	if !fs.ValidPath(path.Clean(s)) {
		return errors.New("no valid path")
	}
	return nil
}

// plainError drops the call and the path that the standard library adds: both
// are ours, and the fault names the location already.
func plainError(err error) error {
	var p *fs.PathError
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// externalEntry reads one key and value of external_data.
func (t *RawTensor) externalEntry(p *reader) error {
	if t.External == nil {
		t.External = &External{Length: -1}
	}
	x := t.External
	var key, value string
	r := reader{s: p.f.child, msg: p.val, off: p.at}
	for {
		ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if len(r.val) > maxName {
			return diag.New(diag.Limit, "external_data at byte %d is %d bytes long (limit %d)", r.at, len(r.val), maxName)
		}
		switch r.num {
		case entryKey:
			key = string(r.val)
		case entryValue:
			value = string(r.val)
		}
	}
	var err error
	switch key { // checksum and keys of producers' own say nothing about where
	case "location":
		x.Location = value
	case "offset":
		x.Offset, err = strconv.ParseInt(value, 10, 64)
	case "length":
		x.Length, err = strconv.ParseInt(value, 10, 64)
	}
	if (err != nil || key == "length" && x.Length < 0 || x.Offset < 0) && x.bad == "" {
		x.bad = key + " " + strconv.Quote(value)
	}
	return nil
}

// checkExternal finds the file and compares sizes.
func (t *RawTensor) checkExternal(size int64, s storage) *diag.Error {
	x := t.External
	switch {
	case t.typed != 0 || len(t.Raw) > 0:
		return t.fault(diag.BadModel, "data", "external data and a payload in the message", "one of them")
	case x == nil:
		return t.fault(diag.BadModel, "data", "an external location, but no external_data", "")
	case s.field == tensorStrings:
		return t.fault(diag.BadModel, "data", "external data", "string_data for str")
	case x.bad != "":
		return t.fault(diag.BadModel, "external data", x.bad, "a number of bytes")
	}
	e := &diag.Error{Kind: diag.BadModel, Port: printable(x.Location) + " at " + itoa64(x.Offset)}
	if err := checkLocation(x.Location); err != nil {
		e.Err = err
		return t.locate(e)
	}
	if x.Length >= 0 && x.Length != size {
		e.Have, e.Want = itoa64(x.Length)+" bytes", itoa64(size)
		return t.locate(e)
	}
	if t.src == nil || t.src.folder == nil {
		e.Err = errors.New("no folder to read external data from")
		return t.locate(e)
	}
	f, err := t.src.open(x.Location)
	if err != nil {
		e.Err = err
		return t.locate(e)
	}
	if left := max(f.size-x.Offset, 0); left < size {
		e.Have, e.Want = itoa64(left)+" bytes", itoa64(size)
		return t.locate(e)
	}
	return nil
}

// printable quotes a location that would not read as one word.
func printable(s string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != s || s == "" || strings.Contains(s, " ") {
		return q
	}
	return s
}

// read gives the payload of an external tensor that check has passed.
func (s *sources) read(t *RawTensor, size int64) ([]byte, *diag.Error) {
	x := t.External
	f, err := s.open(x.Location)
	if err == nil && f.data != nil {
		return f.data[x.Offset : x.Offset+size : x.Offset+size], nil
	}
	var b []byte
	if err == nil {
		b, err = readRange(s.fsys, f.name, x.Offset, size)
	}
	if err != nil {
		return nil, t.locate(&diag.Error{
			Kind: diag.BadModel, Port: printable(x.Location) + " at " + itoa64(x.Offset), Err: plainError(err),
		})
	}
	return b, nil
}

func readRange(fsys fs.FS, name string, off, size int64) ([]byte, error) {
	if size > math.MaxInt {
		return nil, errors.New("too large for this system")
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, size) // check has seen a file at least as large
	if at, ok := file.(io.ReaderAt); ok {
		if n, err := at.ReadAt(b, off); n < len(b) {
			return nil, err
		}
		return b, nil
	}
	if _, err := io.CopyN(io.Discard, file, off); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(file, b)
	return b, err
}
