package diag

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind classifies an Error; the command's exit code follows from it.
type Kind uint8

// The kinds, from the caller's fault to ours.
const (
	Internal    Kind = iota // our fault; a reproducer is written where one can be
	Usage                   // a flag, option or argument is wrong
	BadModel                // a model or artifact file is malformed
	BadData                 // tensors or data sets are malformed
	Unsupported             // legal, but nothing here can do it; says what is supported
	Shape                   // shapes or types disagree
	Budget                  // a budget set by the user cannot be met
	Limit                   // a resource limit was hit
)

var kindNames = [...]string{"internal error", "usage", "bad model", "bad data", "unsupported", "shape", "budget", "limit"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// ExitCode is the process exit code for the kind (CLI house rules).
func (k Kind) ExitCode() int {
	switch k {
	case Usage:
		return 2
	case BadModel, BadData, Shape:
		return 3
	case Unsupported, Budget, Limit:
		return 4
	}
	return 5
}

// Error is the one error type. Every field is optional; Error prints those
// that are set as one line, most specific locus last before the fault:
//
//	model.onnx: node "conv1" (Conv-11): C5: W input channels: have 16, want 3
type Error struct {
	Kind       Kind
	File       string // file, and position in it where known ("lenet.txt:7:2")
	Node       string // node, initializer or value; printed as node "x" unless it holds a blank
	Op         string // operator with its version, "Conv-11"
	Port       string // input, output, attribute, or a word for what is wrong
	Constraint string // "C5"
	Have, Want string
	Err        error // cause or message
}

// Error prints the fault as one line, lower case, without a full stop.
func (e *Error) Error() string {
	var parts []string
	if e.File != "" {
		parts = append(parts, e.File)
	}
	switch {
	case e.Node != "" && strings.ContainsRune(e.Node, ' '):
		parts = append(parts, locus(e.Node, e.Op)) // "initializer \"fc\"", "pass x"
	case e.Node != "":
		parts = append(parts, locus("node "+strconv.Quote(e.Node), e.Op))
	case e.Op != "":
		parts = append(parts, e.Op)
	}
	if e.Kind == Internal || e.Kind == Unsupported {
		parts = append(parts, e.Kind.String())
	}
	if e.Constraint != "" {
		parts = append(parts, e.Constraint)
	}
	if e.Port != "" {
		parts = append(parts, e.Port)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	switch {
	case e.Have != "" && e.Want != "":
		parts = append(parts, "have "+e.Have+", want "+e.Want)
	case e.Have != "":
		parts = append(parts, "have "+e.Have)
	case e.Want != "":
		parts = append(parts, "want "+e.Want)
	}
	if len(parts) == 0 {
		return e.Kind.String()
	}
	return strings.Join(parts, ": ")
}

func locus(what, op string) string {
	if op == "" {
		return what
	}
	return what + " (" + op + ")"
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error of a kind with a formatted message.
func New(k Kind, format string, a ...any) *Error {
	return &Error{Kind: k, Err: fmt.Errorf(format, a...)}
}

// In returns err with File set where it is not yet; other errors are wrapped
// under kind k. It returns nil for nil.
func In(file string, k Kind, err error) error {
	if err == nil {
		return nil
	}
	if l, ok := err.(List); ok {
		out := make(List, len(l))
		for i, e := range l {
			out[i] = In(file, k, e).(*Error)
		}
		return out
	}
	var e *Error
	if errors.As(err, &e) {
		if e.File == "" {
			c := *e
			c.File = file
			return &c
		}
		return e
	}
	return &Error{Kind: k, File: file, Err: err}
}

// At is In for a node: it fills Node and Op where they are empty.
func At(node, op string, k Kind, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		c := *e
		if c.Node == "" {
			c.Node = node
		}
		if c.Op == "" {
			c.Op = op
		}
		return &c
	}
	return &Error{Kind: k, Node: node, Op: op, Err: err}
}

// MaxFaults is how many independent faults a List prints.
const MaxFaults = 10

// List is several independent faults in file order.
type List []*Error

// Error prints up to MaxFaults faults, one a line.
func (l List) Error() string {
	var b strings.Builder
	for i, e := range l {
		if i == MaxFaults {
			fmt.Fprintf(&b, "\n(%d more)", len(l)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap lets errors.As find the first fault.
func (l List) Unwrap() []error {
	out := make([]error, len(l))
	for i, e := range l {
		out[i] = e
	}
	return out
}

// Err is nil for an empty list, the fault itself for one, else the list.
func (l List) Err() error {
	switch len(l) {
	case 0:
		return nil
	case 1:
		return l[0]
	}
	return l
}

// KindOf is the kind of the first *Error in err's tree, Internal if none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
