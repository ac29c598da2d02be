package cli

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/quant"
)

// calibForms is what --calib takes. Folders and npz files are read a batch at a
// time, so that what calibration needs does not grow with them.
const calibForms = "a folder of test_data_set_*, npz:FILE, random:N, FILE.csv[?target=NAME&...], idx:IMAGES,LABELS"

// bindFlags reads --dim and --shape.
func bindFlags(o *codegen.Options, dims, shapes []string) error {
	for _, s := range dims {
		d, err := bindshape.ParseDim(s)
		if err != nil {
			return err
		}
		o.Bind.Dims = append(o.Bind.Dims, d)
	}
	for _, s := range shapes {
		d, err := bindshape.ParseShape(s)
		if err != nil {
			return err
		}
		o.Bind.Shapes = append(o.Bind.Shapes, d)
	}
	return nil
}

func quantLine(out string, size int64, values int, worst quant.Layer, took time.Duration) string {
	return fmt.Sprintf("%s: %s, %d values quantized, worst SQNR %v dB at %s (cosine %.4f), %.2f s", out, bytesText(size), values, worst.SQNR, worst.Node, worst.Cosine, took.Seconds())
}

// openSamples reads calibration data for a model with these inputs, at most
// limit samples (0: all).
func openSamples(spec string, in []conform.Port, batch, limit int) (quant.Samples, error) {
	if limit <= 0 {
		limit = math.MaxInt
	}
	kind, rest, has := strings.Cut(spec, ":")
	switch {
	case has && kind == "random":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 {
			return nil, usage("data %q: want random:N with N at least 1", spec)
		}
		return &randomSamples{in: in, left: min(n, limit), batch: batch}, nil
	case has && kind == "npz":
		return openNPZSamples(rest, in, batch, limit)
	}
	if st, err := os.Stat(spec); err != nil || !st.IsDir() {
		return openDataSamples(spec, in, batch, limit)
	}
	names, err := fs.Glob(os.DirFS(spec), "test_data_set_*") // spec itself is no pattern
	if err != nil {
		return nil, diag.In(spec, diag.BadData, err)
	}
	var dirs []string
	for _, n := range names {
		dirs = append(dirs, filepath.Join(spec, n))
	}
	slices.SortFunc(dirs, func(a, b string) int { return setNumber(a) - setNumber(b) })
	if len(dirs) == 0 {
		return nil, diag.In(spec, diag.BadData, fmt.Errorf("holds no test_data_set_*"))
	}
	return &setSamples{dirs: dirs[:min(limit, len(dirs))], in: in}, nil
}

// countedSamples show how many runs were asked for.
type countedSamples struct {
	quant.Samples
	stage string
	bar   *progress
	n     int
}

// counted is openSamples with its progress shown.
func (a *app) counted(stage, spec string, in []conform.Port, batch, limit int) (quant.Samples, error) {
	s, err := openSamples(spec, in, batch, limit)
	if err != nil {
		return nil, err
	}
	c := &countedSamples{Samples: s, stage: stage, bar: a.newProgress()}
	if n, ok := s.(sampleNamer); ok {
		return struct {
			*countedSamples
			sampleNamer
		}{c, n}, nil
	}
	return c, nil
}

// sampleNamer is what quant asks Samples for where one sample is at fault.
type sampleNamer interface{ Sample(k int) string }

func (s *countedSamples) Next() ([]tensor.Value, string, error) {
	in, where, err := s.Samples.Next()
	if err != nil {
		s.bar.done()
		return in, where, err
	}
	s.bar.count(s.stage, "runs", s.n, 0)
	s.n++
	return in, where, nil
}

