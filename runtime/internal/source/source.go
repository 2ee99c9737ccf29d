// Package source is where files of policy sets come from: a directory or a git
// repository, of which it tells when there are others and gives those of one moment,
// or a revision of a repository at hand. It knows nothing of what is in them.
package source

import (
	"context"
	"io/fs"
)

// Files are those of a policy set, as a source has them at one moment.
type Files struct {
	fs.FS

	Commit string // hash in git, "" outside
	Ref    string // branch or tag, "" for none
	Signer string // who signed the commit, where that was asked for
}

// Source is where the files of one policy set come from.
type Source interface {
	// Load returns the files as they are now. It is called from one goroutine.
	Load(ctx context.Context) (Files, error)

	// Watch calls changed, from its own goroutine, whenever Load may return other
	// files than at the last call, until ctx ends. What keeps it from watching as it
	// should is told to the log, and watched in another way.
	Watch(ctx context.Context, changed func())
}
