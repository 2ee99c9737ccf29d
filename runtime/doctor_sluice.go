package runtime

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/secret"
	"github.com/sluice-metrics/sluice/runtime/internal/store"
)

const (
	expiresSoon = 14 * 24 * time.Hour
	receiveTime = 5 * time.Second // for a receiver to answer
)

// lookAtSluice checks the policies and what an instance has kept.
func (d *doctor) lookAtSluice(_ context.Context, f *findings) {
	const name = "policies"
	switch n := len(d.report.Findings); {
	case d.unknown.Outcome != "":
		f.add(d.unknown.Outcome, name, d.unknown.Do, "%s", d.unknown.Seen)
	case d.err != nil && d.pushed != "":
		f.fail(name, "push a set that runs, or go back to one that did: sluice rollback", "%v", d.err)
	case d.err != nil:
		f.fail(name, "mend what the message names", "%v", d.err)
	case d.r == nil:
		f.fail(name, "run sluice check on the set", "refused, %s", count(n, "finding"))
	case n > 0:
		f.warn(name, "run sluice check on the set", "%sright, with %s", d.pushed, count(n, "finding"))
	default:
		f.ok(name, "%sright, nothing found", d.pushed)
	}
	if d.r != nil {
		d.expiring(f, time.Now())
	}
	if d.cfg.DataDir != "" {
		d.kept(f)
		d.stored(f)
	}
}

// expiring tells which rules end soon.
func (d *doctor) expiring(f *findings, now time.Time) {
	var soon []string
	look := func(team, name, day string) {
		at, err := time.Parse(time.DateOnly, day)
		if left := at.Sub(now); err == nil && left > -24*time.Hour && left <= expiresSoon {
			soon = append(soon, team+"/"+name+" on "+day)
		}
	}
	for _, t := range d.r.opened().bundle.Set.Teams {
		for name, rule := range t.Control {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Degrade {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Rewrite {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Transform {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Aggregate {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Budget {
			look(t.Name, name, rule.Expires)
		}
	}
	if len(soon) > 0 {
		f.warn("rules", "remove them, or move their expires", "%s within 14 days of the end: %s", count(len(soon), "rule"), firstFew(soon))
		return
	}
	f.ok("rules", "none ends within 14 days")
}

// kept tells of the policy set that a start with a wrong one falls back on.
func (d *doctor) kept(f *findings) {
	const name = "last good policies"
	quiet := slog.New(slog.DiscardHandler)
	k := newKeeper(d.cfg.DataDir, Loading{plugins: keptPlugins(d.cfg.DataDir, d.cfg.Plugins, quiet)}, quiet)
	good := k.load()
	_, err := os.Stat(k.goodFile())
	trial := k.trial()
	switch {
	case good == nil && err == nil:
		f.warn(name, "they are written anew when policies pass their probation", "%s cannot be used by this version", k.goodFile())
	case good == nil:
		f.ok(name, "none yet: policies are kept once they have passed their probation")
	case trial != "":
		f.warn(name, "without an instance running here: it ended during a probation, and the next start falls back; reload to try again",
			"revision %.12s; %.12s is on probation", good.bundle.Digest, trial)
	default:
		f.ok(name, "revision %.12s", good.bundle.Digest)
	}
}

func (d *doctor) stored(f *findings) {
	b, err := store.ReadBlocks(filepath.Join(d.cfg.DataDir, "store"))
	switch {
	case err != nil:
		f.fail("store", "move the block away, or give the instance the right to read it", "%v", err)
	case b.N == 0:
		f.ok("store", "no blocks yet: what is newer than two hours is in its log")
	default:
		f.ok("store", "%s, from %s to %s", count(b.N, "block"), b.Oldest.UTC().Format(time.RFC3339), b.Newest.UTC().Format(time.RFC3339))
	}
}

// lookAtSinks asks the receivers of remote write whether they are there, by the
// client that would send and without a sample.
func (d *doctor) lookAtSinks(ctx context.Context, f *findings) {
	if d.r == nil || !d.cfg.does(roleSinks) {
		return
	}
	allow, err := d.cfg.egressAllow()
	if err != nil {
		f.fail("egress", "mend --egress-allow", "%v", err)
		return
	}
	client := egress.New(egress.Policy{Allow: allow, Timeout: receiveTime})
	defer client.CloseIdleConnections()
	sinks := d.r.opened().sinks()
	names := make([]string, 0, len(sinks))
	for name, s := range sinks {
		if s.Type == "remote-write" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		f.receiver(ctx, client, name, sinks[name])
	}
}

func (f *findings) receiver(ctx context.Context, client *http.Client, name string, s policy.Sink) {
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
			f.fail(check, "set what the reference names", "%v", err)
			return
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, s.URL, nil)
	if err != nil {
		f.fail(check, "mend its url", "%v", err)
		return
	}
	resp, err := client.Do(req)
	if denied := (*egress.DeniedError)(nil); errors.As(err, &denied) {
		f.fail(check, "allow it with --egress-allow, if it is where samples should go", "%v", denied)
		return
	}
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) { // its text has the whole URL
			err = u.Err
		}
		f.fail(check, "check its url, and that the receiver runs", "%s: %v", cmp.Or(req.URL.Host, "no host"), err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusNotFound {
		f.warn(check, "check its url, and whether the receiver is well", "%s answers %s", req.URL.Host, resp.Status)
		return
	}
	f.ok(check, "%s answers", req.URL.Host)
}
