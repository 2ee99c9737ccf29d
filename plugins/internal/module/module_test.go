package module

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// leb is an unsigned number as the format has it.
func leb(n int) []byte {
	var out []byte
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func vec(items ...[]byte) []byte { return cat(leb(len(items)), cat(items...)) }

func str(s string) []byte { return cat(leb(len(s)), []byte(s)) }

func sect(id byte, body []byte) []byte { return cat([]byte{id}, leb(len(body)), body) }

func mod(sections ...[]byte) []byte { return cat([]byte(Magic), cat(sections...)) }

func types(ts ...string) []byte { // "ii:I" is (i32, i32) -> i64
	var items [][]byte
	for _, t := range ts {
		p, r, _ := strings.Cut(t, ":")
		one := func(s string) (out []byte) {
			out = leb(len(s))
			for _, c := range s {
				out = append(out, map[rune]byte{'i': byte(I32), 'I': byte(I64), 'f': byte(F32), 'F': byte(F64), 'v': byte(V128)}[c])
			}
			return out
		}
		items = append(items, cat([]byte{0x60}, one(p), one(r)))
	}
	return sect(SectionType, vec(items...))
}

func funcs(ts ...int) []byte {
	var items [][]byte
	for _, t := range ts {
		items = append(items, leb(t))
	}
	return sect(SectionFunction, vec(items...))
}

func body(locals []byte, ops ...byte) []byte {
	b := cat(locals, ops, []byte{byte(OpEnd)})
	return cat(leb(len(b)), b)
}

var none = []byte{0} // no locals

func code(bodies ...[]byte) []byte { return sect(SectionCode, vec(bodies...)) }

func export(name string, k Kind, i int) []byte { return cat(str(name), []byte{byte(k)}, leb(i)) }

func exports(es ...[]byte) []byte { return sect(SectionExport, vec(es...)) }

// plugin is the smallest module that may be one, with more sections in between by id.
func plugin(more map[byte][]byte) []byte {
	parts := map[byte][]byte{
		SectionType:     types(":i", "i:i", "ii:i", "ii:I", ":"),
		SectionFunction: funcs(0, 1, 2, 3),
		SectionMemory:   sect(SectionMemory, []byte{1, 0, 1}),
		SectionExport: exports(export(abi.Memory, MemoryKind, 0), export(abi.Version, Function, 0),
			export(abi.Alloc, Function, 1), export(abi.Init, Function, 2), export(abi.Transform, Function, 3)),
		SectionCode: code(body(none, 0x41, 0), body(none, 0x41, 8), body(none, 0x41, 0), body(none, 0x42, 0)),
	}
	for id, b := range more {
		parts[id] = b
	}
	out := []byte(Magic)
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11, 0} {
		out = append(out, parts[id]...)
	}
	return out
}

func wants(t *testing.T, err error, code abi.Code, step, words string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want %s at %s", err, code, step)
	}
	if e.Code != code || e.Step != step || !strings.Contains(e.Message, words) {
		t.Errorf("%s at %s: %s\nwant %s at %s: …%s…", e.Code, e.Step, e.Message, code, step, words)
	}
}

var manifest = abi.Manifest{Name: "mask", Version: "1.0.0", ABI: "1.0", Scope: abi.SampleScope, Writes: abi.Writes{Value: true}}

func TestManifestComesBack(t *testing.T) {
	with, err := AppendManifest(plugin(nil), manifest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(with)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Gate(); err != nil {
		t.Error(err)
	}
	got, err := m.Manifest()
	if d := cmp.Diff(manifest, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	other := manifest
	other.Version = "1.1.0"
	again, err := AppendManifest(with, other)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Parse(again); err != nil || len(m.Customs) != 1 {
		t.Fatalf("%v, %d custom sections, want the one that replaced the first", err, len(m.Customs))
	}
	if got, err = m.Manifest(); err != nil || got.Version != "1.1.0" {
		t.Errorf("%v, version %s", err, got.Version)
	}
}
