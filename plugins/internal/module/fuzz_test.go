package module

import (
	"errors"
	"testing"
)

// Whatever it is given, a module is read, refused with an *Error, or let in; what a
// manifest is appended to has it.
func FuzzParse(f *testing.F) {
	f.Add(plugin(nil))
	f.Add(oneFunc(0x41, 0, 0x0e, 1, 0, 0))
	f.Add(oneFunc(0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a))
	f.Add(coded(body(none, 0xd0, 0x70, 0x41, 1, 0xfc, 0x0f, 0), nil))
	if with, err := AppendManifest(plugin(nil), manifest); err == nil {
		f.Add(with)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			isError(t, err)
			return
		}
		for _, body := range m.Bodies {
			n := 0
			for in := range body.Instructions() {
				n += len(in.Raw)
			}
			if n != len(body.Code) {
				t.Errorf("%d bytes of instructions in %d of code", n, len(body.Code))
			}
		}
		m.Figures()
		m.FunctionNames()
		for _, err := range []error{m.Gate(), second(m.Manifest())} {
			if err != nil {
				isError(t, err)
			}
		}
		with, err := AppendManifest(b, manifest)
		if err != nil {
			t.Fatal(err)
		}
		if m, err = Parse(with); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Manifest(); err != nil || got.Name != manifest.Name {
			t.Errorf("manifest %+v, %v", got, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func isError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code == 0 || e.Step == "" || e.Message == "" {
		t.Errorf("%#v is no whole *Error", err)
	}
}
