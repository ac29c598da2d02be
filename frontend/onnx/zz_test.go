package onnx

import (
	"context"
	"fmt"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/verify"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	files := shared(t, "cases/cases.tar.zst")
	ops := op.Builtin()
	raw, _ := Decode(files, "visible/nested_if_25_levels/model.onnx", DecodeOptions{})
	s := time.Now()
	m, err := Import(context.Background(), raw, ImportOptions{Ops: ops})
	fmt.Println(time.Since(s), err)
	s = time.Now()
	err = verify.Module(m)
	fmt.Println(time.Since(s), err)
}
