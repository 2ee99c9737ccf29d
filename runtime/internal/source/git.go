package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Dial opens a connection, as net.Dialer does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// GitOptions say which repository is followed, and how it is reached.
type GitOptions struct {
	Address GitAddress
	Poll    time.Duration

	HTTP       *http.Client // for http and https
	Dial       Dial         // for ssh
	Secret     func(string) (string, error)
	User       string // for ssh the one in the address goes before it
	Password   string // reference, "" for none
	SSHKey     string // reference to a private key in PEM
	KnownHosts string // file with the keys of hosts
	Signers    string // armored OpenPGP keys, one of which must have signed the commit; "": any commit

	Log *slog.Logger
}

// Git is a policy set in a git repository. It holds the files of one commit in
// memory; nothing of the repository is run or written.
type Git struct {
	opts GitOptions
	last plumbing.Hash // that Watch has seen
}

// Bounds of what is taken of a repository.
const (
	gitPatience = 60 * time.Second // for one exchange
	maxPack     = 256 << 20        // bytes of a commit and all that it holds
	maxGitFile  = 2 << 20          // a policy file may have less; so it is refused where that is told
	maxGitWasm  = 17 << 20         // likewise a plugin
	maxGitFiles = 5000
)

// NewGit returns the source for a repository. It connects later.
func NewGit(o GitOptions) *Git { return &Git{opts: o} }

// Watch implements Source: it looks every Poll. What keeps it from that is told by
// Load, which changed makes its caller ask.
func (g *Git) Watch(ctx context.Context, changed func()) {
	tick := time.NewTicker(g.opts.Poll)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		hash, err := g.newest(ctx)
		if err == nil && hash == g.last && !failed {
			continue
		}
		if err == nil {
			g.last = hash
		}
		if failed = err != nil; ctx.Err() == nil {
			changed()
		}
	}
}

// newest returns what the reference points to, a commit or a tag.
func (g *Git) newest(ctx context.Context) (hash plumbing.Hash, err error) {
	err = g.session(ctx, func(ctx context.Context, s exchange, refs *packp.AdvRefs) error {
		hash, _, err = g.opts.Address.find(refs)
		return err
	})
	return hash, err
}

// Load implements Source.
func (g *Git) Load(ctx context.Context) (files Files, err error) {
	store := memory.NewStorage()
	var hash plumbing.Hash
	err = g.session(ctx, func(ctx context.Context, s exchange, refs *packp.AdvRefs) error {
		if hash, files.Ref, err = g.opts.Address.find(refs); err != nil {
			return err
		}
		return fetch(ctx, s, refs, hash, store)
	})
	if err != nil {
		return files, err
	}
	commit, err := commitAt(store, hash)
	if err != nil {
		return files, err
	}
	files.Commit = commit.Hash.String()
	if g.opts.Signers != "" {
		signer, err := commit.Verify(g.opts.Signers)
		if err != nil {
			return files, fmt.Errorf("commit %.12s is not signed by a key that is trusted: %w", files.Commit, err)
		}
		for name := range signer.Identities {
			files.Signer = name
		}
	}
	tree, err := filesOf(commit, g.opts.Address.Path)
	files.FS = tree
	return files, err
}

// exchange is what is asked of a repository over one connection.
type exchange interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	UploadPack(context.Context, *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	Close() error
}

// session opens a connection for one exchange.
func (g *Git) session(ctx context.Context, do func(context.Context, exchange, *packp.AdvRefs) error) error {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	endpoint, err := transport.NewEndpoint(g.opts.Address.URL)
	if err != nil {
		return err
	}
	s, err := g.open(ctx, endpoint)
	if err != nil {
		return fmt.Errorf("repository %s: %w", g.opts.Address.URL, err)
	}
	defer s.Close()
	refs, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		return fmt.Errorf("repository %s: %w", g.opts.Address.URL, err)
	}
	return do(ctx, s, refs)
}

// open begins an exchange with the repository, as whom the options say.
func (g *Git) open(ctx context.Context, at *transport.Endpoint) (exchange, error) {
	o := &g.opts
	switch o.Address.scheme {
	case "file":
		return server.NewClient(server.NewFilesystemLoader(osfs.New("/"))).NewUploadPackSession(at, nil)
	case "ssh":
		return o.openSSH(ctx, at)
	}
	var auth transport.AuthMethod
	if o.Password != "" {
		password, err := o.Secret(o.Password)
		if err != nil {
			return nil, err
		}
		auth = &githttp.BasicAuth{Username: o.User, Password: password}
	}
	return githttp.NewClient(o.HTTP).NewUploadPackSession(at, auth)
}

