package quant

var impls = map[string]*Funcs{"neon": &NEON}
