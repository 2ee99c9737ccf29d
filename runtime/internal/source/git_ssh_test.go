package source

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// uploadPack serves a repository over what a session of ssh has for it.
type uploadPack func(dir string, in io.Reader, out, told io.Writer) error

// byLibrary is what the library has for a server.
func byLibrary(dir string, in io.Reader, out, told io.Writer) error {
	endpoint, err := transport.NewEndpoint("file://" + dir)
	if err != nil {
		return err
	}
	s, err := server.NewServer(server.NewFilesystemLoader(osfs.New("/"))).NewUploadPackSession(endpoint, nil)
	if err != nil {
		return errors.Join(err, say(told, "fatal: '%s' does not appear to be a git repository\n", dir))
	}
	refs, err := s.AdvertisedReferencesContext(context.Background())
	if err == nil {
		err = refs.Encode(out)
	}
	req := packp.NewUploadPackRequest()
	if err == nil {
		err = req.Decode(in)
	}
	if err != nil {
		return err
	}
	answer, err := s.UploadPack(context.Background(), req)
	if err != nil {
		return errors.Join(err, say(told, "fatal: %v\n", err))
	}
	return answer.Encode(out)
}

func say(to io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(to, format, args...)
	return err
}

// byGit is git itself.
func byGit(dir string, in io.Reader, out, told io.Writer) error {
	c := exec.Command("git", "-c", "safe.directory=*", "upload-pack", dir)
	c.Stdout, c.Stderr = out, told
	asked, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return err
	}
	go func() { // until the session is closed, which is when git has ended
		_, _ = io.Copy(asked, in)
		asked.Close()
	}()
	return c.Wait()
}

// sshServer is a server that lets git in by one key, and what signs in there.
type sshServer struct {
	addr  string
	hosts []ssh.Signer // its keys
	key   string       // that lets git in, in PEM
	known string       // file of the key of the host that is ed25519
}

func newKey(t *testing.T) (ssh.Signer, ed25519.PrivateKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, private
}

// inPEM writes a private key, with a passphrase unless that is "".
func inPEM(t *testing.T, key ed25519.PrivateKey, passphrase string) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// knownHosts writes a file with one key of a host.
func knownHosts(t *testing.T, address string, key ssh.PublicKey) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(name, []byte(knownhosts.Line([]string{address}, key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// serveSSH serves repositories. The host has a key of another kind besides the known
// one, which it would rather use.
func serveSSH(t *testing.T, serve uploadPack) sshServer {
	t.Helper()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ssh.NewSignerFromKey(other)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := newKey(t)
	client, private := newKey(t)
	conf := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "git" || string(key.Marshal()) != string(client.PublicKey().Marshal()) {
			return nil, errors.New("not known here")
		}
		return nil, nil
	}}
	conf.AddHostKey(ec)
	conf.AddHostKey(host)
	l := listen(t, func(c net.Conn) { serveConn(c, conf, serve) })
	return sshServer{l, []ssh.Signer{ec, host}, inPEM(t, private, ""), knownHosts(t, l, host.PublicKey())}
}

// listen serves connections until the test has ended.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
	return l.Addr().String()
}

func serveConn(c net.Conn, conf *ssh.ServerConfig, serve uploadPack) {
	_, channels, requests, err := ssh.NewServerConn(c, conf)
	if err != nil {
		return // the other side is told
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { ssh.DiscardRequests(requests) })
	for n := range channels {
		ch, asked, err := n.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			for r := range asked {
				dir, ok := strings.CutPrefix(string(r.Payload[min(4, len(r.Payload)):]), "git-upload-pack '")
				ok = ok && r.Type == "exec"
				if err := r.Reply(ok, nil); err != nil || !ok {
					continue
				}
				var status struct{ Status uint32 }
				if serve(strings.TrimSuffix(dir, "'"), ch, ch, ch.Stderr()) != nil {
					status.Status = 128
				}
				_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(status)) // the other side may be gone
				ch.Close()
			}
		})
	}
}

// options sign in as the server wants it.
func (s *sshServer) options() GitOptions {
	return GitOptions{
		User: "git", SSHKey: "file:///key", KnownHosts: s.known, Dial: new(net.Dialer).DialContext,
		Secret: func(ref string) (string, error) {
			if ref != "file:///key" {
				return "", fmt.Errorf("no secret %s", ref)
			}
			return s.key, nil
		},
	}
}

