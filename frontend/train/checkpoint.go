package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// A checkpoint is the magic, the length of a JSON header in 8 bytes (little
// endian), the header, the bytes of the tensors it lists one after the other,
// and the SHA-256 of all that.
const magic = "mlc-train checkpoint 1\n"

// header is the JSON of a checkpoint.
type header struct {
	Config string        `json:"config"` // digest of what decides the numbers
	Run    progress      `json:"run"`
	States []savedTensor `json:"states"`
	Best   []savedTensor `json:"best,omitempty"`
}

type savedTensor struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Dims  []int  `json:"dims"`
}

// digest covers what must not change between the parts of a run: what decides
// the numbers, the data, and what the step computes beside its states,
// preprocessing included.
func (f *fit) digest() (string, error) {
	c := f.c
	h := sha256.New()
	fmt.Fprintln(h, c.Loss, c.Optimizer, c.LR, *c.Momentum, c.Beta1, c.Beta2, c.Epsilon, c.Decay, c.ClipNorm, c.Schedule, c.Warmup,
		c.Batch, c.Seed, c.Output, c.Label, c.Patience, c.MinDelta, c.BestFrom, c.Recipe)
	if c.Schedule != Constant {
		fmt.Fprintln(h, c.Epochs)
	}
	if c.Augment != nil {
		fmt.Fprintln(h, c.Augment.String())
	}
	fmt.Fprintln(h, c.RangeRate, c.RangeSteps)
	for _, s := range f.module.States {
		fmt.Fprintln(h, s.Name, s.Type)
	}
	sets := []data.Dataset{f.loader.Dataset()}
	if f.val != nil {
		sets = append(sets, f.val.loader.Dataset())
	}
	for _, d := range sets {
		if err := data.Digest(h, d); err != nil {
			return "", err
		}
	}
	err := ir.Fingerprint(h, f.module.Main())
	return hex.EncodeToString(h.Sum(nil)), err
}

// save writes the checkpoint, if there is to be one: to a file beside it that
// then takes its name, so that it is there whole whenever the run ends.
func (f *fit) save() error {
	if f.c.Checkpoint == "" {
		return nil
	}
	h := header{Config: f.config, Run: f.progress}
	var body [][]byte
	for _, n := range f.names {
		v, err := f.x.State(n)
		if err != nil {
			return err
		}
		h.States = append(h.States, savedTensor{n, v.Tensor.DType().String(), v.Tensor.Dims()})
		body = append(body, v.Tensor.Bytes())
	}
	if f.best != nil {
		for _, n := range f.names {
			t := f.best[n]
			h.Best = append(h.Best, savedTensor{n, t.DType().String(), t.Dims()})
			body = append(body, t.Bytes())
		}
	}
	j, err := json.Marshal(h)
	if err != nil {
		return &diag.Error{Kind: diag.Internal, File: f.c.Checkpoint, Err: err}
	}
	var b bytes.Buffer
	b.WriteString(magic)
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(j))))
	b.Write(j)
	for _, x := range body {
		b.Write(x)
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	if err := replaceFile(f.c.Checkpoint, b.Bytes()); err != nil {
		return &diag.Error{Kind: diag.Usage, File: f.c.Checkpoint, Err: err}
	}
	f.owned = true
	return nil
}

// replaceFile puts b in the place of a file in one step. What a killed run has
// left of its last attempt is written over.
func replaceFile(name string, b []byte) (err error) {
	t, err := os.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(t.Name())
		}
	}()
	if _, err = t.Write(b); err == nil {
		err = t.Sync()
	}
	if e := t.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(t.Name(), name)
	}
	return err
}

// resume takes up the checkpoint, where Config asks for it and one is there.
func (f *fit) resume() error {
	if !f.c.Resume {
		return nil
	}
	b, err := os.ReadFile(f.c.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &diag.Error{Kind: diag.Usage, File: f.c.Checkpoint, Err: err}
	}
	if err := f.load(b); err != nil {
		return diag.In(f.c.Checkpoint, diag.BadData, err)
	}
	f.resumed, f.owned = true, true
	return nil
}

func (f *fit) load(b []byte) error {
	bad := diag.New(diag.BadData, "not a checkpoint, or damaged")
	body, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(body) < 8+sha256.Size {
		return bad
	}
	if sum := sha256.Sum256(b[:len(b)-sha256.Size]); !bytes.Equal(sum[:], b[len(b)-sha256.Size:]) {
		return bad
	}
	n := binary.LittleEndian.Uint64(body)
	body = body[8 : len(body)-sha256.Size]
	if n > uint64(len(body)) {
		return bad
	}
	var h header
	if err := json.Unmarshal(body[:n], &h); err != nil {
		return diag.New(diag.BadData, "header: %v", err)
	}
	body = body[n:]
	if h.Config != f.config {
		return diag.New(diag.Usage, "it belongs to a run with another configuration, model or data")
	}
	if !h.Run.holds(f.loader.Steps()) || !slices.Equal(stateNames(h.States), f.names) || len(h.Best) > 0 && !slices.Equal(stateNames(h.Best), f.names) {
		return bad
	}
	take := func(s savedTensor) (tensor.Tensor, error) {
		d, ok := dtype.Parse(s.DType)
		count, fine := tensor.Count(s.Dims)
		if !ok || !fine || d.Bytes(count) > len(body) {
			return tensor.Tensor{}, bad
		}
		t, err := tensor.FromBytes(d, s.Dims, append(tensor.AlignedBytes(d.Bytes(count))[:0], body[:d.Bytes(count)]...))
		body = body[d.Bytes(count):]
		return t, err
	}
	for _, s := range h.States {
		t, err := take(s)
		if err == nil {
			err = f.x.SetState(s.Name, tensor.V(t))
		}
		if err != nil {
			return err
		}
	}
	f.progress = h.Run
	for _, s := range h.Best {
		t, err := take(s)
		if err != nil {
			return err
		}
		if f.best == nil {
			f.best = map[string]tensor.Tensor{}
		}
		f.best[s.Name] = t
	}
	return nil
}

// holds says whether p can be where a run with so many steps an epoch is.
func (p *progress) holds(steps int) bool {
	return p.Epoch >= 0 && p.Step >= 0 && p.Step <= steps && p.Samples >= 0 && len(p.History) == p.Epoch && p.Best >= 0 && p.Best <= p.Epoch
}

func stateNames(ts []savedTensor) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.Name)
	}
	return out
}
