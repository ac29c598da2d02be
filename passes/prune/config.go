package prune

import (
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Structure says what is left out.
type Structure string

// The structures.
const (
	Unstructured Structure = "unstructured" // single weights, as zeros
	Channel      Structure = "channel"      // whole channels, removed
)

// Criterion says what matters least. For single weights both are |w|.
type Criterion string

// The criteria.
const (
	Magnitude Criterion = "magnitude" // of a channel: the root of the sum of squares of its filters
	L1        Criterion = "l1"        // of a channel: the sum of absolute values of its filters
)

// Scope says over what the sparsity is taken.
type Scope string

// The scopes.
const (
	Layer  Scope = "layer"  // every layer gives its share
	Global Scope = "global" // the least of the whole model
)

// Structures, Criteria and Scopes list what there is.
func Structures() []string { return []string{string(Unstructured), string(Channel)} }

// Criteria lists the criteria.
func Criteria() []string { return []string{string(Magnitude), string(L1)} }

// Scopes lists the scopes.
func Scopes() []string { return []string{string(Layer), string(Global)} }

// Config says what to leave out. Zero fields are defaults.
type Config struct {
	Sparsity  float64   // share of weights, or of the channels that can go, to leave out: between 0 and 1
	Structure Structure // default Unstructured
	Criterion Criterion // default Magnitude
	Scope     Scope     // default Layer

	// Align keeps the number of channels of each layer a multiple of it where
	// it removes any; at least one multiple stays. 0 and 1: any number.
	Align int
	// MinChannels is how many channels each layer keeps at least (all, if it
	// has fewer). 0: a layer left without channels is an error.
	MinChannels int
	// Value gives the current elements of a weight; nil: the constant's own. A
	// trainer whose weights are states answers from them.
	Value func(v *ir.Value) (tensor.Tensor, error)
}

// Check says what is wrong with c, an error of kind Usage.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults fills in and checks c.
func (c Config) withDefaults() (Config, error) {
	if c.Structure == "" {
		c.Structure = Unstructured
	}
	if c.Criterion == "" {
		c.Criterion = Magnitude
	}
	if c.Scope == "" {
		c.Scope = Layer
	}
	if c.Align == 0 {
		c.Align = 1
	}
	if c.Value == nil {
		c.Value = func(v *ir.Value) (tensor.Tensor, error) { return v.Const().Tensor() }
	}
	for _, x := range []struct {
		what, have string
		want       []string
	}{{"structure", string(c.Structure), Structures()}, {"criterion", string(c.Criterion), Criteria()}, {"scope", string(c.Scope), Scopes()}} {
		if !contains(x.want, x.have) {
			return c, diag.New(diag.Usage, "%s %q: unknown (have %s)", x.what, x.have, strings.Join(x.want, ", "))
		}
	}
	if !(c.Sparsity > 0 && c.Sparsity < 1) {
		return c, diag.New(diag.Usage, "sparsity %v: want more than 0 and less than 1", c.Sparsity)
	}
	if c.Align < 0 || c.MinChannels < 0 {
		return c, diag.New(diag.Usage, "align %d, least channels %d: want no negative numbers", c.Align, c.MinChannels)
	}
	if c.Structure != Channel && (c.Align > 1 || c.MinChannels > 0) {
		return c, diag.New(diag.Usage, "align and least channels are for structure %s, not %s", Channel, c.Structure)
	}
	return c, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
