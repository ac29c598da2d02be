package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/mlc-go/mlc/ir/diag"
)

// Values of flags that the command line does not give come from the
// environment, MLC_THREADS for --threads, else from settingsFile in the working
// directory:
//
//	threads: 4             # of every command that has --threads
//	build:                 # of mlc build alone, before the former
//	  target: arm64
//	  shape: [x=1,3,224,224, y=1,8]
const (
	settingsFile  = "mlc.yaml"
	settingPrefix = "MLC_"
	settingsLimit = 1 << 20 // bytes of settingsFile
)

// setting is what one place says of a flag.
type setting struct {
	command string // empty: of every command that has the flag
	flag    string
	values  []string
	from    string // MLC_THREADS, or mlc.yaml:3
}

func (s setting) String() string {
	name := s.flag
	if s.command != "" {
		name = s.command + "." + name
	}
	return fmt.Sprintf("%s=%s (%s)", name, strings.Join(s.values, " "), s.from)
}

// settings lists what is set, that which goes first, first.
func settings(root *cobra.Command) ([]setting, error) {
	list := envSettings(root, os.LookupEnv)
	st, err := os.Stat(settingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err == nil && !st.Mode().IsRegular() { // reading a pipe may never end
		return list, usage("%s: want a regular file", settingsFile)
	}
	f, err := os.Open(settingsFile)
	if err != nil {
		return list, diag.In(settingsFile, diag.Usage, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, settingsLimit+1))
	if err != nil {
		return list, diag.In(settingsFile, diag.Usage, err)
	}
	if len(b) > settingsLimit {
		return list, usage("%s: have more than %d bytes", settingsFile, settingsLimit)
	}
	own, err := fileSettings(root, b)
	return append(list, own...), err
}

// envSettings finds the flags that the environment sets; an empty value sets none.
func envSettings(root *cobra.Command, lookup func(string) (string, bool)) (out []setting) {
	for _, n := range flagNames(root) {
		env := settingPrefix + strings.ToUpper(strings.ReplaceAll(n, "-", "_"))
		if v, ok := lookup(env); ok && v != "" {
			out = append(out, setting{flag: n, values: []string{v}, from: env})
		}
	}
	return out
}

// flagNames lists the flags of the commands, each once, in the order of names.
func flagNames(root *cobra.Command) (out []string) {
	for _, c := range append(root.Commands(), root) {
		out = append(out, flagsOf(c)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func flagsOf(c *cobra.Command) (out []string) {
	add := func(f *pflag.Flag) {
		if f.Name != "help" {
			out = append(out, f.Name)
		}
	}
	c.LocalFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return out
}

// fileSettings reads the text of settingsFile, what a command has of its own first.
func fileSettings(root *cobra.Command, text []byte) ([]setting, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, usage("%s: %s", settingsFile, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if doc.Kind == 0 || len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil // nothing, or comments alone
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fileFault(top, "want lines `flag: value` and `command:` with such lines under it")
	}
	var shared, own []setting
	for i := 0; i < len(top.Content); i += 2 {
		key, val := top.Content[i], top.Content[i+1]
		if repeated(top, i) {
			return nil, fileFault(key, "%q stands there twice", key.Value)
		}
		if val.Kind != yaml.MappingNode {
			s, err := oneSetting(key, val, flagNames(root), "mlc has no flag --"+key.Value)
			if err != nil {
				return nil, err
			}
			shared = append(shared, s)
			continue
		}
		c := commandNamed(root, key.Value)
		if c == nil {
			return nil, fileFault(key, "unknown command %q%s", key.Value, commandHint(root, key.Value))
		}
		names := flagsOf(c)
		for k := 0; k < len(val.Content); k += 2 {
			if repeated(val, k) {
				return nil, fileFault(val.Content[k], "%q stands there twice", val.Content[k].Value)
			}
			s, err := oneSetting(val.Content[k], val.Content[k+1], names, c.CommandPath()+" has no flag --"+val.Content[k].Value)
			if err != nil {
				return nil, err
			}
			s.command = c.Name()
			own = append(own, s)
		}
	}
	return append(own, shared...), nil
}

func commandNamed(root *cobra.Command, name string) *cobra.Command {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// repeated says whether key i of a mapping stood before.
func repeated(m *yaml.Node, i int) bool {
	for k := 0; k < i; k += 2 {
		if m.Content[k].Value == m.Content[i].Value {
			return true
		}
	}
	return false
}

// oneSetting is a line, whose flag must be among names.
func oneSetting(key, val *yaml.Node, names []string, unknown string) (setting, error) {
	s := setting{flag: key.Value, from: fmt.Sprintf("%s:%d", settingsFile, key.Line)}
	if !slices.Contains(names, s.flag) {
		return s, fileFault(key, "%s%s", unknown, diag.DidYouMean(s.flag, names, "`mlc help COMMAND` lists the flags"))
	}
	vals := []*yaml.Node{val}
	if val.Kind == yaml.SequenceNode {
		vals = val.Content
	}
	for _, v := range vals {
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
			return s, fileFault(key, "%s: want a value or a list of values", s.flag)
		}
		s.values = append(s.values, v.Value)
	}
	return s, nil
}

func fileFault(at *yaml.Node, format string, args ...any) error {
	return usage("%s:%d: %s", settingsFile, at.Line, fmt.Sprintf(format, args...))
}

// applySettings gives c's flags that the command line has not set their values.
func (a *app) applySettings(c *cobra.Command) error {
	list, err := settings(c.Root())
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.command != "" && s.command != c.Name() {
			continue
		}
		f := c.Flags().Lookup(s.flag)
		if f == nil || f.Changed { // by the command line, or by what goes before
			continue
		}
		if _, repeats := f.Value.(pflag.SliceValue); len(s.values) > 1 && !repeats {
			return usage("%s: --%s: have %d values, want one", s.from, s.flag, len(s.values))
		}
		for _, v := range s.values {
			if err := c.Flags().Set(s.flag, v); err != nil {
				return usage("%s: --%s: have %q, want %s", s.from, s.flag, v, f.Value.Type())
			}
		}
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[settingMark] = []string{s.from}
		if a.verbose {
			a.note("%s", s)
		}
	}
	return nil
}

// settingMark annotates a flag whose value is a setting's.
const settingMark = "mlc_setting"

// typed says whether the command line gives a flag. What has no effect beside
// something else is refused where it is typed, and only there: a setting is for
// many commands.
func typed(s *pflag.FlagSet, name string) bool {
	f := s.Lookup(name)
	return f != nil && f.Changed && f.Annotations[settingMark] == nil
}

// settingsCheck is doctor's line: what is set beside the command line, and where.
func settingsCheck(root *cobra.Command) check {
	list, err := settings(root)
	if err != nil {
		return check{"settings", false, err.Error()}
	}
	if len(list) == 0 {
		return check{"settings", true, "none: no " + settingsFile + " here, no " + settingPrefix + "FLAG in the environment"}
	}
	var out []string
	for _, s := range list {
		out = append(out, s.String())
	}
	return check{"settings", true, strings.Join(out, ", ")}
}
