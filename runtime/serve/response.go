package serve

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// response is an infer answer: JSON, then binary data.
type response struct {
	json, bin []byte
	binary    bool // the header that tells the two apart is wanted
}

// output is a result to be written.
type output struct {
	name   string
	t      tensor.Tensor
	binary bool
}

// encode writes the answer. Error: a value that JSON does not have.
func (r *response) encode(model, version, id string, outs []output) error {
	b := append(r.json[:0], `{"model_name":`...)
	b = appendString(b, model)
	b = append(b, `,"model_version":`...)
	b = appendString(b, version)
	if id != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, id)
	}
	b = append(b, `,"outputs":[`...)
	r.bin, r.binary = r.bin[:0], false
	for i := range outs {
		o := &outs[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = appendString(b, o.name)
		b = append(b, `,"datatype":"`...)
		b = append(b, datatypeOf(o.t.DType())...)
		b = append(b, `","shape":[`...)
		for k, d := range o.t.Dims() {
			if k > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(d), 10)
		}
		if o.binary {
			r.binary = true
			at := len(r.bin)
			r.bin = appendBinary(r.bin, &o.t)
			b = append(b, `],"parameters":{"binary_data_size":`...)
			b = strconv.AppendInt(b, int64(len(r.bin)-at), 10)
			b = append(b, "}}"...)
			continue
		}
		b = append(b, `],"data":[`...)
		var err error
		if b, err = appendElements(b, &o.t); err != nil {
			return fmt.Errorf("output %q: %w", o.name, err)
		}
		b = append(b, "]}"...)
	}
	r.json = append(b, "]}"...)
	return nil
}

// write sends the answer. Error: the client does not take it.
func (r *response) write(w http.ResponseWriter) error {
	h := w.Header()
	if !r.binary {
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{strconv.Itoa(len(r.json))}
		_, err := w.Write(r.json)
		return err
	}
	h["Content-Type"] = []string{"application/octet-stream"}
	h["Inference-Header-Content-Length"] = []string{strconv.Itoa(len(r.json))}
	h["Content-Length"] = []string{strconv.Itoa(len(r.json) + len(r.bin))}
	if _, err := w.Write(r.json); err != nil {
		return err
	}
	_, err := w.Write(r.bin)
	return err
}

func appendBinary(b []byte, t *tensor.Tensor) []byte {
	if t.DType() != dtype.String {
		return append(b, t.Bytes()...)
	}
	for _, s := range t.Strings() {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

func appendElements(b []byte, t *tensor.Tensor) ([]byte, error) {
	n := t.Len()
	d := t.DType()
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case d == dtype.String:
			s := t.Strings()[i]
			if !utf8.ValidString(s) {
				return nil, fmt.Errorf("element %d is not UTF-8 and cannot stand in JSON: ask for it with binary_data", i)
			}
			b = appendString(b, s)
		case d == dtype.Bool:
			b = strconv.AppendBool(b, t.Int(i) != 0)
		case d.IsFloat():
			v := t.Float(i)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("element %d is %v and cannot stand in JSON: ask for it with binary_data", i, v)
			}
			bits := 32
			if d == dtype.F64 {
				bits = 64
			}
			b = strconv.AppendFloat(b, v, 'g', -1, bits)
		case d == dtype.U64:
			b = strconv.AppendUint(b, uint64(t.Int(i)), 10)
		default:
			b = strconv.AppendInt(b, t.Int(i), 10)
		}
	}
	return b, nil
}

// appendString appends s as JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf || c == 0x7f {
			q, _ := json.Marshal(s) // a string always has a form
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
