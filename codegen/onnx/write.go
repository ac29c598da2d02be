package onnx

import (
	"bufio"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
)

// initializer is a constant of main. It is written after everything else of
// the graph, so that one payload is in memory at a time.
type initializer struct {
	name string
	c    *ir.Const
	head []byte // its message without payload
	size int64  // of the payload in the file, -1: the head is the whole
}

// Field numbers of what is written by hand.
const (
	fieldGraph       = 7 // of ModelProto
	fieldInitializer = 5 // of GraphProto
	fieldRaw         = 9 // of TensorProto
	externalAlign    = 64
	dataIsExternal   = onnxpb.TensorProto_EXTERNAL
)

func isString(c *ir.Const) bool { return c.DType == dtype.String }

// payloadSize is the size of c's elements. (Not c.Bytes: an int may be too small.)
func payloadSize(c *ir.Const) int64 { return (int64(c.Len())*int64(c.DType.Bits()) + 7) / 8 }

// write puts the file together.
func (x *exporter) write(w io.Writer, g *onnxpb.GraphProto) error {
	marshal := proto.MarshalOptions{Deterministic: true}
	model, err := marshal.Marshal(x.model())
	if err != nil {
		return diag.New(diag.Internal, "%w", err)
	}
	graph, err := marshal.Marshal(g)
	if err != nil {
		return diag.New(diag.Internal, "%w", err)
	}
	size := int64(len(graph))
	for i := range x.consts {
		n, err := x.prepare(&x.consts[i])
		if err != nil {
			return err
		}
		size += n
	}
	if total := size + int64(len(model)) + 16; total > maxFile {
		return &diag.Error{Kind: diag.Limit, Port: "file", Have: fmt.Sprintf("%d bytes", total), Want: fmt.Sprintf("at most %d, or external data", maxFile), Err: errTooLarge}
	}
	out := bufio.NewWriterSize(w, 1<<16)
	out.Write(model)
	out.Write(protowire.AppendVarint(protowire.AppendTag(nil, fieldGraph, protowire.BytesType), uint64(size)))
	out.Write(graph)
	for i := range x.consts {
		if err := x.payload(out, &x.consts[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// prepare writes the head of an initializer, and gives the size of its field.
func (x *exporter) prepare(t *initializer) (int64, error) {
	var p *onnxpb.TensorProto
	var err error
	t.size = -1
	switch e := x.opt.External; {
	case isString(t.c):
		p, err = tensorProto(t.name, t.c)
	case e != nil && payloadSize(t.c) >= int64(e.Min):
		p = tensorHead(t.name, t.c)
		x.offset += -x.offset & (externalAlign - 1)
		entry := func(k, v string) {
			p.ExternalData = append(p.ExternalData, &onnxpb.StringStringEntryProto{Key: proto.String(k), Value: proto.String(v)})
		}
		entry("location", e.Name)
		entry("offset", fmt.Sprint(x.offset))
		entry("length", fmt.Sprint(payloadSize(t.c)))
		p.DataLocation = dataIsExternal.Enum()
		x.offset += payloadSize(t.c)
	default:
		p = tensorHead(t.name, t.c)
		t.size = payloadSize(t.c)
	}
	if err != nil {
		return 0, err
	}
	if t.head, err = (proto.MarshalOptions{Deterministic: true}).Marshal(p); err != nil {
		return 0, diag.New(diag.Internal, "%w", err)
	}
	n := t.message()
	return int64(protowire.SizeTag(fieldInitializer)) + int64(protowire.SizeVarint(uint64(n))) + n, nil
}

// message is the size of the TensorProto.
func (t *initializer) message() int64 {
	n := int64(len(t.head))
	if t.size >= 0 {
		n += int64(protowire.SizeTag(fieldRaw)) + int64(protowire.SizeVarint(uint64(t.size))) + t.size
	}
	return n
}

// payload writes one initializer, or its bytes into External.
func (x *exporter) payload(out *bufio.Writer, t *initializer) error {
	b := protowire.AppendTag(nil, fieldInitializer, protowire.BytesType)
	b = append(protowire.AppendVarint(b, uint64(t.message())), t.head...)
	if t.size >= 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, fieldRaw, protowire.BytesType), uint64(t.size))
	}
	if _, err := out.Write(b); err != nil {
		return err
	}
	external := t.size < 0 && !isString(t.c)
	if t.size < 0 && !external {
		return nil
	}
	v, err := t.c.Tensor()
	if err != nil {
		return diag.At("constant "+fmt.Sprintf("%q", t.name), "", diag.BadData, err)
	}
	if int64(len(v.Bytes())) != payloadSize(t.c) {
		return diag.At("constant "+fmt.Sprintf("%q", t.name), "", diag.Internal, diag.New(diag.Internal, "%d bytes, want %d", len(v.Bytes()), payloadSize(t.c)))
	}
	if !external {
		_, err = out.Write(v.Bytes())
		return err
	}
	return x.external(v.Bytes())
}

// external appends a payload to the other file at the offset that prepare
// chose.
func (x *exporter) external(b []byte) error {
	if pad := -x.externalAt & (externalAlign - 1); pad > 0 {
		if _, err := x.opt.External.W.Write(make([]byte, pad)); err != nil {
			return err
		}
		x.externalAt += pad
	}
	_, err := x.opt.External.W.Write(b)
	x.externalAt += int64(len(b))
	return err
}
