package host

import (
	"io"
	"io/fs"
	"path"
	"strings"
)

// OwnCgroup returns the directory, below the root of the unified hierarchy, of
// the cgroup that the process itself is in, by /proc/self/cgroup. Where that is
// not there, as in a container with a cgroup namespace, the root is its own.
func OwnCgroup(proc, root fs.FS) string {
	f, err := proc.Open("self/cgroup")
	if err != nil {
		return "."
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "."
	}
	for _, line := range lines(string(text)) {
		name, ok := strings.CutPrefix(line, "0::/")
		if !ok {
			continue
		}
		dir := path.Clean(name)
		if _, err := fs.Stat(root, path.Join(dir, "cgroup.controllers")); err == nil && fs.ValidPath(dir) {
			return dir
		}
	}
	return "."
}
