package tensor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mlc-go/mlc/ir/dtype"
)

const npyMagic = "\x93NUMPY"

// maxNPYHeader bounds the header, which describes one shape.
const maxNPYHeader = 1 << 16

// npyTypes are the array descriptions that map to one element type.
var npyTypes = map[string]dtype.DType{
	"f4": dtype.F32, "f8": dtype.F64, "f2": dtype.F16,
	"i1": dtype.I8, "i2": dtype.I16, "i4": dtype.I32, "i8": dtype.I64,
	"u1": dtype.U8, "u2": dtype.U16, "u4": dtype.U32, "u8": dtype.U64,
	"b1": dtype.Bool, "c8": dtype.C64, "c16": dtype.C128,
}

// npyHeader is the parsed dictionary.
type npyHeader struct {
	dt      dtype.DType
	width   int  // bytes of one element in the file
	unicode bool // of strings: UTF-32 instead of bytes
	big     bool
	fortran bool
	dims    []int
}

const (
	stringBytes = 16      // of a string beside its text
	maxEmpty    = 1 << 20 // strings that no byte of a file stands for
)

// ReadNPY reads one array of a .npy file (format 1, 2 or 3): numbers, bool,
// complex and strings of either byte order, converted to ours; Fortran order
// is transposed to ours. It allocates no more than limit bytes for elements
// (0: no limit), 16 of each string besides its text counted, and none before as
// many have arrived; what follows the array is left unread.
func ReadNPY(r io.Reader, limit int64) (Tensor, error) {
	h, err := readNPYHeader(r)
	if err != nil {
		return Tensor{}, fmt.Errorf("npy: %w", err)
	}
	n, ok := Count(h.dims)
	if !ok || h.width > 0 && n > int(^uint(0)>>1)/h.width {
		return Tensor{}, fmt.Errorf("npy: shape %v is too large", h.dims)
	}
	size := int64(n) * int64(h.width)
	takes := size // in memory
	if h.dt == dtype.String {
		if h.width == 0 && n > maxEmpty {
			return Tensor{}, fmt.Errorf("npy: have %d strings of no bytes, want at most %d", n, maxEmpty)
		}
		if takes += stringBytes * int64(n); takes < size {
			return Tensor{}, fmt.Errorf("npy: shape %v is too large", h.dims)
		}
	}
	if limit > 0 && takes > limit {
		return Tensor{}, fmt.Errorf("npy: have %d bytes of elements, want at most %d", takes, limit)
	}
	var b bytes.Buffer
	if got, err := io.CopyN(&b, r, size); err != nil {
		return Tensor{}, fmt.Errorf("npy: have %d bytes of elements, want %d", got, size)
	}
	t, err := h.decode(b.Bytes(), n)
	if err != nil {
		return Tensor{}, fmt.Errorf("npy: %w", err)
	}
	return t, nil
}

func readNPYHeader(r io.Reader) (npyHeader, error) {
	var h npyHeader
	var pre [8]byte
	if _, err := io.ReadFull(r, pre[:]); err != nil || string(pre[:6]) != npyMagic {
		return h, errors.New("not a .npy file")
	}
	var size int
	var lb [4]byte
	switch pre[6] {
	case 1:
		if _, err := io.ReadFull(r, lb[:2]); err != nil {
			return h, errors.New("truncated header")
		}
		size = int(binary.LittleEndian.Uint16(lb[:]))
	case 2, 3:
		if _, err := io.ReadFull(r, lb[:]); err != nil {
			return h, errors.New("truncated header")
		}
		u := binary.LittleEndian.Uint32(lb[:])
		if u > maxNPYHeader {
			return h, fmt.Errorf("header of %d bytes", u)
		}
		size = int(u)
	default:
		return h, fmt.Errorf("format version %d (supported: 1, 2, 3)", pre[6])
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, errors.New("truncated header")
	}
	return parseNPYHeader(string(text))
}

