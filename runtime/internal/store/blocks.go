package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Blocks are what a store holds besides the newest two hours, which are in its log.
type Blocks struct {
	N              int
	Oldest, Newest time.Time // sample; zero without blocks
}

// ReadBlocks looks at the blocks of a store without opening it, so also at one that
// another process has open. A directory that is not there has none; an error names a
// block whose description cannot be read.
func ReadBlocks(dir string) (b Blocks, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return b, fmt.Errorf("store: %w", err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name(), "meta.json"))
		if !e.IsDir() || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var meta struct {
			MinTime, MaxTime int64 // ms
		}
		if err == nil {
			err = json.Unmarshal(text, &meta)
		}
		if err != nil {
			return b, fmt.Errorf("store: block %s: %w", e.Name(), err)
		}
		if at := time.UnixMilli(meta.MinTime); b.N == 0 || at.Before(b.Oldest) {
			b.Oldest = at
		}
		if at := time.UnixMilli(meta.MaxTime); at.After(b.Newest) {
			b.Newest = at
		}
		b.N++
	}
	return b, nil
}