func (s *countedSamples) Close() error {
	s.bar.done()
	if c, ok := s.Samples.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func setNumber(dir string) int {
	n, _ := strconv.Atoi(dir[strings.LastIndexByte(dir, '_')+1:]) // 0 where it is none
	return n
}

// rowsOf is how many samples a run of the model takes: its batch, or batch
// where that is open.
func rowsOf(p conform.Port, batch int) int {
	if p.Type.Ranked() && len(p.Type.Dims) > 0 {
		if n, ok := p.Type.Dims[0].Const(); ok {
			return int(n)
		}
	}
	return batch
}

// setSamples reads recorded inputs, one set a run.
type setSamples struct {
	dirs []string
	in   []conform.Port
}

func (s *setSamples) Next() ([]tensor.Value, string, error) {
	if len(s.dirs) == 0 {
		return nil, "", io.EOF
	}
	dir := s.dirs[0]
	s.dirs = s.dirs[1:]
	set, err := conform.ReadSet(os.DirFS(dir), ".")
	if err != nil {
		return nil, "", diag.In(dir, diag.BadData, err)
	}
	vals, n, err := conform.Bind(set.Inputs, s.in)
	if err != nil {
		return nil, "", diag.In(dir, diag.BadData, err)
	}
	if n != len(s.in) || len(vals) != len(s.in) {
		return nil, "", diag.In(dir, diag.BadData, fmt.Errorf("have %d inputs, want %d", n, len(s.in)))
	}
	return vals, dir, nil
}

// randomSamples are what tensor.Random gives, a seed for each run.
type randomSamples struct {
	in          []conform.Port
	left, batch int
	seed        uint64
}

func (s *randomSamples) Next() ([]tensor.Value, string, error) {
	if s.left <= 0 {
		return nil, "", io.EOF
	}
	n := 1
	if len(s.in) > 0 {
		n = rowsOf(s.in[0], min(s.batch, s.left))
	}
	vals := make([]tensor.Value, len(s.in))
	for i, p := range s.in {
		if !p.Type.IsTensor() || !p.Type.Ranked() {
			return nil, "", usage("input %q of type %v has no random values", p.Name, p.Type)
		}
		dims, err := sampleDims(p, n)
		if err != nil {
			return nil, "", err
		}
		t, err := tensor.Random(p.Type.DType, s.seed<<8+uint64(i), dims...)
		if err != nil {
			return nil, "", err
		}
		vals[i] = tensor.V(t)
	}
	where := fmt.Sprintf("random run %d", s.seed)
	s.seed++
	s.left -= max(n, 1)
	return vals, where, nil
}

// sampleDims are an input's extents for n samples; open ones are 1.
func sampleDims(p conform.Port, n int) ([]int, error) {
	dims, err := concrete(p.Type, nil)
	if err != nil {
		return nil, err
	}
	if len(dims) > 0 {
		if _, ok := p.Type.Dims[0].Const(); !ok {
			dims[0] = n
		}
	}
	return dims, nil
}

// npzSamples reads arrays along their first axes: one for each input, by name,
// or the only one for the only input.
type npzSamples struct {
	file  string
	in    []conform.Port
	rows  []*tensor.NPYRows
	close []io.Closer
	batch int
	left  int
	at    int // samples read
	first int // of the latest run
}

func openNPZSamples(file string, in []conform.Port, batch, limit int) (quant.Samples, error) {
	if len(in) == 0 {
		return nil, diag.In(file, diag.Usage, errors.New("the model has no inputs to read it for"))
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, diag.In(file, diag.BadData, err)
	}
	s := &npzSamples{file: file, in: in, batch: batch, left: limit, close: []io.Closer{z}}
	for _, p := range in {
		e := pickArray(z.File, p.Name, len(in) == 1)
		if e == nil {
			s.Close()
			return nil, diag.In(file, diag.BadData, fmt.Errorf("no array %q (an array for each input)", p.Name))
		}
		r, err := e.Open()
		if err != nil {
			s.Close()
			return nil, diag.In(file, diag.BadData, err)
		}
		s.close = append(s.close, r)
		rows, err := tensor.NewNPYRows(r)
		if err == nil {
			err = fitsPort(rows, p)
		}
		if err != nil {
			s.Close()
			return nil, diag.In(file, diag.BadData, fmt.Errorf("array %q: %w", strings.TrimSuffix(e.Name, ".npy"), err))
		}
		s.rows = append(s.rows, rows)
		s.left = min(s.left, rows.Dims()[0])
	}
	if s.left == 0 {
		s.Close()
		return nil, diag.In(file, diag.BadData, errors.New("the data set is empty"))
	}
	return s, nil
}

// pickArray finds the array of a name; the only one will do for an only input.
func pickArray(files []*zip.File, name string, only bool) *zip.File {
	for _, e := range files {
		if strings.TrimSuffix(e.Name, ".npy") == name {
			return e
		}
	}
	if only && len(files) == 1 {
		return files[0]
	}
	return nil
}

// fitsPort compares an array with an input, its first axis aside.
func fitsPort(r *tensor.NPYRows, p conform.Port) error {
	ok := p.Type.DType == r.DType() && (!p.Type.Ranked() || p.Type.Rank() == len(r.Dims()))
	for i, d := range p.Type.Dims {
		if n, known := d.Const(); ok && i > 0 && known && int(n) != r.Dims()[i] {
			ok = false
		}
	}
	if !ok {
		return &diag.Error{Kind: diag.BadData, Port: "samples", Have: fmt.Sprintf("%v%v", r.DType(), r.Dims()), Want: p.Type.String()}
	}
	return nil
}

// Close lets go of the file.
func (s *npzSamples) Close() error {
	for _, c := range slices.Backward(s.close) {
		c.Close()
	}
	s.close = nil
	return nil
}

func (s *npzSamples) Next() ([]tensor.Value, string, error) {
	n := s.batch
	for _, p := range s.in {
		n = rowsOf(p, n)
	}
	if n = min(n, s.left); n == 0 || s.left < rowsOf(s.in[0], 1) {
		return nil, "", io.EOF // samples that do not fill a fixed batch are left out
	}
	vals := make([]tensor.Value, len(s.in))
	for i, r := range s.rows {
		t, err := r.Next(n)
		if err != nil {
			return nil, "", diag.In(s.file, diag.BadData, err)
		}
		vals[i] = tensor.V(t)
	}
	where := fmt.Sprintf("%s: samples from %d on", s.file, s.at)
	s.first = s.at
	s.at += n
	s.left -= n
	return vals, where, nil
}

// Sample names a sample of the latest run.
func (s *npzSamples) Sample(k int) string { return fmt.Sprintf("%s: row %d", s.file, s.first+k) }
