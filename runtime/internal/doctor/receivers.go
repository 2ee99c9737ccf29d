package doctor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/secret"
)

const receiveTime = 5 * time.Second // for a receiver to answer

// Receivers asks the receivers of remote write whether they are there, by the client
// that would send and without a sample. allow are the networks that sinks may reach.
func (f *Findings) Receivers(ctx context.Context, allow []netip.Prefix, sinks map[string]policy.Sink) {
	client := egress.New(egress.Policy{Allow: allow, Timeout: receiveTime})
	defer client.CloseIdleConnections()
	for _, name := range slices.Sorted(maps.Keys(sinks)) {
		if s := sinks[name]; s.Type == "remote-write" {
			f.receiver(ctx, client, name, s)
		}
	}
}

func (f *Findings) receiver(ctx context.Context, client *http.Client, name string, s policy.Sink) {
	check := "sink " + name
	references := []string{s.Bearer}
	if s.Basic != nil {
		references = append(references, s.Basic.Password)
	}
	for _, ref := range references {
		if ref == "" {
			continue
		}
		if _, err := secret.Resolve(ref); err != nil {
			f.Fail(check, "set what the reference names", "%v", err)
			return
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, s.URL, nil)
	if err != nil {
		f.Fail(check, "mend its url", "%v", err)
		return
	}
	resp, err := client.Do(req)
	if denied := (*egress.DeniedError)(nil); errors.As(err, &denied) {
		f.Fail(check, "allow it with --egress-allow, if it is where samples should go", "%v", denied)
		return
	}
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) { // its text has the whole URL
			err = u.Err
		}
		f.Fail(check, "check its url, and that the receiver runs", "%s: %v", cmp.Or(req.URL.Host, "no host"), err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusNotFound {
		f.Warn(check, "check its url, and whether the receiver is well", "%s answers %s", req.URL.Host, resp.Status)
		return
	}
	f.OK(check, "%s answers", req.URL.Host)
}
