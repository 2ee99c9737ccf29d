package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/sluice-metrics/sluice/runtime/explain"
)

// repository is a bare one, and a checkout that commits are made in.
type repository struct {
	bare string
	work *git.Repository
	dir  string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{bare: filepath.Join(t.TempDir(), "policies.git"), dir: t.TempDir()}
	_, err := git.PlainInit(r.bare, true)
	if err == nil {
		r.work, err = git.PlainInit(r.dir, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// commit puts a text into the set and the commit into the bare repository.
func (r *repository) commit(t *testing.T, text string) (hash string) {
	t.Helper()
	return r.commitFiles(t, map[string]string{"policy.cue": text})
}

// commitFiles does it with files of the set.
func (r *repository) commitFiles(t *testing.T, files map[string]string) (hash string) {
	t.Helper()
	tree, err := r.work.Worktree()
	for name, text := range files {
		at := filepath.Join(r.dir, "sets", "prod", filepath.FromSlash(name))
		err = errors.Join(err, os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(text), 0o600))
		if err == nil {
			_, err = tree.Add("sets/prod/" + name)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	h, err := tree.Commit("policies", &git.CommitOptions{Author: &object.Signature{Name: "ann", Email: "ann@example.com", When: time.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	// The bare repository gets what the checkout has: files of objects and the branch.
	if err := os.RemoveAll(r.bare); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(r.bare, os.DirFS(filepath.Join(r.dir, ".git"))); err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// A commit is live by itself; a bad one is not, and says what is wrong and where it
// comes from.
func TestGit(t *testing.T) {
	t.Parallel()
	repo := newRepository(t)
	first := repo.commit(t, policySet(dropping("a")))
	cfg := testConfig(t, simpleSet)
	cfg.Policies, cfg.Git.Poll = "git+file://"+repo.bare+"//sets/prod?ref=master", "50ms"
	r := startInstance(t, cfg)
	p := r.PolicyStatus()
	if p.Origin.Kind != OriginGit || p.Origin.Commit != first || p.Origin.Ref != "master" {
		t.Errorf("%+v, want commit %s", p, first)
	}
	second := repo.commit(t, policySet(dropping("b")))
	good := r.awaitPolicies(t, "the second commit", func(p *PolicyStatus) bool { return p.Origin.Commit == second })
	r.audited(t, AuditEntry{
		Operation: "followPolicies", Target: cfg.Policies, Reason: "the source has changed", Before: p.Revision, After: good.Revision,
		Detail: map[string]string{"commit": second, "ref": "master"},
	})
	bad := repo.commit(t, policySet(strings.Replace(dropping("b"), `"tenant"`, `"boss"`, 1)))
	p = r.awaitPolicies(t, "the bad commit", func(p *PolicyStatus) bool { return p.Refused != nil && p.Refused.Origin.Commit == bad })
	if p.Revision != good.Revision || len(p.Refused.Findings) == 0 || p.Refused.Findings[0].Pos.File != "sets/prod/policy.cue" || r.Ready() != nil {
		t.Errorf("%+v", p)
	}
	third := repo.commit(t, policySet(dropping("c")))
	r.awaitPolicies(t, "the third commit", func(p *PolicyStatus) bool { return p.Origin.Commit == third && p.Refused == nil })
	a, err := r.Explain(explain.Question{Rule: "platform/drop-c"})
	if err != nil || a.Commit == nil || a.Commit.Hash != third || a.Policies != cfg.Policies || a.Rule.Pos.File != "sets/prod/policy.cue" {
		t.Errorf("explain: %+v of %s, commit %+v, error %v", a.Rule, a.Policies, a.Commit, err)
	}
	if _, err := r.Apply(context.Background(), pusher, pushing(dropping("d"))); !errors.Is(err, ErrForeign) {
		t.Errorf("a push: %v", err)
	}
	at := cfg
	at.Policies = "git+file://" + repo.bare + "//sets/prod?ref=" + second
	if s, _, err := New(context.Background(), at, Options{}); err != nil || s.PolicyStatus().Revision != good.Revision {
		t.Errorf("by commit: error %v", err)
	}
	for policies, want := range map[string]error{
		"git+file://" + repo.bare + "?ref=none":              ErrUnreachable,
		"git+file://" + repo.bare + "//none":                 ErrUnreachable,
		"git+file:///no/such.git":                            ErrUnreachable,
		"git+ftp://host/x":                                   ErrConfig,
		"git+https://user:secret@host/x.git":                 ErrConfig,
		"git+https://127.0.0.1:1/x.git":                      ErrUnreachable, // refused: loopback is not allowed
		"git+https://host/x.git?branch=main":                 ErrConfig,
		"git+ssh://git@example.com/x.git":                    ErrUnreachable, // no key
		"git+file://" + repo.bare + "//sets/prod/policy.cue": ErrUnreachable,
	} {
		at.Policies = policies
		if _, _, err := New(context.Background(), at, Options{}); !errors.Is(err, want) || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: error %v, want %v", policies, err, want)
		}
	}
}

// A set may name a plugin by its path in the repository. A commit that changes nothing
// but the plugin is live; one whose plugin does not run leaves what was.
func TestGitFollowsAPlugin(t *testing.T) {
	t.Parallel()
	repo := newRepository(t)
	module := func(name string) string {
		text, err := os.ReadFile(filepath.Join("internal", "transform", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := repo.commitFiles(t, map[string]string{"policy.cue": policySet(plugged("stop")), "plugins/it.wasm": module("rename.wasm")})
	cfg := testConfig(t, simpleSet)
	cfg.Policies, cfg.Git.Poll = "git+file://"+repo.bare+"//sets/prod?ref=master", "50ms"
	r := startInstance(t, cfg)
	if p := r.PolicyStatus(); p.Origin.Commit != first {
		t.Fatalf("%+v", p)
	}
	records, at := uint64(0), time.Now().Add(-time.Minute).UnixMilli()
	label := func(when, want string) {
		t.Helper()
		at += 1000
		records++
		r.publish(t, "flink.native", ofUser("ann", at))
		r.settled(t, false, "native", records)
		for _, rec := range everything(t, r.Status().Brokers, "sluice.processed") {
			if text := string(rec.Value); strings.Contains(text, strconv.FormatInt(at, 10)) && strings.Contains(text, `"`+want+`"`) && !strings.Contains(text, `"user"`) {
				return
			}
		}
		t.Errorf("%s: no sample with the label %s", when, want)
	}
	label("the first commit", "who")
	before := r.Revision()
	second := repo.commitFiles(t, map[string]string{"plugins/it.wasm": module("rename2.wasm")})
	good := r.awaitPolicies(t, "another plugin", func(p *PolicyStatus) bool { return p.Origin.Commit == second })
	if good.Revision == before {
		t.Error("another plugin is the same revision")
	}
	label("another plugin", "person")
	bad := repo.commitFiles(t, map[string]string{"plugins/it.wasm": "\x00asm is what it is not"})
	p := r.awaitPolicies(t, "no plugin", func(p *PolicyStatus) bool { return p.Refused != nil && p.Refused.Origin.Commit == bad })
	if p.Revision != good.Revision || len(p.Refused.Findings) != 1 || !strings.Contains(p.Refused.Findings[0].Message, "plugin") {
		t.Errorf("%+v, %+v", p, p.Refused)
	}
	label("the plugin before", "person")
	third := repo.commitFiles(t, map[string]string{"plugins/it.wasm": module("rename.wasm")})
	r.awaitPolicies(t, "mended", func(p *PolicyStatus) bool { return p.Origin.Commit == third && p.Refused == nil })
	label("mended", "who")
}

// Without a signature that is trusted a commit does not run, where one is asked for.
func TestGitWantsSignatures(t *testing.T) {
	t.Parallel()
	repo := newRepository(t)
	repo.commit(t, policySet(dropping("a")))
	cfg := testConfig(t, simpleSet)
	cfg.Policies, cfg.Git.Signers = "git+file://"+repo.bare+"//sets/prod", filepath.Join(t.TempDir(), "keys.asc")
	if _, _, err := New(context.Background(), cfg, Options{}); !errors.Is(err, ErrConfig) {
		t.Errorf("no file: %v", err)
	}
	text := "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"
	if err := os.WriteFile(cfg.Git.Signers, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := New(context.Background(), cfg, Options{}); err == nil || !strings.Contains(err.Error(), "is not signed") {
		t.Errorf("not signed: %v", err)
	}
}
