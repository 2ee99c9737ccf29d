package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newToken(t *testing.T, name string, role runtime.Role, life time.Duration) (string, Token) {
	t.Helper()
	secret, entry, err := NewToken(name, role, []string{"pay"}, now, life)
	if err != nil {
		t.Fatal(err)
	}
	return secret, entry
}

func write(t *testing.T, name string, f File) {
	t.Helper()
	if err := f.Write(name); err != nil {
		t.Fatal(err)
	}
}

func TestTokens(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tokens.json")
	forever, a := newToken(t, "ci", runtime.RoleOperator, 0)
	hour, b := newToken(t, "on-call", runtime.RoleViewer, time.Hour)
	write(t, name, File{Tokens: []Token{a, b}, Certificates: []Certificate{{Name: "prometheus", Role: runtime.RoleViewer}}})
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v", info.Mode(), err)
	}
	text, err := os.ReadFile(name)
	if err != nil || bytes.Contains(text, []byte(forever)) || len(forever) != len(tokenPrefix)+43 || forever == hour {
		t.Errorf("the file has the token, or tokens are alike: %s", text)
	}
	var log bytes.Buffer
	k, err := Open(name, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		secret string
		at     time.Time
		name   string
		err    error
	}{
		{forever, now, "ci", nil},
		{forever, now.AddDate(100, 0, 0), "ci", nil},
		{hour, now.Add(time.Hour - time.Second), "on-call", nil},
		{hour, now.Add(time.Hour), "", ErrExpired},
		{"", now, "", ErrUnknown},
		{forever[:len(forever)-1], now, "", ErrUnknown},
		{forever + "x", now, "", ErrUnknown},
		{strings.ToUpper(forever), now, "", ErrUnknown},
		{a.Hash, now, "", ErrUnknown}, // what the file says opens nothing
	} {
		got, err := k.Bearer(c.secret, c.at)
		if got.Name != c.name || !errors.Is(err, c.err) {
			t.Errorf("%.12s at %v: %+v, %v", c.secret, c.at, got, err)
		}
	}
	if got, err := k.Certificate([]string{"other", "prometheus"}); err != nil || got.Role != runtime.RoleViewer {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := k.Certificate([]string{"Prometheus", ""}); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}

	// What is revoked is out at once, and what is new is in.
	other, c := newToken(t, "new", runtime.RoleAdmin, 0)
	write(t, name, File{Tokens: []Token{b, c}})
	if _, err := k.Bearer(forever, now); !errors.Is(err, ErrUnknown) {
		t.Errorf("after it was revoked: %v", err)
	}
	if got, err := k.Bearer(other, now); err != nil || got.Role != runtime.RoleAdmin || !got.MayChange("pay") || got.MayChange("ads") {
		t.Errorf("%+v, %v", got, err)
	}

	// A file that cannot be read lets nobody in, says so once, and heals.
	for what, spoil := range map[string]func() error{
		"broken":       func() error { return os.WriteFile(name, []byte("{"), 0o600) },
		"gone":         func() error { return os.Remove(name) },
		"for everyone": func() error { return os.Chmod(name, 0o644) },
	} {
		log.Reset()
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := k.Bearer(other, now); !errors.Is(err, ErrNoFile) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := strings.Count(log.String(), "nobody is let in"); n != 1 {
			t.Errorf("%s: said %d times: %s", what, n, &log)
		}
		write(t, name, File{Tokens: []Token{c}})
		if _, err := k.Bearer(other, now); err != nil {
			t.Errorf("%s, then right again: %v", what, err)
		}
	}
}

func TestWrongFiles(t *testing.T) {
	dir := t.TempDir()
	_, good := newToken(t, "ci", runtime.RoleViewer, 0)
	entry := func(edit func(*Token)) string {
		e := good
		edit(&e)
		text, err := json.Marshal(File{Tokens: []Token{e}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	twice, err := json.Marshal(File{Tokens: []Token{good, good}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                       "EOF",
		"[]":                                     "cannot unmarshal",
		`{"tokens":[]} {}`:                       "more than one value",
		`{"token":[]}`:                           "unknown field",
		`{"tokens":[{"name":"a","secret":"x"}]}`: "unknown field",
		`{"certificates":[{"role":"viewer"}]}`:   "no name",
		`{"certificates":[{"name":"a","role":"root"}]}`: "write one of",
		string(twice): "twice",
		entry(func(e *Token) { e.Role = "root" }):                 "write one of",
		entry(func(e *Token) { e.Name = "" }):                     "a name has",
		entry(func(e *Token) { e.Name = "a\nb" }):                 "a name has",
		entry(func(e *Token) { e.Hash = "sluice_plain" }):         "hash must be",
		entry(func(e *Token) { e.Teams = []string{""} }):          "a team has no name",
		entry(func(e *Token) { e.Expires = now.Add(-time.Hour) }): "before it was created",
		strings.Repeat(" ", maxFile+1):                            "more than",
	} {
		name := filepath.Join(dir, "tokens.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(name, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sluice_plain") {
			t.Errorf("%.80s: error %v, want %q", text, err, want)
		}
	}
	if _, err := Open(filepath.Join(dir, "none"), slog.New(slog.DiscardHandler)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a directory is taken for a file")
	}
	for mode, wrong := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: false, 0o644: true, 0o660: true, 0o604: true, 0o602: true} {
		name := filepath.Join(dir, "mode.json")
		write(t, name, File{Tokens: []Token{good}})
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(name); (err != nil) != (wrong && ownModes) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	bad := File{Tokens: []Token{{Name: "x"}}}
	if err := bad.Write(filepath.Join(dir, "mode.json")); err == nil {
		t.Error("a wrong file is written")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"tokens":[{"name":"a","role":"viewer","hash":"` + strings.Repeat("0", 64) + `","created":"2026-01-02T03:04:05Z"}]}`))
	f.Add([]byte(`{"certificates":[{"name":"a","role":"admin","teams":["pay"]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parse(text)
		if err != nil {
			return
		}
		out, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
		if d := cmp.Diff(file, again, same); d != "" && len(file.Tokens)+len(file.Certificates) > 0 {
			t.Fatal(d)
		}
	})
}
