// Package depot keeps files by their digest: on the control topic, in chunks, so
// that every instance of a fleet has them, and in a directory, so that a restart
// needs no broker. What it hands out has the digest that was asked for.
//
// It does not look into the files, and knows neither plugins nor Kafka: the log is
// a port, and what is said about a file is bytes to it.
package depot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// Bounds of a depot. Every instance holds in memory what is on the topic.
const (
	MaxSize  = 16 << 20  // bytes of a file
	MaxTotal = 128 << 20 // bytes of all
	MaxFiles = 500

	maxAbout  = 64 << 10  // bytes of what is said about a file
	chunkSize = 512 << 10 // bytes of a file in a record
)

// Errors of a depot. Others are those of its log or directory.
var (
	ErrDigest     = errors.New("no digest of a file: sha256: and 64 hexadecimal digits, lower case")
	ErrUnknown    = errors.New("it was never stored")
	ErrDeleted    = errors.New("it was deleted")
	ErrIncomplete = errors.New("a part of it is missing")
	ErrDamaged    = errors.New("its bytes are not those of its digest")
	ErrNotLoaded  = errors.New("the control topic is not read to its end yet")
	ErrTooLarge   = errors.New("it is too large")
	ErrFull       = errors.New("the depot is full")
)

// Entry is a file of the depot.
type Entry struct {
	Digest string          // sha256: and hexadecimal digits
	Size   int64           // bytes
	About  json.RawMessage // what was said about it; nil of one that is in the directory only
	By     string          // who stored it; "" is an instance itself, or nobody knows
	From   string          // the address that it came from
	At     time.Time       // when; zero of one that is in the directory only
	Fleet  bool            // it is on the control topic: every instance has it
}

// head is what the control topic says of a file; its chunks lie beside it. One that
// was deleted is remembered, so that an instance that was away deletes it, too.
type head struct {
	Size    int64           `json:"size,omitempty"`
	Chunks  int             `json:"chunks,omitempty"`
	About   json.RawMessage `json:"about,omitempty"`
	By      string          `json:"by,omitempty"`
	From    string          `json:"from,omitempty"`
	At      time.Time       `json:"at"`
	Deleted bool            `json:"deleted,omitempty"`
}

// Depot keeps files. Safe for concurrent use.
type Depot struct {
	log  func() control.Log // nil while there is none
	disk disk
	says *slog.Logger
}

// New returns the depot of a directory and a log. Without a directory, "", there is
// the log alone. log returns nil while there is none; then there is the directory
// alone, to read from. Nothing is read or written here.
func New(dir string, log func() control.Log, says *slog.Logger) *Depot {
	return &Depot{log: log, disk: disk{dir}, says: says}
}

// Digest is that of a file, as policies write it.
func Digest(file []byte) string {
	sum := sha256.Sum256(file)
	return prefix + hex.EncodeToString(sum[:])
}

const prefix = "sha256:"

// digits returns those of a digest, which also name the file.
func digits(digest string) (string, error) {
	d, ok := strings.CutPrefix(digest, prefix)
	if !ok || len(d) != 2*sha256.Size || strings.Trim(d, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%.100q is %w", digest, ErrDigest)
	}
	return d, nil
}

// IsDigest reports whether a text is a digest as Digest writes it.
func IsDigest(text string) bool {
	_, err := digits(text)
	return err == nil
}

const kind = "plugin"

func headKey(digits string) string { return kind + "/" + digits }

func chunkKey(digits string, n int) string { return fmt.Sprintf("%s/%s/%04d", kind, digits, n) }

// loaded returns the log once it was read to its end.
func (d *Depot) loaded() (control.Log, error) {
	if log := d.log(); log != nil && log.Loaded() {
		return log, nil
	}
	return nil, ErrNotLoaded
}

// Shared reports whether the control topic has a file, and so every instance.
func (d *Depot) Shared(digest string) bool {
	log, err := d.loaded()
	if err != nil {
		return false
	}
	h, stored := readHead(log, strings.TrimPrefix(digest, prefix))
	return stored && !h.Deleted
}