// parseNPYHeader reads the Python dictionary
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
func parseNPYHeader(s string) (npyHeader, error) {
	var h npyHeader
	var descr string
	seen := map[string]bool{}
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "{") || !strings.HasSuffix(s, "}") {
		return h, errors.New("header is not a dictionary")
	}
	s = s[1 : len(s)-1]
	for {
		if s = strings.TrimLeft(s, " ,"); s == "" {
			break
		}
		key, rest, ok := pyString(s)
		if s = strings.TrimLeft(rest, " "); !ok || !strings.HasPrefix(s, ":") || seen[key] {
			return h, errors.New("malformed header")
		}
		seen[key] = true
		s = strings.TrimLeft(s[1:], " ")
		switch key {
		case "descr":
			descr, s, ok = pyString(s)
			if !ok {
				return h, errors.New("structured arrays are not supported")
			}
		case "fortran_order":
			if h.fortran = strings.HasPrefix(s, "True"); !h.fortran && !strings.HasPrefix(s, "False") {
				return h, errors.New("malformed fortran_order")
			}
			s = strings.TrimPrefix(strings.TrimPrefix(s, "True"), "False")
		case "shape":
			var err error
			if h.dims, s, err = pyTuple(s); err != nil {
				return h, err
			}
		default:
			return h, fmt.Errorf("unknown key %q", key)
		}
	}
	if len(seen) != 3 {
		return h, errors.New("header without descr, fortran_order or shape")
	}
	return h, h.setType(descr)
}

func pyString(s string) (v, rest string, ok bool) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", s, false
	}
	i := strings.IndexByte(s[1:], s[0])
	if i < 0 {
		return "", s, false
	}
	return s[1 : 1+i], s[2+i:], true
}

func pyTuple(s string) ([]int, string, error) {
	i := strings.IndexByte(s, ')')
	if !strings.HasPrefix(s, "(") || i < 0 {
		return nil, s, errors.New("malformed shape")
	}
	dims := []int{}
	for _, f := range strings.Split(strings.TrimSuffix(strings.TrimSpace(s[1:i]), ","), ",") {
		f = strings.TrimSuffix(strings.TrimSpace(f), "L") // Python 2 wrote 3L
		if f == "" && i == 1 {
			break
		}
		n, err := strconv.Atoi(f)
		if err != nil || n < 0 {
			return nil, s, fmt.Errorf("malformed shape %s", s[:i+1])
		}
		dims = append(dims, n)
	}
	return dims, s[i+1:], nil
}

func (h *npyHeader) setType(descr string) error {
	if len(descr) < 3 || !strings.ContainsRune("<>|=", rune(descr[0])) {
		return fmt.Errorf("element type %q", descr)
	}
	h.big = descr[0] == '>'
	kind, num := descr[1], descr[2:]
	if kind == 'U' || kind == 'S' {
		n, err := strconv.Atoi(num)
		if err != nil || n < 0 || n > 1<<24 {
			return fmt.Errorf("element type %q", descr)
		}
		h.dt, h.unicode, h.width = dtype.String, kind == 'U', n
		if h.unicode {
			h.width = 4 * n
		}
		return nil
	}
	d, ok := npyTypes[descr[1:]]
	if !ok {
		return fmt.Errorf("element type %q (supported: numbers of numpy's own types, bool, complex, U and S strings)", descr)
	}
	h.dt, h.width = d, d.Size()
	return nil
}

func (h *npyHeader) decode(b []byte, n int) (Tensor, error) {
	if h.dt == dtype.String && n > len(b) && n > 1<<20 {
		return Tensor{}, fmt.Errorf("%d empty strings", n)
	}
	t := New(h.dt, h.dims...)
	if h.dt == dtype.String {
		for i := range t.strs {
			t.strs[i] = h.str(b[i*h.width : (i+1)*h.width])
			if !utf8.ValidString(t.strs[i]) { // numpy's S holds bytes of any encoding
				return Tensor{}, fmt.Errorf("string %d is not UTF-8", i)
			}
		}
	} else {
		copy(t.b, b)
		if h.big {
			w := h.width
			if h.dt.IsComplex() {
				w /= 2
			}
			swapBytes(t.b, w)
		}
		if h.dt == dtype.Bool {
			for i, x := range t.b {
				if x > 1 {
					t.b[i] = 1
				}
			}
		}
	}
	if h.fortran && len(h.dims) > 1 {
		return t.fromFortran(), nil
	}
	return t, nil
}

