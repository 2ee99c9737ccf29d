package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
)

// repository makes one with a commit of some files, signed when there is a key.
func repository(t *testing.T, files map[string]string, key *openpgp.Entity) (dir string) {
	t.Helper()
	dir = t.TempDir()
	repo, err := git.PlainInit(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Worktree()
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		err = errors.Join(err, os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(text), 0o600))
		if err == nil {
			_, err = tree.Add(name)
		}
	}
	if err == nil {
		_, err = tree.Commit("policies", &git.CommitOptions{
			Author: &object.Signature{Name: "ann", Email: "ann@example.com", When: time.Now()}, SignKey: key,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, ".git")
}

// load reads a repository with some options.
func load(t *testing.T, o GitOptions, address string) (Files, error) {
	t.Helper()
	a, err := ParseGitAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	o.Address = a
	return NewGit(o).Load(t.Context())
}

func signer(t *testing.T, name string) (key *openpgp.Entity, public string) {
	t.Helper()
	key, err := openpgp.NewEntity(name, "", name+"@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err == nil {
		err = errors.Join(key.Serialize(w), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return key, out.String()
}

func TestSignedCommits(t *testing.T) {
	key, trusted := signer(t, "ann")
	_, other := signer(t, "bob")
	files := map[string]string{"policy.cue": "package policies\n"}
	signed, plain := "git+file://"+repository(t, files, key), "git+file://"+repository(t, files, nil)
	got, err := load(t, GitOptions{Signers: trusted}, signed)
	if err != nil || !strings.Contains(got.Signer, "ann@example.com") {
		t.Errorf("signed by a trusted key: signer %q, %v", got.Signer, err)
	}
	for name, tt := range map[string]struct{ signers, address string }{
		"signed by another key": {other, signed},
		"not signed":            {trusted, plain},
	} {
		if _, err := load(t, GitOptions{Signers: tt.signers}, tt.address); err == nil || !strings.Contains(err.Error(), "is not signed by a key that is trusted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no policy and no plugin stays where it is; a plugin comes along.
func TestGitTakesPoliciesAndPlugins(t *testing.T) {
	dir := repository(t, map[string]string{
		"sets/policy.cue": "package policies\n", "sets/plugins/mask.wasm": "\x00asm", "sets/README.md": "read me", "other.cue": "package other\n",
	}, nil)
	got, err := load(t, GitOptions{}, "git+file://"+dir+"//sets")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = fs.WalkDir(got.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if want := "plugins/mask.wasm policy.cue"; err != nil || strings.Join(names, " ") != want {
		t.Errorf("%q, %v, want %q", names, err, want)
	}
}

// A password is taken by its reference and sent to the repository, and never said.
func TestGitOverHTTP(t *testing.T) {
	dir := repository(t, map[string]string{"policy.cue": "package policies\n"}, nil)
	s := httptest.NewServer(serveGit(t, dir))
	defer s.Close()
	address := "git+" + s.URL + "/policies.git"
	secret := func(ref string) (string, error) {
		if ref != "env://GIT" {
			return "", fmt.Errorf("no secret %s", ref)
		}
		return "s3cret", nil
	}
	client := s.Client()
	defer client.CloseIdleConnections()
	got, err := load(t, GitOptions{HTTP: client, User: "ann", Password: "env://GIT", Secret: secret}, address)
	if err != nil || got.Commit == "" || got.FS == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, o := range map[string]GitOptions{
		"nobody":       {HTTP: client},
		"another user": {HTTP: client, User: "bob", Password: "env://GIT", Secret: secret},
		"no secret":    {HTTP: client, User: "ann", Password: "env://NONE", Secret: secret},
	} {
		if _, err := load(t, o, address); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// serveGit is a git server for one repository, over HTTP, for ann.
func serveGit(t *testing.T, dir string) http.Handler {
	endpoint, err := transport.NewEndpoint("file://" + dir)
	if err != nil {
		t.Fatal(err)
	}
	open := func() transport.UploadPackSession {
		s, err := server.NewServer(server.NewFilesystemLoader(osfs.New("/"))).NewUploadPackSession(endpoint, nil)
		if err != nil {
			t.Error(err)
		}
		return s
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/policies.git/info/refs":
			refs, err := open().AdvertisedReferencesContext(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			refs.Prefix = [][]byte{[]byte("# service=git-upload-pack"), pktline.Flush}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			if err := refs.Encode(w); err != nil {
				t.Error(err)
			}
		case "/policies.git/git-upload-pack":
			req := packp.NewUploadPackRequest()
			err := req.Decode(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			answer, err := open().UploadPack(context.Background(), req)
			if err == nil {
				err = answer.Encode(w)
			}
			if err != nil {
				t.Error(err)
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}