// fetch brings an object and what it holds, without its history where the server
// can leave that out.
func fetch(ctx context.Context, s exchange, refs *packp.AdvRefs, hash plumbing.Hash, into *memory.Storage) error {
	req := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	req.Wants = append(req.Wants, hash)
	if refs.Capabilities.Supports(capability.Shallow) {
		req.Depth = packp.DepthCommits(1)
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return err
		}
	}
	answer, err := s.UploadPack(ctx, req)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", hash, err)
	}
	defer answer.Close()
	var pack io.Reader = &bounded{answer, maxPack}
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, pack)
	case req.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, pack)
	}
	if err := packfile.UpdateObjectStorage(into, pack); err != nil {
		return fmt.Errorf("fetching %s: %w", hash, err)
	}
	return nil
}

// bounded reads up to a bound; more is an error.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the repository has more than %d MiB at this commit", maxPack>>20)
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// commitAt returns the commit with a hash, or that of the tag with it.
func commitAt(store *memory.Storage, hash plumbing.Hash) (*object.Commit, error) {
	if tag, err := object.GetTag(store, hash); err == nil {
		return tag.Commit()
	}
	commit, err := object.GetCommit(store, hash)
	if err != nil {
		return nil, fmt.Errorf("%s is no commit: %w", hash, err)
	}
	return commit, nil
}

// filesOf returns the CUE files of a commit below a path, and the plugins among them.
func filesOf(commit *object.Commit, at string) (Tree, error) {
	root, err := commit.Tree()
	if err == nil && at != "" {
		root, err = root.Tree(at)
	}
	if err != nil {
		return nil, fmt.Errorf("commit %.12s has no directory /%s", commit.Hash, at)
	}
	tree := Tree{}
	err = root.Files().ForEach(func(f *object.File) error {
		most, ok := map[string]int64{".cue": maxGitFile, ".wasm": maxGitWasm}[path.Ext(f.Name)]
		if !ok || !f.Mode.IsFile() {
			return nil
		}
		if len(tree) == maxGitFiles || f.Size > most {
			return fmt.Errorf("%s: the set has more than %d files, or this one more than %d MiB", f.Name, maxGitFiles, most>>20)
		}
		text, err := f.Contents()
		tree[f.Name] = []byte(text)
		return err
	})
	return tree, err
}

// GitAddress is what follows git+ in the setting policies.
type GitAddress struct {
	URL  string // https://host/repository.git
	Path string // of the set in the repository, "" for its root
	Ref  string // branch, tag or commit; "": the branch that the repository shows first

	scheme string
}

// ParseGitAddress reads git+https://HOST/REPOSITORY//PATH?ref=NAME, where //PATH and
// ?ref=NAME may be missing. The scheme may be http, ssh and file as well. A path that is
// no repository, a password in the address and other parameters are errors.
func ParseGitAddress(text string) (GitAddress, error) {
	rest, ok := strings.CutPrefix(text, "git+")
	scheme, after, full := strings.Cut(rest, "://")
	if !ok || !full || !slices.Contains([]string{"https", "http", "ssh", "file"}, scheme) {
		return GitAddress{}, fmt.Errorf("%q is no repository: write git+https://HOST/REPOSITORY.git//PATH?ref=main", text)
	}
	a := GitAddress{scheme: scheme}
	after, query, asked := strings.Cut(after, "?")
	if asked {
		if a.Ref, ok = strings.CutPrefix(query, "ref="); !ok || a.Ref == "" || strings.ContainsAny(a.Ref, "&= ") {
			return GitAddress{}, fmt.Errorf("%q: after ? comes ref=NAME: a branch, a tag or a commit", text)
		}
	}
	where, at, _ := strings.Cut(after, "//")
	a.Path = strings.Trim(path.Clean("/"+at), "/")
	host, repository, _ := strings.Cut(where, "/")
	if user, _, has := strings.Cut(host, "@"); has && scheme != "ssh" || strings.Contains(user, ":") && has {
		return GitAddress{}, errors.New("the address of the repository has a user or a password: give git.user and git.password in sluice.cue")
	}
	if repository == "" || host == "" && scheme != "file" {
		return GitAddress{}, fmt.Errorf("%q names no repository", text)
	}
	a.URL = scheme + "://" + where
	return a, nil
}

// find returns what the address names among the references of a repository.
func (a *GitAddress) find(refs *packp.AdvRefs) (hash plumbing.Hash, ref string, err error) {
	if a.Ref == "" {
		if refs.Head == nil {
			return hash, "", errors.New("the repository has no commit, or shows no branch first: write ?ref=NAME")
		}
		return *refs.Head, "", nil
	}
	for _, kind := range []string{"refs/heads/", "refs/tags/"} {
		if h, ok := refs.References[kind+a.Ref]; ok {
			return h, a.Ref, nil
		}
	}
	if plumbing.IsHash(a.Ref) {
		return plumbing.NewHash(a.Ref), "", nil
	}
	return hash, "", fmt.Errorf("the repository has no branch and no tag %s", a.Ref)
}
