package ir

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Fingerprint writes to w what f computes: the same bytes for functions that
// have the same parameters, nodes, constants and results under the same names,
// others for others. What states begin as is not part of it. w is a hash: the
// bytes are for comparison, they cannot be read back. Error: a constant that
// cannot be read.
func Fingerprint(w io.Writer, f *Func) error {
	var err error
	for _, p := range f.Params {
		fmt.Fprintln(w, p.Name, p.Type)
	}
	f.Walk(func(n *Node) {
		fmt.Fprintln(w, n.Def.VersionedName())
		for _, k := range slices.Sorted(maps.Keys(n.Attrs)) {
			v := n.Attrs[k]
			fmt.Fprintln(w, k, v.Kind, v.Int, v.Float, v.Str, v.Ints, v.Floats, v.Strs, v.TypeVal)
			if v.Tensor != nil {
				writeTensor(w, v.Tensor)
			}
		}
		for _, v := range n.In {
			if v != nil {
				io.WriteString(w, v.Name)
			}
			io.WriteString(w, ",")
		}
		for _, v := range n.Out {
			if v != nil {
				fmt.Fprint(w, v.Name, v.Type)
			}
			io.WriteString(w, ";")
		}
		for _, r := range n.Regions {
			for _, p := range r.Params {
				fmt.Fprintln(w, p.Name, p.Type)
			}
			for _, x := range r.Results {
				fmt.Fprintln(w, x.Name, x.Value.Name)
			}
		}
		if n.Const != nil && err == nil {
			var c tensor.Tensor
			if c, err = n.Const.Tensor(); err == nil {
				writeTensor(w, &c)
			}
		}
	})
	for _, r := range f.Results {
		fmt.Fprintln(w, r.Name, r.Value.Name)
	}
	return err
}

func writeTensor(w io.Writer, t *tensor.Tensor) {
	fmt.Fprintln(w, t.DType(), t.Dims())
	if t.DType() == dtype.String {
		fmt.Fprintf(w, "%q\n", t.Strings())
		return
	}
	w.Write(t.Bytes())
}
