package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

const (
	sshPort  = 22
	sshGrace = time.Second // for a server that refused to end
)

// overSSH is an exchange with git-upload-pack on another machine.
type overSSH struct {
	conn    net.Conn
	client  *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	said    firstBytes // of its standard error
	stop    func() bool
}

// openSSH signs in and starts git-upload-pack. All of the exchange has the time of ctx.
func (o *GitOptions) openSSH(ctx context.Context, at *transport.Endpoint) (exchange, error) {
	port := at.Port
	if port <= 0 {
		port = sshPort
	}
	address := net.JoinHostPort(at.Host, strconv.Itoa(port))
	conf, err := o.signIn(at.User, address)
	if err != nil {
		return nil, err
	}
	conn, err := o.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	x := &overSSH{conn: conn, stop: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	if err := x.begin(address, conf, at.Path); err != nil {
		_ = x.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", address, context.Cause(ctx))
		}
		return nil, o.told(address, conf.User, err)
	}
	return x, nil
}

// signIn is how the connection is made, as whom, and which keys the host may have.
func (o *GitOptions) signIn(user, address string) (*ssh.ClientConfig, error) {
	if o.SSHKey == "" || o.KnownHosts == "" {
		return nil, errors.New("a repository over ssh needs git.sshKey and git.knownHosts in sluice.cue")
	}
	text, err := o.Secret(o.SSHKey)
	if err != nil {
		return nil, fmt.Errorf("git.sshKey: %w", err)
	}
	key, err := ssh.ParsePrivateKey([]byte(text))
	if err != nil {
		return nil, errors.New("git.sshKey is no private key in PEM without a passphrase")
	}
	hosts, err := gitssh.NewKnownHostsDb(o.KnownHosts)
	if err != nil {
		return nil, fmt.Errorf("git.knownHosts: %s is no file of host keys: %w", o.KnownHosts, err)
	}
	if user == "" {
		user = o.User
	}
	return &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback:   hosts.HostKeyCallback(),
		HostKeyAlgorithms: hosts.HostKeyAlgorithms(address), // a host may have others besides the key that is known
	}, nil
}

func (x *overSSH) begin(address string, conf *ssh.ClientConfig, repository string) error {
	c, channels, requests, err := ssh.NewClientConn(x.conn, address, conf)
	if err != nil {
		return err
	}
	x.client = ssh.NewClient(c, channels, requests)
	if x.session, err = x.client.NewSession(); err != nil {
		return err
	}
	x.session.Stderr = &x.said
	if x.in, err = x.session.StdinPipe(); err != nil {
		return err
	}
	if x.out, err = x.session.StdoutPipe(); err != nil {
		return err
	}
	return x.session.Start("git-upload-pack '" + strings.ReplaceAll(repository, "'", `'\''`) + "'")
}

// told says what to do about a connection that was refused.
func (o *GitOptions) told(address, user string, err error) error {
	if host, wrong := errors.AsType[*knownhosts.KeyError](err); wrong {
		if len(host.Want) == 0 {
			return fmt.Errorf("the host %s is not in git.knownHosts (%s); add its key when you have checked it: %w", address, o.KnownHosts, err)
		}
		return fmt.Errorf("the host %s has another key than git.knownHosts (%s:%d) says: "+
			"somebody may be between, or the host has a new key; ask who runs it: %w", address, host.Want[0].Filename, host.Want[0].Line, err)
	}
	if strings.Contains(err.Error(), "unable to authenticate") {
		return fmt.Errorf("the host %s does not let %s in with the key git.sshKey; have its public key added there: %w", address, user, err)
	}
	return err
}

// AdvertisedReferencesContext returns what the repository has.
func (x *overSSH) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	refs := packp.NewAdvRefs()
	switch err := refs.Decode(x.out); {
	case errors.Is(err, packp.ErrEmptyAdvRefs), err == nil && refs.IsEmpty():
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, x.why(ctx, err)
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	return refs, nil
}

// UploadPack asks for objects. The answer is read before the exchange is closed.
func (x *overSSH) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	err := req.UploadRequest.Encode(x.in)
	if err == nil {
		err = req.UploadHaves.Encode(x.in, true)
	}
	if err == nil {
		err = pktline.NewEncoder(x.in).EncodeString("done\n")
	}
	answer := packp.NewUploadPackResponse(req)
	if err == nil {
		err = answer.Decode(io.NopCloser(x.out))
	}
	if err != nil {
		return nil, x.why(ctx, err)
	}
	return answer, nil
}

// why returns the end of an exchange in the words of the server, where it has any.
func (x *overSSH) why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	grace := time.AfterFunc(sshGrace, func() { _ = x.conn.Close() })
	defer grace.Stop()
	_ = x.session.Wait() // then all that it said is here
	if line, _, _ := strings.Cut(strings.TrimSpace(x.said.text.String()), "\n"); line != "" {
		return fmt.Errorf("the host says: %q: %w", line, err)
	}
	return err
}

// Close ends the connection and waits for what reads from it.
func (x *overSSH) Close() error {
	x.stop()
	err := x.conn.Close()
	if x.client != nil {
		_ = x.client.Wait() // it ends with the connection, which is an error
	}
	return err
}

// firstBytes keeps the beginning of what is written to it.
type firstBytes struct{ text bytes.Buffer }

func (f *firstBytes) Write(p []byte) (int, error) {
	const most = 1 << 10
	f.text.Write(p[:min(len(p), most-min(f.text.Len(), most))])
	return len(p), nil
}
