// Package auth tells who asks an instance: it knows the file of tokens and
// certificates, and what they give. It does not know how a request carries a
// token, nor what an operation needs.
package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/whole"
)

// File is what a file of tokens says.
type File struct {
	Tokens       []Token       `json:"tokens"`
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Token is a bearer token, as the file has it. The token itself is not in it.
type Token struct {
	Name    string       `json:"name"` // of who has it; in the audit
	Role    runtime.Role `json:"role"`
	Teams   []string     `json:"teams,omitempty"` // what it may change is bounded to these; none: no bound
	Hash    string       `json:"hash,omitempty"`  // SHA-256 of the token, in hexadecimal digits
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires,omitzero"` // zero: never
}

// Certificate gives a role to who has a client certificate of this name.
type Certificate struct {
	Name  string       `json:"name"` // its common name, or one of its DNS names or URIs
	Role  runtime.Role `json:"role"`
	Teams []string     `json:"teams,omitempty"`
}

// Bounds of a file.
const (
	maxFile    = 4 << 20 // bytes
	maxEntries = 10_000
)

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// tokenPrefix lets people, and programs that look for secrets that have got out,
// see what it is.
const tokenPrefix = "sluice_"

// NewToken makes a token that lives for a time (0: for ever) and its entry. The
// error says what is wrong with the name, the role or the teams.
func NewToken(name string, role runtime.Role, teams []string, now time.Time, life time.Duration) (secret string, entry Token, err error) {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return "", entry, err
	}
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	entry = Token{Name: name, Role: role, Teams: teams, Hash: digest(secret), Created: now.UTC().Truncate(time.Second)}
	if life > 0 {
		entry.Expires = entry.Created.Add(life)
	}
	err = entry.check()
	return secret, entry, err
}

// digest is what the file keeps of a token. A fast hash is enough: there are 2²⁵⁶
// tokens to try, so slowing a try down would only slow requests down.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (t *Token) check() error {
	if hash, err := hex.DecodeString(t.Hash); err != nil || len(hash) != sha256.Size {
		return fmt.Errorf("token %s: hash must be 64 hexadecimal digits", t.Name)
	}
	if !t.Expires.IsZero() && t.Expires.Before(t.Created) {
		return fmt.Errorf("token %s: it expires before it was created", t.Name)
	}
	if !names.MatchString(t.Name) {
		return fmt.Errorf("token %q: a name has 1 to 64 letters, digits and . _ @ -", t.Name)
	}
	return rights("token "+t.Name, t.Role, t.Teams)
}

func rights(of string, role runtime.Role, teams []string) error {
	if !role.Known() {
		return fmt.Errorf("%s: role is %q; write one of viewer, author, operator, admin", of, role)
	}
	if slices.Contains(teams, "") {
		return fmt.Errorf("%s: a team has no name", of)
	}
	return nil
}

// Check says what is wrong with a file.
func (f *File) Check() error {
	if len(f.Tokens)+len(f.Certificates) > maxEntries {
		return fmt.Errorf("there are more than %d entries", maxEntries)
	}
	seen := map[string]bool{}
	once := func(key, what string) error {
		if seen[key] {
			return fmt.Errorf("%s is there twice", what)
		}
		seen[key] = true
		return nil
	}
	for i := range f.Tokens {
		t := &f.Tokens[i]
		if err := errors.Join(t.check(), once("t"+t.Name, "token "+t.Name), once("h"+t.Hash, "the hash of token "+t.Name)); err != nil {
			return err
		}
	}
	for _, c := range f.Certificates {
		of := "certificate " + c.Name
		if c.Name == "" {
			return errors.New("a certificate has no name")
		}
		if err := errors.Join(rights(of, c.Role, c.Teams), once("c"+c.Name, of)); err != nil {
			return err
		}
	}
	return nil
}

// Read reads a file of tokens. It refuses one that others than its owner and group
// may read, or others than its owner may write. An error wraps fs.ErrNotExist when
// there is none.
func Read(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO that nobody writes would hold it up
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	if err := checkMode(name, info); err != nil {
		return File{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return File{}, err
	}
	if len(text) > maxFile {
		return File{}, fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	parsed, err := parse(text)
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", name, err)
	}
	return parsed, nil
}

func parse(text []byte) (f File, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return File{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return File{}, errors.New("there is more than one value")
	}
	err = f.Check()
	return f, err
}

// checkMode refuses what others may read or write. Its group may read: that is how
// a mounted secret reaches a process that is not its owner.
func checkMode(name string, info fs.FileInfo) error {
	if info.IsDir() {
		return fmt.Errorf("%s is a directory; name a file", name)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", name)
	}
	if mode := info.Mode().Perm(); ownModes && mode&0o027 != 0 {
		return fmt.Errorf("%s has mode %04o: others may read it, or its group may write it; chmod 600 it", name, mode)
	}
	return nil
}

// Write replaces a file of tokens at once, readable by its owner only.
func (f *File) Write(name string) error {
	if err := f.Check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return whole.Text(name, 0o600, append(text, '\n'))
}
