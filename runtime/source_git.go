package runtime

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/secret"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
)

// gitPrefix begins the setting policies when it is a repository.
const gitPrefix = "git+"

// gitTimeout bounds one request to a repository.
const gitTimeout = time.Minute

// newGitOrigin returns the repository that the configuration names.
func (r *Runtime) newGitOrigin() (policyOrigin, error) {
	c := &r.cfg
	address, err := source.ParseGitAddress(c.Policies)
	if err != nil {
		return nil, fmt.Errorf("%w: policies: %w", ErrConfig, err)
	}
	allow, err := c.egressAllow()
	if err != nil {
		return nil, err
	}
	to := egress.Policy{Allow: allow, Timeout: gitTimeout}
	o := source.GitOptions{
		Address: address, Poll: duration(c.Git.Poll), HTTP: egress.New(to), Dial: egress.Dialer(to).DialContext, Secret: secret.Resolve, Log: r.log,
		User: c.Git.User, Password: c.Git.Password, SSHKey: c.Git.SSHKey, KnownHosts: c.Git.KnownHosts,
	}
	if c.Git.Signers != "" {
		text, err := os.ReadFile(c.Git.Signers)
		if err != nil {
			return nil, fmt.Errorf("%w: git.signers: %w", ErrConfig, err)
		}
		if !strings.Contains(string(text), "BEGIN PGP PUBLIC KEY BLOCK") {
			return nil, fmt.Errorf("%w: git.signers: %s has no armored OpenPGP key", ErrConfig, c.Git.Signers)
		}
		o.Signers = string(text)
	}
	return fileOrigin{files: source.NewGit(o), kind: OriginGit, place: c.Policies}, nil
}
