package runtime

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/whole"
)

// keeper keeps on disk what a restart needs to know of policy sets: the last good
// one, and which one was on probation when the process ended without saying so.
type keeper struct {
	dir string // "": nothing is kept
	how Loading
	log *slog.Logger
}

// keptFormat is the version of the file of the last good set.
const keptFormat = 1

// keptSet is the file of the last good set.
type keptSet struct {
	Format int            `json:"sluice_last_good"`
	At     time.Time      `json:"at"` // it had passed its probation
	Origin Origin         `json:"origin"`
	Bundle *policy.Bundle `json:"bundle"`
}

// keptTrial is the file of the set on probation.
type keptTrial struct {
	Revision string    `json:"revision"`
	Since    time.Time `json:"since"`
}

func newKeeper(dataDir string, how Loading, log *slog.Logger) keeper {
	if dataDir == "" {
		return keeper{log: log}
	}
	return keeper{filepath.Join(dataDir, "policies"), how, log}
}

func (k keeper) goodFile() string  { return filepath.Join(k.dir, "last-good.json") }
func (k keeper) trialFile() string { return filepath.Join(k.dir, "on-probation.json") }

// save makes a set the one that a restart falls back on.
func (k keeper) save(set *loadedSet) error {
	if k.dir == "" {
		return nil
	}
	text, err := json.Marshal(keptSet{keptFormat, time.Now(), set.origin, set.bundle})
	for digest, module := range set.bundle.Modules {
		err = cmp.Or(err, keepFile(filepath.Join(pluginDir(filepath.Dir(k.dir)), strings.TrimPrefix(digest, "sha256:")+".wasm"), module))
	}
	if err == nil {
		err = keepFile(k.goodFile(), text)
	}
	if err != nil {
		return fmt.Errorf("last good policy set: %w", err)
	}
	k.endTrial()
	return nil
}

// load returns the set that was saved last; nil when there is none that can be
// read. How it came to that is logged.
func (k keeper) load() *loadedSet {
	if k.dir == "" {
		return nil
	}
	text, err := os.ReadFile(k.goodFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	kept := struct {
		keptSet
		Bundle json.RawMessage `json:"bundle"`
	}{}
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err == nil && kept.Format != keptFormat {
		err = fmt.Errorf("it has format %d, and this program knows %d", kept.Format, keptFormat)
	}
	var set loadedSet
	if err == nil {
		set, err = loadBundle(kept.Bundle, k.how)
	}
	if err == nil && set.report.Refused() {
		err = errors.New("this version of the program refuses it")
	}
	if err != nil {
		k.log.Warn("the last good policy set cannot be read", "file", k.goodFile(), "error", err)
		return nil
	}
	set.origin = kept.Origin
	return &set
}

// beginTrial notes which set is on probation. That it cannot is logged: a crash
// then starts with the set that crashed.
func (k keeper) beginTrial(digest string) {
	if k.dir == "" {
		return
	}
	text, err := json.Marshal(keptTrial{digest, time.Now()})
	if err == nil {
		err = keepFile(k.trialFile(), text)
	}
	if err != nil {
		k.log.Warn("the probation of a policy set cannot be noted", "error", err)
	}
}

// endTrial notes that no set is on probation.
func (k keeper) endTrial() {
	if k.dir == "" {
		return
	}
	if err := os.Remove(k.trialFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.log.Warn("the end of the probation of a policy set cannot be noted", "error", err)
	}
}

// trial returns the set that was on probation when the process ended in no orderly
// way, "" for none.
func (k keeper) trial() string {
	if k.dir == "" {
		return ""
	}
	text, err := os.ReadFile(k.trialFile())
	var kept keptTrial
	if err != nil || json.Unmarshal(text, &kept) != nil {
		return "" // none, or torn before it was complete: then nothing ran yet
	}
	return kept.Revision
}

// keepFile writes a file so that after a crash there is either the old or the new
// one, whole.
func keepFile(name string, text []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := whole.Text(name, 0o600, text); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
