package text

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// init reads the elements of a constant of type t. It allocates for a list
// only, whose size the text itself bounds; nil after a fault.
func (p *parser) init(t ir.Type, pos int) *ir.Const {
	if p.err != nil {
		return nil
	}
	dims, ok := t.Static()
	if _, fits := tensor.Count(dims); !ok || !fits || !fitsInt(t) {
		p.fault(pos, &diag.Error{Kind: diag.BadModel, Port: "type of a constant", Have: t.String(), Want: "a tensor of known size"})
		dims, ok = nil, false
	}
	d := t.DType
	switch {
	case p.is("["):
		return p.list(d, dims, ok, pos)
	case p.accept("splat"):
		p.expect("(")
		num := p.numberText()
		if p.expect(")"); p.err != nil {
			return nil
		}
		v, err := parseFloat(num.text, 64)
		if err == nil {
			err = splatFits(d, v)
		}
		if err != nil {
			p.faultf(num.pos, "splat(%s): %w", num.text, err)
		}
		if err != nil || !ok {
			return nil
		}
		return p.lazy(d, dims, ir.Init{Kind: ir.InitSplat, Splat: v}, func() (tensor.Tensor, error) {
			return filled(d, dims, v), nil
		})
	case p.accept("random"):
		return p.random(d, dims, ok, pos)
	case p.is("sha256"):
		return p.file1(d, dims, ok)
	}
	p.unexpected("elements: [...], splat(v), random(seed=n) or sha256:...")
	return nil
}

// fitsInt says whether every extent is an int on this machine.
func fitsInt(t ir.Type) bool {
	for _, d := range t.Dims {
		if n, _ := d.Const(); n < 0 || n > math.MaxInt {
			return false
		}
	}
	return true
}

// lazy makes a constant whose elements appear when asked for, if they fit the
// limit.
func (p *parser) lazy(d dtype.DType, dims []int, in ir.Init, load func() (tensor.Tensor, error)) *ir.Const {
	limit := min(p.o.MaxBytes, math.MaxInt/16)
	return ir.LazyConst(d, dims, in, func() (tensor.Tensor, error) {
		n, _ := tensor.Count(dims)
		if b := float64(n) * float64(d.Bits()) / 8; b > float64(limit) {
			return tensor.Tensor{}, &diag.Error{Kind: diag.Limit, Port: "constant", Have: fmt.Sprintf("%.0f bytes", b), Want: fmt.Sprintf("at most %d", limit)}
		}
		return load()
	})
}

func (p *parser) random(d dtype.DType, dims []int, ok bool, pos int) *ir.Const {
	p.expect("(")
	p.expect("seed")
	p.expect("=")
	t := p.take(tNumber, "a seed")
	p.expect(")")
	seed, err := strconv.ParseUint(t.text, 10, 64)
	if err != nil && p.err == nil {
		p.fail(t.pos, "seed %s: want an integer of 64 bits", t.text)
		p.advance()
	}
	if !tensor.HasRandom(d) && p.err == nil {
		p.faultf(pos, "random is not defined for elements of type %v", d)
		return nil
	}
	if p.err != nil || !ok {
		return nil
	}
	return p.lazy(d, dims, ir.Init{Kind: ir.InitRandom, Seed: seed}, func() (tensor.Tensor, error) {
		return tensor.Random(d, seed, dims...)
	})
}

// splatFits says whether elements of type d can be v.
func splatFits(d dtype.DType, v float64) error {
	switch {
	case !splats(d):
		return fmt.Errorf("not defined for elements of type %v", d)
	case d == dtype.Bool && v != 0 && v != 1:
		return errors.New("want 0 or 1")
	case d.IsInt():
		lo, hi := d.IntRange()
		if v != math.Trunc(v) || v < float64(lo) || v > float64(hi) || math.Abs(v) > 1<<53 {
			return fmt.Errorf("not a value of type %v", d)
		}
	}
	return nil
}

func filled(d dtype.DType, dims []int, v float64) tensor.Tensor {
	t := tensor.New(d, dims...)
	if v == 0 && !math.Signbit(v) {
		return t
	}
	for i := range t.Len() {
		t.SetFloat(i, v)
	}
	return t
}

// list reads [a, b, ...] as the elements of a tensor.
func (p *parser) list(d dtype.DType, dims []int, ok bool, pos int) *ir.Const {
	start := p.tok.pos
	elems := p.elemTokens(d)
	if p.err != nil || !ok {
		return nil
	}
	if n, _ := tensor.Count(dims); n != len(elems) {
		p.fault(start, &diag.Error{Kind: diag.BadModel, Port: "elements", Have: fmt.Sprint(len(elems)), Want: fmt.Sprint(n)})
		return nil
	}
	t := tensor.New(d, dims...)
	for i, e := range elems {
		if err := setElement(&t, i, e); err != nil {
			p.faultf(e.pos, "element %d: %s: %w", i, e.text, err)
			return nil
		}
	}
	return ir.NewConst(t)
}

// elem is the text of one element; im is the imaginary part.
type elem struct {
	token
	im string
}

func (p *parser) elemTokens(d dtype.DType) []elem {
	return items(p, func() elem {
		switch {
		case d.IsComplex():
			p.expect("(")
			re := p.numberText()
			p.expect(",")
			im := p.numberText()
			p.expect(")")
			return elem{token: re, im: im.text}
		case d == dtype.String:
			return elem{token: p.take(tString, "a string")}
		case d == dtype.Bool && p.tok.kind == tIdent:
			return elem{token: p.take(tIdent, "true or false")}
		}
		return elem{token: p.numberText()}
	})
}