// str decodes one padded string.
func (h *npyHeader) str(b []byte) string {
	if !h.unicode {
		return strings.TrimRight(string(b), "\x00")
	}
	rs := make([]rune, len(b)/4)
	for i := range rs {
		u := binary.LittleEndian.Uint32(b[4*i:])
		if h.big {
			u = binary.BigEndian.Uint32(b[4*i:])
		}
		if rs[i] = utf8.RuneError; u <= utf8.MaxRune {
			rs[i] = rune(u)
		}
	}
	return strings.TrimRight(string(rs), "\x00")
}

// swapBytes turns groups of w bytes around.
func swapBytes(b []byte, w int) {
	for i := 0; w > 1 && i+w <= len(b); i += w {
		for j := range w / 2 {
			b[i+j], b[i+w-1-j] = b[i+w-1-j], b[i+j]
		}
	}
}

// fromFortran reorders elements that lie first axis fastest.
func (t Tensor) fromFortran() Tensor {
	out := New(t.dt, t.dims...)
	r := len(t.dims)
	stride := make([]int, r) // of t, in elements
	s := 1
	for i := range r {
		stride[i] = s
		s *= t.dims[i]
	}
	idx := make([]int, r)
	off, w := 0, t.dt.Size()
	for i := range out.Len() {
		if t.dt == dtype.String {
			out.strs[i] = t.strs[off]
		} else {
			copy(out.b[i*w:(i+1)*w], t.b[off*w:(off+1)*w])
		}
		for a := r - 1; a >= 0; a-- {
			idx[a]++
			off += stride[a]
			if idx[a] < t.dims[a] {
				break
			}
			off -= idx[a] * stride[a]
			idx[a] = 0
		}
	}
	return out
}

// WriteNPY writes t in format 1 (2 where the header is long), little endian.
// Error: numpy has no form for bf16, the floats of 8 bits and less and the
// integers below 8 bits (write those as .pb).
func WriteNPY(w io.Writer, t Tensor) error {
	descr, body, err := npyBody(&t)
	if err != nil {
		return err
	}
	dims := make([]string, len(t.dims))
	for i, d := range t.dims {
		dims[i] = strconv.Itoa(d)
	}
	shape := strings.Join(dims, ", ")
	if len(dims) == 1 {
		shape += ","
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape)
	b := []byte(npyMagic + "\x01\x00")
	pad := func(fixed int) string { return strings.Repeat(" ", -(fixed+len(head)+1)&63) + "\n" }
	if n := len(head) + len(pad(10)); n < 1<<16 {
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
		b = append(b, head+pad(10)...)
	} else {
		b[6] = 2
		b = binary.LittleEndian.AppendUint32(b, uint32(len(head)+len(pad(12))))
		b = append(b, head+pad(12)...)
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

func npyBody(t *Tensor) (descr string, body []byte, err error) {
	if t.dt == dtype.String {
		widest := 1
		for _, s := range t.strs {
			widest = max(widest, utf8.RuneCountInString(s))
		}
		body = make([]byte, 4*widest*len(t.strs))
		for i, s := range t.strs {
			k := 4 * widest * i
			for _, r := range s {
				binary.LittleEndian.PutUint32(body[k:], uint32(r))
				k += 4
			}
		}
		return "<U" + strconv.Itoa(widest), body, nil
	}
	for name, d := range npyTypes {
		if d == t.dt {
			order := "<"
			if d.Size() == 1 {
				order = "|"
			}
			return order + name, t.b, nil
		}
	}
	return "", nil, fmt.Errorf("npy: numpy has no element type for %v", t.dt)
}
