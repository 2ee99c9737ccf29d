package abi

import (
	"testing"
	"unsafe"
)

// The layout is a contract with guests in every language.
func TestLayout(t *testing.T) {
	var h Header
	var r Record
	var x Result
	for _, c := range []struct {
		what      string
		got, want uintptr
	}{
		{"header", unsafe.Sizeof(h), 64},
		{"header records", unsafe.Offsetof(h.Records), 8},
		{"header bytes", unsafe.Offsetof(h.BytesAt), 32},
		{"header now", unsafe.Offsetof(h.Now), 40},
		{"header sequence", unsafe.Offsetof(h.Sequence), 48},
		{"header flags", unsafe.Offsetof(h.Flags), 56},
		{"header record size", unsafe.Offsetof(h.RecordSize), 60},
		{"record", unsafe.Sizeof(r), 32},
		{"record value", unsafe.Offsetof(r.Value), 8},
		{"record name", unsafe.Offsetof(r.Name), 16},
		{"record first", unsafe.Offsetof(r.First), 20},
		{"record labels", unsafe.Offsetof(r.Labels), 24},
		{"record kind", unsafe.Offsetof(r.Kind), 26},
		{"record flags", unsafe.Offsetof(r.Flags), 27},
		{"record source", unsafe.Offsetof(r.Source), 28},
		{"pair", unsafe.Sizeof(Pair{}), 8},
		{"ref", unsafe.Sizeof(Ref{}), 8},
		{"result", unsafe.Sizeof(x), 32},
		{"result pairs", unsafe.Offsetof(x.PairsAt), 24},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
}

func TestAnswer(t *testing.T) {
	if at, length, ok := Answered(0x90000000).Result(); !ok || at != 0x90000000 || length != 32 {
		t.Errorf("an address above 2 GiB comes back as %#x %d %t", at, length, ok)
	}
	if c := Answered(8).Code(); c != 0 {
		t.Errorf("a result has the code %s", c)
	}
	if c := Refused(BatchFailed).Code(); c != BatchFailed {
		t.Errorf("a refusal has the code %s", c)
	}
	if _, _, ok := Answer(0).Result(); ok {
		t.Error("the answer 0 has a result")
	}
}

func TestEveryCodeHasAWord(t *testing.T) {
	for _, span := range [][2]Code{{BadConfig, Internal}, {Trap, Broken}} {
		for c := span[0]; c <= span[1]; c++ {
			if words[c] == "" {
				t.Errorf("code %d has no word", c)
			}
		}
	}
	if got := Code(77).String(); got != "code-77" {
		t.Errorf("a code without a word is %s", got)
	}
}
