package serve_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/runtime/serve"
)

// An artifact is served, asked once, and the server drained.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	file, err := exampleArtifact(ctx)
	check(err)
	defer os.Remove(file)

	s, err := serve.New(serve.Options{MaxBody: 1 << 20})
	check(err)
	defer s.Close()
	check(s.Add(ctx, "double", file))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()

	a, err := http.Post("http://"+l.Addr().String()+"/v2/models/double/infer", "application/json",
		strings.NewReader(`{"inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[1,2.5,-3]}]}`))
	check(err)
	b, err := io.ReadAll(a.Body)
	a.Body.Close()
	check(err)
	fmt.Println(string(b))

	stop()
	check(<-done)
	// Output:
	// {"model_name":"double","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[3],"data":[2,5,-6]}]}
}

// exampleArtifact is what `mlc build` writes.
func exampleArtifact(ctx context.Context) (string, error) {
	a, err := codegen.Build(ctx, codegen.Bytes([]byte(`module "double" opset {ai.onnx 21}
func main(%x: f32[3]) -> (%y: f32[3]) {
	%y = Add %x, %x : f32[3]
	return %y
}
`)), codegen.Options{})
	if err != nil {
		return "", err
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		return "", err
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("mlc-example-%d.mlc", os.Getpid()))
	return file, os.WriteFile(file, b, 0o644)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
