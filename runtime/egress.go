package runtime

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
)

// Egress returns a client for calls of other systems, each within a time: it
// reaches public addresses, and of others those that the configuration allows.
func (r *Runtime) Egress(within time.Duration) (*http.Client, error) {
	allow, err := r.cfg.egressAllow()
	if err != nil {
		return nil, err
	}
	return egress.New(egress.Policy{Allow: allow, Timeout: within}), nil
}

// egressAllow are the networks that calls may reach besides public addresses.
func (c *Config) egressAllow() ([]netip.Prefix, error) {
	allow := make([]netip.Prefix, len(c.EgressAllow))
	for i, p := range c.EgressAllow {
		var err error
		if allow[i], err = netip.ParsePrefix(p); err != nil {
			return nil, fmt.Errorf("%w: egressAllow: %w", ErrConfig, err)
		}
	}
	return allow, nil
}
