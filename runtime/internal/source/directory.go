package source

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Directory is a policy set in a directory. The directory may be a symbolic link
// that is pointed elsewhere, or hold a link ..data to the real one as volumes of
// Kubernetes do: the files are then those behind the link.
type Directory struct {
	path   string
	log    *slog.Logger
	wait   waits
	loaded atomic.Pointer[uint64] // fingerprint at the last Load

	began func() // is told when Watch watches; nil but in tests
}

// waits are how long a Directory waits for what.
type waits struct {
	settle  time.Duration // without a change, before files are taken to be complete
	longest time.Duration // from the first change, then they are read all the same
	look    time.Duration // between two looks while changes are notified
	poll    time.Duration // between two looks when they cannot be
}

// An editor saves in one step or within some milliseconds; a checkout of many files
// may take longer, but does not pause.
var defaultWaits = waits{settle: 100 * time.Millisecond, longest: 2 * time.Second, look: 5 * time.Second, poll: time.Second}

// NewDirectory returns the source for a directory, which need not be there yet.
func NewDirectory(path string, log *slog.Logger) *Directory {
	return &Directory{path: path, log: log, wait: defaultWaits}
}

// kubernetesData is the link that a volume of Kubernetes swaps to change all files at once.
const kubernetesData = "..data"

// root is the directory that the files are in now, behind links.
func (d *Directory) root() string {
	root := d.path
	if to := filepath.Join(root, kubernetesData); isLink(to) {
		root = to
	}
	if to, err := filepath.EvalSymlinks(root); err == nil {
		return to
	}
	return root
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// Load implements Source. The error is about the directory.
func (d *Directory) Load(context.Context) (Files, error) {
	now := d.fingerprint() // before anybody reads
	d.loaded.Store(&now)
	root := d.root()
	if err := IsDirectory(root); err != nil {
		return Files{}, err
	}
	files := Files{FS: os.DirFS(root)}
	if c := CommitOf(d.path); c != nil {
		files.Commit, files.Ref = c.Hash, c.Branch
	}
	return files, nil
}

// IsDirectory says why a policy set cannot be read from a directory, where it cannot.
func IsDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; sluice init %s writes a policy set there", err, path)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is a file; name the directory of a policy set", path)
	}
	return nil
}

// Watch implements Source.
func (d *Directory) Watch(ctx context.Context, changed func()) {
	w := &watching{Directory: d, seen: d.fingerprint()}
	if loaded := d.loaded.Load(); loaded != nil {
		w.seen = *loaded
	}
	defer w.close()
	w.renew()
	if d.began != nil {
		d.began()
	}
	if d.fingerprint() != w.seen {
		w.settle(ctx)
	}
	w.look(changed)
	for {
		timeout := d.wait.look
		if w.blind {
			timeout = d.wait.poll
		}
		timer := time.NewTimer(timeout)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case e := <-w.events():
			if w.foreign(e.Name) {
				timer.Stop()
				continue
			}
			w.settle(ctx)
		case err := <-w.errors():
			w.fail(err)
		}
		timer.Stop()
		w.look(changed)
	}
}

// fingerprint changes when the policy files and plugins do. It looks at names, sizes,
// times and inodes, not into files.
func (d *Directory) fingerprint() uint64 {
	h := fnv.New64a()
	root := d.root()
	fmt.Fprint(h, root)
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			fmt.Fprint(h, name, err)
			return nil
		case e.IsDir() && name != root && leftOut(e.Name()):
			return fs.SkipDir
		case e.IsDir() || filepath.Ext(name) != ".cue" && filepath.Ext(name) != ".wasm":
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil // it has just gone: the next look will not find it
		}
		fmt.Fprint(h, name, info.Size(), info.ModTime().UnixNano(), info.Mode(), inode(info), 0)
		return nil
	})
	if err != nil {
		fmt.Fprint(h, err)
	}
	return h.Sum64()
}

// leftOut reports whether a directory holds nothing of a policy set.
func leftOut(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

// watching is one Watch.
type watching struct {
	*Directory
	watcher *fsnotify.Watcher // nil: changes are not notified
	blind   bool              // not all of them are
	told    bool
	seen    uint64
}

// look tells of a change that was not told before.
func (w *watching) look(changed func()) {
	if now := w.fingerprint(); now != w.seen {
		w.seen = now
		w.renew()
		changed()
	}
}

func (w *watching) events() <-chan fsnotify.Event {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Events
}

func (w *watching) errors() <-chan error {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Errors
}

func (w *watching) close() {
	if w.watcher != nil {
		_ = w.watcher.Close() // nothing of it is used again
		w.watcher = nil
	}
}

// renew watches the directories that there are now: those of the set, and those in
// which a link to it may be swapped.
func (w *watching) renew() {
	if w.watcher == nil {
		watcher, err := fsnotify.NewWatcher()
		if err != nil {
			w.fail(err)
			return
		}
		w.watcher = watcher
	}
	wanted := map[string]bool{filepath.Dir(filepath.Clean(w.path)): true, w.path: true}
	root := w.root()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || !e.IsDir():
			return nil
		case name != root && leftOut(e.Name()):
			return fs.SkipDir
		}
		wanted[name] = true
		return nil
	})
	for _, name := range w.watcher.WatchList() {
		if !wanted[name] {
			_ = w.watcher.Remove(name) // it is gone, or will be ignored
		}
	}
	w.blind = false
	for name := range wanted {
		if e := w.watcher.Add(name); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		w.fail(err)
	}
}

// foreign reports whether a change is of something beside the directory.
func (w *watching) foreign(name string) bool {
	path := filepath.Clean(w.path)
	return filepath.Dir(name) == filepath.Dir(path) && name != path
}

// fail goes over to looking, often: the system has no more watches, or lost events.
func (w *watching) fail(err error) {
	w.blind = true
	if !w.told {
		w.told = true
		w.log.Warn("changes of policies are not notified by the system: the directory is looked at instead",
			"directory", w.path, "every", w.wait.poll, "error", err)
	}
}

// settle waits until nothing changes any more, and takes up new directories.
func (w *watching) settle(ctx context.Context) {
	quiet, longest := time.NewTimer(w.wait.settle), time.NewTimer(w.wait.longest)
	defer quiet.Stop()
	defer longest.Stop()
	before := w.fingerprint()
	for {
		select {
		case <-ctx.Done():
			return
		case <-longest.C:
			return
		case e := <-w.events():
			if e.Has(fsnotify.Create) {
				w.renew() // a directory may be among what was made
			}
			continue
		case err := <-w.errors():
			w.fail(err)
			continue
		case <-quiet.C:
		}
		now := w.fingerprint()
		if now == before {
			return
		}
		before = now
		w.renew()
		quiet.Reset(w.wait.settle)
	}
}
