package gosrc

// KernelVar is the variable that holds a kernel, for the test of what is linked.
func KernelVar(id string) string { return kernelVars[id] }