func TestGitOverSSH(t *testing.T) {
	for name, serve := range map[string]uploadPack{"library": byLibrary, "git": byGit} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("git"); name == "git" && err != nil {
				t.Skip("git is not installed: only the server of the library is asked")
			}
			dir := repository(t, map[string]string{"sets/it's/policy.cue": "package policies\n", "sets/plugins/mask.wasm": "\x00asm"}, nil)
			s := serveSSH(t, serve)
			for _, address := range []string{s.addr, "git@" + s.addr} {
				got, err := load(t, s.options(), "git+ssh://"+address+dir+"//sets?ref=master")
				if err != nil || len(got.Commit) != 40 || got.Ref != "master" || len(got.FS.(Tree)) != 2 {
					t.Errorf("%s: %+v, %v", address, got, err)
				}
			}
			empty := t.TempDir()
			if _, err := git.PlainInit(empty, true); err != nil {
				t.Fatal(err)
			}
			for at, want := range map[string]string{
				dir + "?ref=none": "no branch and no tag none",
				empty:             "empty",
				t.TempDir():       "not appear to be a git repository",
				dir + "?ref=" + strings.Repeat("0123", 10): "0123012301",
			} {
				if _, err := load(t, s.options(), "git+ssh://"+s.addr+at); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", at, err, want)
				}
			}
		})
	}
}

// Who may not sign in, and a host that is not known, are told apart, with what to do.
func TestSSHRefusals(t *testing.T) {
	dir := repository(t, map[string]string{"policy.cue": "package policies\n"}, nil)
	s := serveSSH(t, byLibrary)
	stranger, private := newKey(t)
	key := func(text string) func(*GitOptions) {
		return func(o *GitOptions) { o.Secret = func(string) (string, error) { return text, nil } }
	}
	for name, tt := range map[string]struct {
		change func(*GitOptions)
		user   string
		says   []string
	}{
		"another key":          {key(inPEM(t, private, "")), "", []string{"does not let git in", "git.sshKey", "public key added"}},
		"another user":         {func(o *GitOptions) { o.User = "bob" }, "", []string{"does not let bob in"}},
		"user of the address":  {nil, "ann@", []string{"does not let ann in"}},
		"host not known":       {func(o *GitOptions) { o.KnownHosts = knownHosts(t, "git.example.com", stranger.PublicKey()) }, "", []string{s.addr + " is not in git.knownHosts", "add its key"}},
		"host with another":    {func(o *GitOptions) { o.KnownHosts = knownHosts(t, s.addr, stranger.PublicKey()) }, "", []string{"has another key than git.knownHosts", "known_hosts:1", "ask who runs it"}},
		"no file of hosts":     {func(o *GitOptions) { o.KnownHosts = "/no/such/file" }, "", []string{"git.knownHosts", "/no/such/file"}},
		"file of other things": {func(o *GitOptions) { o.KnownHosts = filepath.Join(dir, "HEAD") }, "", []string{"git.knownHosts", "HEAD"}},
		"no hosts":             {func(o *GitOptions) { o.KnownHosts = "" }, "", []string{"needs git.sshKey and git.knownHosts"}},
		"no key":               {func(o *GitOptions) { o.SSHKey = "" }, "", []string{"needs git.sshKey and git.knownHosts"}},
		"no secret":            {func(o *GitOptions) { o.SSHKey = "env://NONE" }, "", []string{"git.sshKey", "no secret env://NONE"}},
		"a passphrase":         {key(inPEM(t, private, "open sesame")), "", []string{"without a passphrase"}},
		"no PEM":               {key("s3cret"), "", []string{"git.sshKey is no private key"}},
		"a host out of bounds": {func(o *GitOptions) {
			o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("not allowed") }
		}, "", []string{"not allowed"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options()
			if tt.change != nil {
				tt.change(&o)
			}
			_, err := load(t, o, "git+ssh://"+tt.user+s.addr+dir)
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Fatal(err)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
		})
	}
}

// A host that says nothing does not hold up what follows it.
func TestSSHEnds(t *testing.T) {
	silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	s := serveSSH(t, func(_ string, in io.Reader, _, _ io.Writer) error {
		_, err := io.Copy(io.Discard, in)
		return err
	})
	for name, address := range map[string]string{"before it has signed": silent, "afterwards": s.addr} {
		a, err := ParseGitAddress("git+ssh://" + address + "/policies.git")
		if err != nil {
			t.Fatal(err)
		}
		o := s.options()
		o.Address = a
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := NewGit(o).Load(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
