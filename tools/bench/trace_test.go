package bench

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// A trace is what many comparisons of a thing with itself measured.
type trace struct {
	Model   string     `json:"model"`
	Threads int        `json:"threads"`
	Machine string     `json:"machine"` // what else was going on
	Unit    float64    `json:"unit_ms"` // of the numbers stored
	Runs    [][]Series `json:"-"`       // of each comparison both series
}

// write stores t: gzip of a line of JSON, then of unsigned varints. Where CPU
// time counts, wall times of single runs are left out.
func (t *trace) write(file string) error {
	least := math.Inf(1)
	for _, both := range t.Runs {
		for _, s := range both {
			wall, cpu := s.Costs(1)
			least = min(least, slices.Min(append(cpu, wall...)))
		}
	}
	t.Unit = least / 4096
	var raw []byte
	head, err := json.Marshal(t)
	if err != nil {
		return err
	}
	raw = append(append(raw, head...), '\n')
	num := func(n int) { raw = binary.AppendUvarint(raw, uint64(n)) }
	times := func(v []float64) {
		num(len(v))
		for _, x := range v {
			num(int(math.Round(x / t.Unit)))
		}
	}
	num(len(t.Runs))
	for _, both := range t.Runs {
		for _, s := range both {
			num(len(s))
			for _, b := range s {
				num(len(b))
				for _, u := range b {
					if u.CPU != nil {
						times(nil)
					} else {
						times(u.Times)
					}
					times(u.CPU)
				}
			}
		}
	}
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, z.Bytes(), 0o644)
}

// readTrace reads what write wrote.
func readTrace(file string) (*trace, error) {
	z, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	g, err := gzip.NewReader(bytes.NewReader(z))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(g)
	if err != nil {
		return nil, err
	}
	head, body, ok := bytes.Cut(raw, []byte("\n"))
	if !ok {
		return nil, fmt.Errorf("%s: no header", file)
	}
	t := &trace{}
	if err := json.Unmarshal(head, t); err != nil {
		return nil, err
	}
	r := bytes.NewReader(body)
	num := func() int {
		n, e := binary.ReadUvarint(r)
		if e != nil {
			err = e
		}
		return int(n)
	}
	times := func() []float64 {
		n := num()
		if n == 0 || n > r.Len() {
			return nil
		}
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(num()) * t.Unit
		}
		return v
	}
	for range num() {
		both := make([]Series, 2)
		for k := range both {
			for range num() {
				var b Block
				for range num() {
					b = append(b, Turn{Times: times(), CPU: times()})
				}
				both[k] = append(both[k], b)
			}
		}
		t.Runs = append(t.Runs, both)
	}
	if err != nil || r.Len() != 0 {
		return nil, fmt.Errorf("%s: %v, %d bytes left", file, err, r.Len())
	}
	return t, nil
}
