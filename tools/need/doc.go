// Package need is how tests say what they cannot do without: test data, a
// command, a kind of system, time. It alone may skip a test (a test of
// tools/layers holds it to that), so that every skip names what lacks and
// continuous integration, which has everything, fails instead.
//
//	dir := need.Shared(t, "corpus")               // the folder of test data
//	node := need.Command(t, "node", "the program runs under it")
//	need.System(t, goruntime.GOOS != "windows", "symbolic links")
//	need.Time(t, "a minute")                      // -short leaves it out
//
// It must not know a model, a file format or a kernel.
package need
