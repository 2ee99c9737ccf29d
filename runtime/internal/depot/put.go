package depot

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// rememberDeleted is how long it is known of a file that it was deleted: an
// instance that was away for longer keeps its copy until it is deleted by hand.
const rememberDeleted = 180 * 24 * time.Hour

// abandoned is how old chunks without a head are when their push has failed.
const abandoned = time.Hour

// Put stores a file for the whole fleet and returns its digest; by, from and about
// say whose it is. A file that is there already is left as it is. Errors:
// ErrTooLarge, ErrFull, ErrNotLoaded, or one of the log, which leaves open whether
// it is stored: to put it again does no harm.
func (d *Depot) Put(ctx context.Context, file []byte, e Entry) (digest string, err error) {
	if len(file) == 0 || len(file) > MaxSize || len(e.About) > maxAbout {
		return "", fmt.Errorf("%w: %d bytes, and %d about it; a file has 1 to %d, and %d about it", ErrTooLarge, len(file), len(e.About), MaxSize, maxAbout)
	}
	digest = Digest(file)
	log, err := d.loaded()
	if err != nil {
		return "", err
	}
	name := strings.TrimPrefix(digest, prefix)
	h, stored := readHead(log, name)
	if stored && !h.Deleted {
		if _, err := assemble(log, name, h); err == nil {
			return digest, nil
		}
	}
	if err := d.sweep(ctx, log); err != nil {
		return "", err
	}
	if err := room(log, name, int64(len(file))); err != nil {
		return "", err
	}
	h = head{Size: int64(len(file)), Chunks: chunksOf(int64(len(file))), About: e.About, By: e.By, From: e.From, At: time.Now().UTC()}
	value, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("%s: %w", digest, err)
	}
	// The chunks first: who sees the head can put the file together. And again, until
	// both are there: somebody may delete it meanwhile.
	for range tries {
		if err := putChunks(ctx, log, name, file); err != nil {
			return "", fmt.Errorf("%s: %w", digest, err)
		}
		if h, stored := readHead(log, name); stored && !h.Deleted {
			return digest, nil
		}
		if err := log.Put(ctx, headKey(name), value); err != nil {
			return "", fmt.Errorf("%s: %w", digest, err)
		}
	}
	return "", fmt.Errorf("%s: %w again and again while it was stored", digest, ErrDeleted)
}

// tries is how often a file is put that is deleted at the same time.
const tries = 10

// putChunks writes those chunks of a file that are not there.
func putChunks(ctx context.Context, log control.Log, name string, file []byte) error {
	for n := range chunksOf(int64(len(file))) {
		chunk := file[n*chunkSize : min((n+1)*chunkSize, len(file))]
		if e, ok := log.Get(chunkKey(name, n)); ok && string(e.Value) == string(chunk) {
			continue
		}
		if err := log.Put(ctx, chunkKey(name, n), chunk); err != nil {
			return err
		}
	}
	return nil
}

// room says whether one more file may come.
func room(log control.Log, name string, size int64) error {
	files, total := 1, size
	for other, h := range heads(log) {
		if other != name && !h.Deleted {
			files++
			total += h.Size
		}
	}
	if files > MaxFiles || total > MaxTotal {
		return fmt.Errorf("%w: with this one there would be %d files of %d MiB in all, and there may be %d of %d MiB; delete some that no policy uses", ErrFull, files, total>>20, MaxFiles, MaxTotal>>20)
	}
	return nil
}

// Delete takes a file out of the depot, in the whole fleet. Errors: ErrDigest,
// ErrUnknown, ErrDeleted, ErrNotLoaded, or one of the log or the directory.
func (d *Depot) Delete(ctx context.Context, digest, by string) error {
	name, err := digits(digest)
	if err != nil {
		return err
	}
	log, err := d.loaded()
	if err != nil {
		return err
	}
	h, stored := readHead(log, name)
	_, onDisk := d.disk.read(name)
	switch {
	case stored && h.Deleted:
		return fmt.Errorf("%s: %w by %s on %s", digest, ErrDeleted, h.who(), h.At.Format(time.DateTime))
	case !stored && onDisk != nil:
		return fmt.Errorf("%s: %w", digest, ErrUnknown)
	}
	gone := head{By: by, At: time.Now().UTC(), Deleted: true}
	value, err := json.Marshal(gone)
	if err != nil {
		return fmt.Errorf("%s: %w", digest, err)
	}
	if err := log.Put(ctx, headKey(name), value); err != nil {
		return fmt.Errorf("%s: %w", digest, err)
	}
	if err := deleteChunks(ctx, log, name); err != nil {
		return fmt.Errorf("%s: %w", digest, err)
	}
	return d.disk.remove(name)
}

// deleteChunks deletes the chunks of a file that is not to be there. Somebody may
// put it again just then: who deletes a chunk sees that afterwards, and puts it back.
func deleteChunks(ctx context.Context, log control.Log, name string) error {
	for _, e := range log.List(headKey(name) + "/") {
		if err := log.Delete(ctx, e.Key); err != nil {
			return err
		}
		if h, stored := readHead(log, name); !stored || h.Deleted {
			continue
		}
		if err := log.Put(ctx, e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes what is of no use: chunks without a head, and what was said long ago
// of files that were deleted.
func (d *Depot) sweep(ctx context.Context, log control.Log) error {
	now := time.Now()
	for _, e := range log.List(kind + "/") {
		name, _, isChunk := strings.Cut(strings.TrimPrefix(e.Key, kind+"/"), "/")
		h, stored := readHead(log, name)
		switch {
		case !isChunk && stored && (!h.Deleted || now.Sub(h.At) < rememberDeleted):
			continue
		case isChunk && stored && !h.Deleted:
			continue
		case isChunk && now.Sub(e.Heard) < abandoned: // a push may be at it
			continue
		}
		if err := log.Delete(ctx, e.Key); err != nil {
			return err
		}
	}
	return nil
}

// Follow keeps the directory as the topic has it until ctx ends: files that were
// stored are copied, those that were deleted are deleted. What it cannot write is
// logged, and the topic serves it.
func (d *Depot) Follow(ctx context.Context) {
	again := time.NewTicker(time.Minute) // the log may be read to its end without a change
	defer again.Stop()
	told := map[string]string{}
	if err := d.disk.tidy(abandoned); err != nil {
		d.says.Warn("the directory of plugins cannot be tidied", "directory", d.disk.dir, "error", err)
	}
	for {
		changed := d.Changed()
		d.copyDown(ctx, told)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again.C:
		}
	}
}

// copyDown does it once. told has what was logged of each file, to say it once.
func (d *Depot) copyDown(ctx context.Context, told map[string]string) {
	log, err := d.loaded()
	if err != nil || d.disk.dir == "" {
		return
	}
	held, err := d.disk.list()
	if err != nil {
		d.says.Warn("the directory of plugins cannot be read", "directory", d.disk.dir, "error", err)
		return
	}
	for name, h := range heads(log) {
		size, here := held[name]
		switch {
		case ctx.Err() != nil:
			return
		case h.Deleted && here:
			err = d.disk.remove(name)
		case !h.Deleted && (!here || size != h.Size):
			var file []byte
			if file, err = assemble(log, name, h); err == nil {
				err = d.disk.write(name, file)
			}
		default:
			delete(told, name)
			continue
		}
		if err != nil && told[name] != err.Error() {
			told[name] = err.Error()
			d.says.Warn("the directory of plugins is not as the control topic has it", "digest", prefix+name, "error", err)
		}
	}
}
