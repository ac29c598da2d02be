package serve

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// request is an infer request, read and checked as far as that goes without
// the model.
type request struct {
	id      string
	inputs  []namedTensor
	outputs []wanted // nil: all
	binary  bool     // outputs that do not say otherwise are binary
	micros  int64    // the client's own limit of time, 0 for none
}

type namedTensor struct {
	name string
	t    tensor.Tensor
}

type wanted struct {
	name   string
	binary bool
}

// params are the parameters of a request, an input or an output.
type params struct {
	size      int64 // binary_data_size, -1: not given
	binary    *bool // binary_data or binary_data_output
	timeout   int64
	unhandled string // what would change the answer and is not done here
}

// tooLarge is an error of a limit rather than of form.
type tooLarge struct{ error }

// parseRequest reads a body whose first header bytes are JSON and whose rest is
// binary data; header < 0 says that all of it is JSON. Tensors may view body.
func parseRequest(body []byte, header, maxElems int) (*request, error) {
	s := &scanner{b: body}
	var rest []byte
	if header >= 0 {
		if header > len(body) {
			return nil, fmt.Errorf("Inference-Header-Content-Length %d: the body has %d bytes", header, len(body))
		}
		s.b, rest = body[:header:header], body[header:]
	}
	p := &parser{s: s, rest: rest, hasRest: header >= 0, maxElems: maxElems, r: &request{}, names: map[string]bool{}}
	var outputs []outputForm
	hasInputs := false
	err := s.object([]string{"id", "inputs", "outputs", "parameters"}, func(key string) error {
		var err error
		switch key {
		case "id":
			p.r.id, err = s.str()
		case "inputs":
			hasInputs = true
			err = s.array(p.input)
		case "outputs":
			err = s.array(func() error {
				o, err := p.output()
				outputs = append(outputs, o)
				return err
			})
		case "parameters":
			var q params
			q, err = p.params()
			if err == nil && q.unhandled != "" {
				err = s.fault("parameter %q is not supported", q.unhandled)
			}
			p.r.binary = q.binary != nil && *q.binary
			p.r.micros = q.timeout
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	switch {
	case err != nil:
		return nil, err
	case !hasInputs:
		return nil, fmt.Errorf("the request has no inputs")
	case len(p.rest) > 0:
		return nil, fmt.Errorf("%d bytes of binary data belong to no input", len(p.rest))
	}
	asked := make(map[string]bool, len(outputs)) // a request may name very many
	for _, o := range outputs {
		w := wanted{o.name, p.r.binary}
		if o.binary != nil {
			w.binary = *o.binary
		}
		if asked[w.name] {
			return nil, fmt.Errorf("output %q is asked for twice", w.name)
		}
		asked[w.name] = true
		p.r.outputs = append(p.r.outputs, w)
	}
	return p.r, nil
}

type parser struct {
	s        *scanner
	rest     []byte // binary data not yet taken
	hasRest  bool
	maxElems int
	elems    int
	r        *request
	names    map[string]bool // of r.inputs
}

type outputForm struct {
	name   string
	binary *bool
}

func (p *parser) output() (o outputForm, err error) {
	err = p.s.object([]string{"name", "parameters"}, func(key string) (err error) {
		switch key {
		case "name":
			o.name, err = p.s.str()
		case "parameters":
			var q params
			q, err = p.params()
			if err == nil && q.unhandled != "" {
				err = p.s.fault("parameter %q is not supported", q.unhandled)
			}
			o.binary = q.binary
		}
		return err
	})
	if err == nil && o.name == "" {
		err = p.s.fault("an output without a name")
	}
	return o, err
}

// paramKeys are the parameters that mean something here.
var paramKeys = []string{"binary_data_size", "timeout", "binary_data", "binary_data_output",
	"sequence_id", "sequence_start", "sequence_end", "classification",
	"shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"}

func (p *parser) params() (q params, err error) {
	q.size = -1
	err = p.s.object(paramKeys, func(key string) error {
		switch key {
		case "binary_data_size", "timeout":
			n, err := p.integer(key)
			if key == "timeout" {
				q.timeout = n
			} else {
				q.size = n
			}
			return err
		case "binary_data", "binary_data_output":
			b, err := p.s.bool()
			q.binary = &b
			return err
		}
		v, err := p.s.skip(1)
		if t := string(v); t != "0" && t != "false" && t != `""` { // these mean: none
			q.unhandled = key
		}
		return err
	})
	return q, err
}

// integer reads a number that is not negative.
func (p *parser) integer(what string) (int64, error) {
	text, ok, err := p.s.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if !ok || err != nil || n < 0 {
		return 0, p.s.fault("%s: have %s, want an integer from 0", what, text)
	}
	return n, nil
}

// inputForm is an input as far as it has been read.
type inputForm struct {
	name, datatype string
	dims           []int // nil: no shape yet
	q              params
	dataAt         int // where data to be read last begin, -1: none
	read           bool
	t              tensor.Tensor // if read
}

// input reads one input. Where the data stand before the type and shape that
// say how to read them, they are read last.
func (p *parser) input() error {
	in := inputForm{q: params{size: -1}, dataAt: -1}
	err := p.s.object([]string{"name", "datatype", "shape", "parameters", "data"}, func(key string) error { return p.inputField(&in, key) })
	if err == nil {
		err = p.finish(&in)
	}
	if err == nil {
		p.names[in.name] = true
		p.r.inputs = append(p.r.inputs, namedTensor{in.name, in.t})
		return nil
	}
	if l, ok := err.(tooLarge); ok {
		return tooLarge{fmt.Errorf("input %q: %w", in.name, l.error)}
	}
	return fmt.Errorf("input %q: %w", in.name, err)
}

func (p *parser) inputField(in *inputForm, key string) (err error) {
	s := p.s
	switch key {
	case "name":
		in.name, err = s.str()
	case "datatype":
		in.datatype, err = s.str()
	case "shape":
		in.dims, err = p.shape()
	case "parameters":
		in.q, err = p.params()
		if err == nil && in.q.unhandled != "" {
			err = s.fault("parameter %q is not supported", in.q.unhandled)
		}
	case "data":
		if in.datatype != "" && in.dims != nil {
			in.read = true
			return p.elements(in)
		}
		s.peek()
		in.dataAt = s.i
		_, err = s.skip(1)
	}
	return err
}

func (p *parser) shape() ([]int, error) {
	dims := []int{}
	err := p.s.array(func() error {
		n, err := p.integer("shape")
		if err == nil && (n > math.MaxInt || len(dims) == maxDepth) {
			err = p.s.fault("shape: more than %d axes, or an extent beyond %d", maxDepth, math.MaxInt)
		}
		dims = append(dims, int(n))
		return err
	})
	return dims, err
}

// finish reads what is left of an input whose object has been read.
func (p *parser) finish(in *inputForm) error {
	hasData := in.read || in.dataAt >= 0
	switch {
	case in.name == "":
		return p.s.fault("no name")
	case in.datatype == "":
		return fmt.Errorf("no datatype")
	case in.dims == nil:
		return fmt.Errorf("no shape")
	case p.names[in.name]:
		return fmt.Errorf("it is given twice")
	case hasData && in.q.size >= 0:
		return fmt.Errorf("it has both data and binary_data_size")
	case !hasData && in.q.size < 0:
		return fmt.Errorf("it has neither data nor binary_data_size")
	case in.read:
		return nil
	case in.dataAt >= 0:
		at := p.s.i
		p.s.i = in.dataAt
		err := p.elements(in)
		p.s.i = at
		return err
	}
	d, n, err := p.size(in)
	if err != nil {
		return err
	}
	if !p.hasRest {
		return fmt.Errorf("binary_data_size without the header Inference-Header-Content-Length")
	}
	if in.q.size > int64(len(p.rest)) {
		return fmt.Errorf("binary_data_size %d: %d bytes of binary data are left", in.q.size, len(p.rest))
	}
	b := p.rest[:in.q.size:in.q.size]
	p.rest = p.rest[in.q.size:]
	in.t, err = fromBinary(d, in.dims, n, b)
	return err
}

// size checks the type and shape and counts the elements against the limit.
func (p *parser) size(in *inputForm) (dtype.DType, int, error) {
	d, ok := parseDatatype(in.datatype)
	if !ok {
		return d, 0, fmt.Errorf("datatype %q: want one of %s", in.datatype, datatypeNames())
	}
	n, ok := tensor.Count(in.dims)
	if !ok || n > p.maxElems-p.elems {
		return d, 0, tooLarge{fmt.Errorf("shape %v: more than %d elements in the request", in.dims, p.maxElems)}
	}
	p.elems += n
	return d, n, nil
}

// fromBinary reads the binary form: little-endian elements; of strings, each
// with its length in 4 bytes before it.
func fromBinary(d dtype.DType, dims []int, n int, b []byte) (tensor.Tensor, error) {
	if d != dtype.String {
		if want := d.Bytes(n); want != len(b) {
			return tensor.Tensor{}, fmt.Errorf("have %d bytes of binary data, want %d for %s%v", len(b), want, datatypeOf(d), dims)
		}
		if d == dtype.Bool {
			for i, c := range b {
				if c > 1 {
					return tensor.Tensor{}, fmt.Errorf("element %d: have byte %d, want 0 or 1", i, c)
				}
			}
		}
		return tensor.FromBytes(d, dims, b)
	}
	if n > len(b)/4 {
		return tensor.Tensor{}, fmt.Errorf("have %d bytes of binary data, want at least %d for %d strings", len(b), 4*n, n)
	}
	list := make([]string, n)
	for i := range list {
		if len(b) < 4 {
			return tensor.Tensor{}, fmt.Errorf("string %d: the binary data end in its length", i)
		}
		l := binary.LittleEndian.Uint32(b)
		if b = b[4:]; uint64(l) > uint64(len(b)) {
			return tensor.Tensor{}, fmt.Errorf("string %d: have %d bytes, want %d", i, len(b), l)
		}
		list[i], b = string(b[:l]), b[l:]
	}
	if len(b) > 0 {
		return tensor.Tensor{}, fmt.Errorf("%d bytes of binary data after the last string", len(b))
	}
	return tensor.OfStrings(list, dims...)
}