// Get returns a file. What the directory lacks or has damaged is taken from the
// topic and put there. Errors: ErrDigest, ErrUnknown, ErrDeleted, ErrIncomplete,
// ErrDamaged, ErrNotLoaded when only the topic could have it.
func (d *Depot) Get(digest string) ([]byte, error) {
	name, err := digits(digest)
	if err != nil {
		return nil, err
	}
	log, away := d.loaded()
	var h head
	var stored bool
	if away == nil {
		if h, stored = readHead(log, name); stored && h.Deleted {
			return nil, fmt.Errorf("%s: %w by %s on %s", digest, ErrDeleted, h.who(), h.At.Format(time.DateTime))
		}
	}
	file, onDisk := d.disk.read(name)
	if onDisk == nil {
		return file, nil
	}
	switch {
	case stored:
	case errors.Is(onDisk, ErrDamaged):
		return nil, fmt.Errorf("%s: %w", digest, onDisk)
	case away != nil:
		return nil, fmt.Errorf("%s: %w", digest, away)
	default:
		return nil, fmt.Errorf("%s: %w", digest, ErrUnknown)
	}
	if file, err = assemble(log, name, h); err != nil {
		return nil, fmt.Errorf("%s: %w", digest, err)
	}
	if err := d.disk.write(name, file); err != nil {
		d.says.Warn("a plugin is not kept in the data directory", "digest", digest, "error", err)
	}
	return file, nil
}

func (h *head) who() string {
	if h.By == "" {
		return "an instance"
	}
	return h.By
}

// readHead returns what the topic says of a file; false for nothing, or for what no
// instance writes.
func readHead(log control.Log, digits string) (h head, ok bool) {
	e, found := log.Get(headKey(digits))
	if !found || json.Unmarshal(e.Value, &h) != nil {
		return head{}, false
	}
	ok = h.sound()
	return h, ok
}

func (h *head) sound() bool {
	if h.Deleted {
		return true
	}
	return h.Size > 0 && h.Size <= MaxSize && h.Chunks == chunksOf(h.Size)
}

func chunksOf(size int64) int { return int((size + chunkSize - 1) / chunkSize) }

// assemble puts the chunks of a file together.
func assemble(log control.Log, name string, h head) ([]byte, error) {
	file := make([]byte, 0, h.Size)
	for n := range h.Chunks {
		e, ok := log.Get(chunkKey(name, n))
		if !ok {
			return nil, fmt.Errorf("%w: %d of %d is not on the control topic; push the plugin again", ErrIncomplete, n+1, h.Chunks)
		}
		if int64(len(file)+len(e.Value)) > h.Size {
			return nil, fmt.Errorf("%w: there are more than %d", ErrDamaged, h.Size)
		}
		file = append(file, e.Value...)
	}
	if err := verify(name, file); err != nil {
		return nil, err
	}
	return file, nil
}

func verify(digits string, file []byte) error {
	if got := Digest(file); got != prefix+digits {
		return fmt.Errorf("%w: they have %s", ErrDamaged, got)
	}
	return nil
}

// List returns the files of the depot that were not deleted, by digest.
func (d *Depot) List() ([]Entry, error) {
	known := map[string]Entry{}
	gone := map[string]bool{}
	if log, err := d.loaded(); err == nil {
		for name, h := range heads(log) {
			if gone[name] = h.Deleted; h.Deleted {
				continue
			}
			known[name] = Entry{prefix + name, h.Size, h.About, h.By, h.From, h.At, true}
		}
	}
	held, err := d.disk.list()
	for name, size := range held {
		if _, ok := known[name]; !ok && !gone[name] {
			known[name] = Entry{Digest: prefix + name, Size: size}
		}
	}
	var out []Entry
	for _, e := range known {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Digest, b.Digest) })
	return out, err
}

// heads returns what the topic says of every file, by the digits of its digest.
func heads(log control.Log) map[string]head {
	out := map[string]head{}
	for _, e := range log.List(kind + "/") {
		name := strings.TrimPrefix(e.Key, kind+"/")
		if _, err := digits(prefix + name); err != nil {
			continue // a chunk, or what no instance writes
		}
		var h head
		if json.Unmarshal(e.Value, &h) == nil && h.sound() {
			out[name] = h
		}
	}
	return out
}

// Changed returns a channel that is closed when files come or go on the topic; nil
// while there is no log.
func (d *Depot) Changed() <-chan struct{} {
	if log := d.log(); log != nil {
		return log.Changed(kind)
	}
	return nil
}
