package artifact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Version is the format version that this package writes and reads.
const Version = 2

const (
	magic      = "\x7fMLC\r\n\x1a\n"
	headerSize = 64
	align      = 64
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// Entry is one line of a recipe.
type Entry struct{ Key, Value string }

// Recipe says how an artifact was made: input digest, flags, passes, seeds,
// compiler version. Keys are in the writer's order.
type Recipe []Entry

// Get is the value of a key, "" if it is not there.
func (r Recipe) Get(key string) string {
	for _, e := range r {
		if e.Key == key {
			return e.Value
		}
	}
	return ""
}

// File is a decoded artifact.
type File struct {
	Program *plan.Program
	Recipe  Recipe
	Size    int64
	Index   uint32 // CRC-32C of the index, which holds those of the constants: tells artifacts apart
}

// section is where a constant lies.
type section struct {
	off, size uint64
	crc       uint64
}

// Write streams p and its recipe to w: constants are asked for one at a time.
// w is written from its current offset on and must be able to seek back for
// the header. It returns the size of the file.
func Write(w io.WriteSeeker, p *plan.Program, r Recipe) (int64, error) {
	if _, err := w.Write(make([]byte, headerSize)); err != nil {
		return 0, err
	}
	off := uint64(headerSize)
	secs := make([]section, len(p.Consts))
	var pad [align]byte
	for i := range p.Consts {
		b, err := p.Consts[i].Data()
		if err != nil {
			return 0, diag.At(fmt.Sprintf("constant %q", p.Consts[i].Name), "", diag.Internal, err)
		}
		secs[i] = section{off, uint64(len(b)), uint64(crc32.Checksum(b, crcTable))}
		if _, err := w.Write(b); err != nil {
			return 0, err
		}
		n := -len(b) & (align - 1)
		if _, err := w.Write(pad[:n]); err != nil {
			return 0, err
		}
		off += uint64(len(b) + n)
	}
	c := &codec{}
	if c.index(&r, p, &secs); c.err != nil {
		return 0, diag.New(diag.Internal, "program cannot be written: %v", c.err)
	}
	if _, err := w.Write(c.b); err != nil {
		return 0, err
	}
	size := off + uint64(len(c.b))
	h := make([]byte, headerSize)
	copy(h, magic)
	binary.LittleEndian.PutUint32(h[8:], Version)
	binary.LittleEndian.PutUint64(h[16:], off)
	binary.LittleEndian.PutUint64(h[24:], uint64(len(c.b)))
	binary.LittleEndian.PutUint64(h[32:], size)
	binary.LittleEndian.PutUint32(h[40:], crc32.Checksum(c.b, crcTable))
	binary.LittleEndian.PutUint32(h[44:], crc32.Checksum(h[:44], crcTable))
	if _, err := w.Seek(-int64(size), io.SeekCurrent); err != nil {
		return 0, err
	}
	if _, err := w.Write(h); err != nil {
		return 0, err
	}
	_, err := w.Seek(int64(size-headerSize), io.SeekCurrent)
	return int64(size), err
}

func (c *codec) index(r *Recipe, p *plan.Program, secs *[]section) {
	list(c, (*[]Entry)(r), func(e *Entry) {
		c.str(&e.Key)
		c.str(&e.Value)
	})
	c.program(p)
	list(c, secs, func(s *section) {
		c.uint(&s.off)
		c.uint(&s.size)
		c.uint(&s.crc)
	})
}

// IsArtifact says whether b begins like an artifact.
func IsArtifact(b []byte) bool { return len(b) >= len(magic) && string(b[:len(magic)]) == magic }

// Decode reads an artifact from b, which must stay as it is while the Program
// is used: constants are views of it. The header, the index and every
// reference inside are checked here; a constant's checksum when it is first
// asked for. Errors: kind BadModel.
func Decode(b []byte) (*File, error) {
	f, err := decode(b)
	if err != nil {
		var e *diag.Error
		if errors.As(err, &e) {
			return nil, err
		}
		return nil, diag.New(diag.BadModel, "damaged artifact: %v", err)
	}
	return f, nil
}

func decode(b []byte) (*File, error) {
	if !IsArtifact(b) {
		return nil, diag.New(diag.BadModel, "not an mlc artifact")
	}
	if len(b) < headerSize {
		return nil, fmt.Errorf("have %d bytes, want at least %d", len(b), headerSize)
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[8:]); v != Version {
		return nil, diag.New(diag.BadModel, "artifact of format version %d; this program reads version %d: build it again from its model", v, Version)
	}
	if le.Uint32(b[44:]) != crc32.Checksum(b[:44], crcTable) {
		return nil, errors.New("header checksum is wrong")
	}
	off, size, total := le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:])
	if total != uint64(len(b)) {
		return nil, fmt.Errorf("have %d bytes, want %d", len(b), total)
	}
	if off > total || size > total-off {
		return nil, errors.New("index lies outside the file")
	}
	idx := b[off : off+size]
	if le.Uint32(b[40:]) != crc32.Checksum(idx, crcTable) {
		return nil, errors.New("index checksum is wrong")
	}
	f := &File{Program: new(plan.Program), Size: int64(total), Index: le.Uint32(b[40:])}
	var secs []section
	c := &codec{b: idx, reading: true}
	c.index(&f.Recipe, f.Program, &secs)
	if c.err != nil {
		return nil, c.err
	}
	if len(c.b) != 0 || len(secs) != len(f.Program.Consts) {
		return nil, errors.New("index does not fit its program")
	}
	for i := range secs {
		if err := bindConst(&f.Program.Consts[i], &secs[i], b[:off]); err != nil {
			return nil, err
		}
	}
	if err := plan.Verify(f.Program); err != nil {
		return nil, err
	}
	return f, nil
}

// bindConst makes k read its section of b, checked on first use.
func bindConst(k *plan.Const, s *section, b []byte) error {
	n, ok := tensor.Count(k.Dims)
	if s.off > uint64(len(b)) || s.size > uint64(len(b))-s.off || !ok || k.DType != dtype.String && uint64(k.DType.Bytes(n)) != s.size {
		return fmt.Errorf("constant %q lies outside the file or is not of its size", k.Name)
	}
	data, sum, name := b[s.off:s.off+s.size:s.off+s.size], uint32(s.crc), k.Name
	k.Data = sync.OnceValues(func() ([]byte, error) {
		if crc32.Checksum(data, crcTable) != sum {
			return nil, diag.New(diag.BadModel, "damaged artifact: checksum of constant %q is wrong", name)
		}
		return data, nil
	})
	return nil
}
