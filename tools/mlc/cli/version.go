package cli

import (
	"fmt"
	"os"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/artifact"
)

func (a *app) version() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "version [-m FILE]",
		Short: "Print the version, or the recipe inside an artifact",
	}
	c.Flags().StringVarP(&file, "model", "m", "", "print how the artifact `FILE` was made")
	c.RunE = func(c *cobra.Command, args []string) error {
		if file != "" {
			return a.recipe(file)
		}
		if a.json {
			return a.emit("version/1", map[string]any{"version": codegen.Version, "go": goruntime.Version(), "os": goruntime.GOOS, "arch": goruntime.GOARCH, "artifact_format": artifact.Version})
		}
		fmt.Fprintf(a.out, "mlc %s (%s, %s/%s, artifact format %d)\n", codegen.Version, goruntime.Version(), goruntime.GOOS, goruntime.GOARCH, artifact.Version)
		return nil
	}
	return c
}

func (a *app) recipe(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return diag.In(file, diag.BadModel, err)
	}
	f, err := artifact.Decode(b)
	if err != nil {
		return diag.In(file, diag.BadModel, err)
	}
	if a.json {
		type entry struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		}
		var list []entry
		for _, e := range f.Recipe {
			list = append(list, entry{e.Key, e.Value})
		}
		return a.emit("recipe/1", map[string]any{"file": file, "recipe": list})
	}
	for _, e := range f.Recipe {
		fmt.Fprintf(a.out, "%-14s %s\n", e.Key, e.Value)
	}
	return nil
}
