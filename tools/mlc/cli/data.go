package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/frontend/data"
)

func (a *app) data() *cobra.Command {
	var report string
	c := &cobra.Command{
		Use:   "data DATA",
		Short: "Describe a data set and say what is wrong with it",
		Args:  cobra.ExactArgs(1),
	}
	c.Long = c.Short + ".\n\nDATA is " + strings.TrimSuffix(data.Forms, ", random:N") + "."
	c.Flags().StringVar(&report, "report", "", "write a self-contained page to `FILE.html`; - is standard output")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := hasFolder("--report", report); err != nil {
			return err
		}
		d, err := data.Open(args[0], data.Options{})
		if err != nil {
			return err
		}
		r, err := data.Inspect(d)
		if err != nil {
			return err
		}
		if report != "" {
			if _, err := a.write(report, func(w io.WriteSeeker) error { return r.HTML(w, args[0]) }); err != nil {
				return err
			}
			if report == "-" {
				return nil
			}
		}
		if a.json {
			return a.emit("data/1", struct {
				Data string `json:"data"`
				*data.Report
			}{args[0], r})
		}
		return r.Text(a.out)
	}
	return c
}
