package record

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode compares the scanner with the reference decoder, and what is
// written from a decoded record with the record.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Decode(b)
		want, wantErr := reference(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Decode says %v, the reference %v", err, wantErr)
		}
		if err != nil {
			checkError(t, b, err)
			return
		}
		if diff := cmp.Diff(want, got, sameBits); diff != "" {
			t.Fatalf("reference and Decode differ (-reference +Decode):\n%s", diff)
		}
		again, err := Decode(got.Append(nil))
		if err != nil {
			t.Fatalf("%s: %v", got.Append(nil), err)
		}
		if diff := cmp.Diff(got, again, sameBits); diff != "" {
			t.Fatalf("written and read again (-first +again):\n%s", diff)
		}
		checkRewrite(t, b, got)
	})
}

// checkError checks that an error can be shown and does not blame what is right.
func checkError(t *testing.T, b []byte, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *Error", err)
	}
	if e.Offset < 0 || e.Offset > len(b) || e.Detail == "" || len(e.Detail) > 200 || !utf8.ValidString(e.Detail) {
		t.Errorf("unfit for people: %+v", e)
	}
	sound := utf8.Valid(b) && !refLoneSurrogate(b)
	switch valid := json.Valid(b); {
	case e.Reason == NotJSON && valid:
		t.Errorf("it is JSON: %v", e)
	case e.Reason == BadUTF8 && valid && sound:
		t.Errorf("its strings are sound: %v", e)
	case e.Reason == TooLarge && len(b) <= MaxBytes && valid && refDepth(b) <= MaxDepth:
		t.Errorf("it is neither long nor deep: %v", e)
	}
}

// checkRewrite writes b as a processed record, from copied and from parsed
// values, and checks that the samples stay the same.
func checkRewrite(t *testing.T, b []byte, want Record) {
	t.Helper()
	if want.Report >= 0 {
		return
	}
	var (
		s Scanner
		v View
	)
	if err := s.Strict(b, &v); err != nil {
		t.Fatal(err)
	}
	want.Flat, want.Scope = false, ""
	for _, copied := range []bool{true, false} {
		out := rewrite(&v, want, copied)
		got, err := Decode(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if diff := cmp.Diff(want, got, sameBits); diff != "" {
			t.Fatalf("rewritten as %s (-want +got):\n%s", out, diff)
		}
	}
}

func rewrite(v *View, r Record, copied bool) []byte {
	out := AppendHead(nil, r.Task)
	out = AppendStamp(out, v.Timestamp, v.RID, v.Seq, v.CV)
	out = AppendName(out, r.Origin, "", r.Metric, r.Kind)
	out = AppendLists(out, r.Labels, r.To)
	if v.End {
		out = append(out, PartEnd...)
	}
	out = append(out, PartPoints...)
	for i := range v.Points {
		p := &v.Points[i]
		if i > 0 {
			out = append(out, ',')
		}
		if !copied {
			p.Values = nil
		}
		key := AppendPointKey(nil, p.Subtask, p.Attempt, r.Points[i].Labels)
		if v.End {
			p = nil
		}
		out = AppendPoint(out, key, v.Kind, p)
	}
	return append(out, PartClose...)
}

// FuzzScan compares a Scanner that has learned from other records with one that
// reads by the keys.
func FuzzScan(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), []byte(seeds[(i+1)%len(seeds)]))
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, before, b []byte) {
		var v View
		s := NewScanner()
		for range 2 {
			_ = s.Scan(before, &v) // refused or not, it must not spoil what follows
		}
		compareScan(t, s, b)
		fast := s.Fast
		compareScan(t, s, b)
		if learnable(b) && s.Fast == fast {
			t.Error("the layout of a record was not learned from it")
		}
	})
}

// learnable reports whether a Scanner learns the layout of the sound record b.
func learnable(b []byte) bool {
	var s Scanner
	return s.Strict(b, new(View)) == nil && s.plain && len(s.marks) <= maxSlots && len(b) <= maxFixed
}

// compareScan checks that Scan does with b what Strict does.
func compareScan(t *testing.T, s *Scanner, b []byte) {
	t.Helper()
	var fresh Scanner
	var got, want View
	err, wantErr := s.Scan(b, &got), fresh.Strict(b, &want)
	if !reflect.DeepEqual(wantErr, err) {
		t.Fatalf("%s\nScan says %v, Strict %v", b, err, wantErr)
	}
	if err != nil || reflect.DeepEqual(want, got) {
		return // quickly; a NaN differs from itself and needs the long way
	}
	if diff := cmp.Diff(want, got, sameBits); diff != "" {
		t.Fatalf("views (-Strict +Scan):\n%s", diff)
	}
}
