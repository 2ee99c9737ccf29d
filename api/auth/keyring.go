package auth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// What a keyring says of who asks.
var (
	ErrUnknown = errors.New("the token is not known")    // or the certificate
	ErrExpired = errors.New("the token has expired")     // it was known
	ErrNoFile  = errors.New("the tokens cannot be read") // so nobody is let in
)

// Keyring lets in by a file of tokens. It reads the file again when it has
// changed; while it cannot be read, nobody is let in: a token that was revoked
// must not go on because of a mistake. It may be used by any goroutine.
type Keyring struct {
	name string
	log  *slog.Logger

	mu   sync.Mutex
	seen stamp
	file File
	err  error
}

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
	mode     fs.FileMode
	file     fs.FileInfo
}

func (s stamp) same(o stamp) bool {
	return s.modified.Equal(o.modified) && s.size == o.size && s.mode == o.mode && (s.file == nil) == (o.file == nil) && (s.file == nil || os.SameFile(s.file, o.file))
}

// Open reads a file of tokens.
func Open(name string, log *slog.Logger) (*Keyring, error) {
	k := &Keyring{name: name, log: log}
	if _, err := k.current(); err != nil {
		return nil, k.err
	}
	return k, nil
}

// current returns what the file says now.
func (k *Keyring) current() (File, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.name)
	now := stamp{}
	if err == nil {
		now = stamp{info.ModTime(), info.Size(), info.Mode(), info}
	}
	first := k.seen.file == nil && k.err == nil
	if first || err != nil || k.err != nil || !now.same(k.seen) {
		k.load(now, first)
	}
	if k.err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrNoFile, k.err)
	}
	return k.file, nil
}

func (k *Keyring) load(now stamp, first bool) {
	file, err := Read(k.name)
	switch {
	case first:
	case err != nil && (k.err == nil || err.Error() != k.err.Error()):
		k.log.Error("nobody is let in: the tokens cannot be read", "error", err)
	case err == nil:
		k.log.Info("tokens are read again", "file", k.name, "tokens", len(file.Tokens), "certificates", len(file.Certificates))
	}
	k.file, k.err, k.seen = file, err, now
}

// Bearer returns who has a token. It looks at every token, and as long at each:
// time tells nothing of them. The error is ErrUnknown or ErrExpired, or wraps
// ErrNoFile.
func (k *Keyring) Bearer(secret string, now time.Time) (runtime.Actor, error) {
	file, err := k.current()
	if err != nil {
		return runtime.Actor{}, err
	}
	got := []byte(digest(secret))
	at := -1
	for i := range file.Tokens {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(got, []byte(file.Tokens[i].Hash)), i, at)
	}
	if at < 0 {
		return runtime.Actor{}, ErrUnknown
	}
	t := &file.Tokens[at]
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return runtime.Actor{}, ErrExpired
	}
	return runtime.Actor{Name: t.Name, Role: t.Role, Teams: t.Teams}, nil
}

// Certificate returns who has a client certificate of these names: by the first
// entry of the file that is one of them. Errors as of Bearer.
func (k *Keyring) Certificate(names []string) (runtime.Actor, error) {
	file, err := k.current()
	if err != nil {
		return runtime.Actor{}, err
	}
	for _, c := range file.Certificates {
		if slices.Contains(names, c.Name) {
			return runtime.Actor{Name: c.Name, Role: c.Role, Teams: c.Teams}, nil
		}
	}
	return runtime.Actor{}, ErrUnknown
}