func setElement(t *tensor.Tensor, i int, e elem) error {
	d := t.DType()
	switch {
	case d == dtype.String:
		t.Strings()[i] = e.text
		return nil
	case d == dtype.Bool:
		switch e.text {
		case "true", "1":
			t.SetInt(i, 1)
		case "false", "0":
		default:
			return errors.New("want true or false")
		}
		return nil
	case d == dtype.U64:
		n, err := strconv.ParseUint(e.text, 10, 64)
		if err != nil {
			return fmt.Errorf("not a value of type %v", d)
		}
		t.SetInt(i, int64(n))
		return nil
	case d.IsInt():
		n, err := strconv.ParseInt(e.text, 10, 64)
		if lo, hi := d.IntRange(); err != nil || n < lo || n > hi {
			return fmt.Errorf("not a value of type %v", d)
		}
		t.SetInt(i, n)
		return nil
	case d.IsFloat() && d.Bits() <= 8:
		n, err := strconv.ParseUint(e.text, 0, 8)
		if err != nil || n >= 1<<d.Bits() {
			return fmt.Errorf("want the bits of one %v, such as 0x0f", d)
		}
		setRawBits(t, i, byte(n))
		return nil
	}
	return setFloat(t, i, e)
}

func setFloat(t *tensor.Tensor, i int, e elem) error {
	d := t.DType()
	bits := 64
	if d == dtype.F32 || d == dtype.C64 {
		bits = 32
	}
	v, err := parseFloat(e.text, bits)
	if err != nil {
		return err
	}
	if d.IsComplex() {
		im, err := parseFloat(e.im, bits)
		if err != nil {
			return err
		}
		if d == dtype.C64 {
			s := tensor.Slice[float32](t)
			s[2*i], s[2*i+1] = float32(v), float32(im)
		} else {
			s := tensor.Slice[float64](t)
			s[2*i], s[2*i+1] = v, im
		}
		return nil
	}
	t.SetFloat(i, v)
	if math.IsInf(t.Float(i), 0) && !math.IsInf(v, 0) {
		return fmt.Errorf("not a value of type %v", d)
	}
	return nil
}

// file1 reads sha256:hex@file+offset; the current token is the word sha256.
func (p *parser) file1(d dtype.DType, dims []int, ok bool) *ir.Const {
	pos := p.tok.pos
	sum := p.raw(':', func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' })
	name := ""
	if p.err == nil && p.peekByte(0) == '@' && p.peekByte(1) == '"' {
		p.i++
		name = p.quoted()
	} else {
		name = p.raw('@', func(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' || c == '/' || c == '-' })
	}
	off, err := strconv.ParseInt(p.raw('+', isDigit), 10, 64)
	if (err != nil || len(sum) != 0 && len(sum) != 2*sha256.Size) && p.err == nil {
		p.fail(pos, "want sha256:hex@file+offset")
	}
	p.advance()
	if p.err != nil || !ok {
		return nil
	}
	if d == dtype.String {
		p.faultf(pos, "strings cannot lie in a file")
		return nil
	}
	fsys := p.o.FS
	return p.lazy(d, dims, ir.Init{Kind: ir.InitFile, SHA256: sum, File: name, Offset: off}, func() (tensor.Tensor, error) {
		t, err := readAt(fsys, name, off, sum, d, dims)
		if err != nil {
			err = &diag.Error{Kind: diag.BadData, File: name, Err: err}
		}
		return t, err
	})
}

// raw reads mark and the bytes behind it that ok allows, no blanks between.
func (p *parser) raw(mark byte, ok func(byte) bool) string {
	if p.err != nil || p.peekByte(0) != mark {
		p.lexer.fail(p.i, "want %q", mark)
		return ""
	}
	p.i++
	start := p.i
	for p.i < len(p.src) && ok(p.src[p.i]) {
		p.i++
	}
	return string(p.src[start:p.i])
}

// readAt reads a tensor from a file of fsys and checks its digest.
func readAt(fsys fs.FS, name string, off int64, sum string, d dtype.DType, dims []int) (tensor.Tensor, error) {
	var none tensor.Tensor
	switch {
	case name == "":
		return none, errors.New("the elements were left out when the module was printed")
	case fsys == nil:
		return none, errors.New("the text stands alone: no folder to read from")
	case !fs.ValidPath(name):
		return none, errors.New("the path leaves the folder of the text")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return none, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return none, err
	}
	n, _ := tensor.Count(dims)
	size := int64(d.Bytes(n))
	if off < 0 || off > info.Size() || size > info.Size()-off {
		return none, fmt.Errorf("have %d bytes, want %d at %d", info.Size(), size, off)
	}
	b := tensor.AlignedBytes(int(size))
	if r, ok := f.(io.ReaderAt); ok {
		_, err = io.ReadFull(io.NewSectionReader(r, off, size), b)
	} else {
		if _, err = io.CopyN(io.Discard, f, off); err == nil {
			_, err = io.ReadFull(f, b)
		}
	}
	if err != nil {
		return none, err
	}
	if h := sha256.Sum256(b); hex.EncodeToString(h[:]) != sum {
		return none, fmt.Errorf("sha256 is %x, want %s", h, sum)
	}
	return tensor.FromBytes(d, dims, b)
}
