package module

import "slices"

// Strip returns a module that was parsed without its custom sections. A runtime is
// given no others: it may allocate what a section announces and does not have.
func Strip(wasm []byte) []byte {
	return without(wasm, func(string) bool { return true })
}

// without copies a module that was parsed, but for the custom sections of some names.
func without(wasm []byte, drop func(name string) bool) []byte {
	out := slices.Clone(wasm[:len(Magic)])
	r := &reader{b: wasm, at: len(Magic)}
	for r.more() {
		start := r.at
		id := r.byte()
		body := &reader{b: r.take(r.u32())}
		if id == SectionCustom && drop(body.name()) {
			continue
		}
		out = append(out, wasm[start:r.at]...)
	}
	return out
}
