package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// The outcomes of a check.
const (
	CheckOK   = "ok"
	CheckWarn = "warn" // it works, and somebody should look
	CheckFail = "fail" // an instance would not run, or would lose something
)

// HealthCheck is one thing that was looked at.
type HealthCheck struct {
	Name    string `json:"check"`
	Outcome string `json:"outcome"`      // ok, warn or fail
	Seen    string `json:"seen"`         // what was found
	Do      string `json:"do,omitempty"` // what to do about it
}

const (
	doctorTime = 30 * time.Second // that all checks may take
	slowSync   = 100 * time.Millisecond
)

// Doctor looks at what an instance of this configuration needs: its policy set,
// its data directory, its brokers and their topics. Nothing of what it does stays.
// It takes at most half a minute.
func Doctor(ctx context.Context, cfg Config, opts Options) []HealthCheck {
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	r, report, err := New(ctx, cfg, opts)
	out := []HealthCheck{policyCheck(r, &report, err), dataCheck(cfg.DataDir)}
	if len(cfg.Brokers) == 0 {
		return append(out, HealthCheck{"broker", CheckOK, "runs inside the process", ""})
	}
	return append(out, brokerChecks(ctx, cfg, r)...)
}

func policyCheck(r *Runtime, report *Report, err error) HealthCheck {
	switch {
	case err != nil:
		return HealthCheck{"policies", CheckFail, err.Error(), "mend what the message names"}
	case r == nil:
		return HealthCheck{"policies", CheckFail, fmt.Sprintf("refused, %d findings", len(report.Findings)), "run sluice check on the set"}
	case len(report.Findings) > 0:
		return HealthCheck{"policies", CheckWarn, fmt.Sprintf("right, with %d findings", len(report.Findings)), "run sluice check on the set"}
	}
	return HealthCheck{"policies", CheckOK, "right, nothing found", ""}
}

// dataCheck writes a file, syncs it and removes it.
func dataCheck(dir string) HealthCheck {
	const name = "data directory"
	if dir == "" {
		return HealthCheck{name, CheckWarn, "none: what is stored is gone at the end", "give --data-dir"}
	}
	at := filepath.Clean(dir)
	if _, err := os.Stat(at); errors.Is(err, os.ErrNotExist) {
		at = filepath.Dir(at) // where it will be made
	}
	f, err := os.CreateTemp(at, ".sluice-doctor-*")
	if err != nil {
		return HealthCheck{name, CheckFail, err.Error(), "give the user of the instance the right to write there, or another --data-dir"}
	}
	began := time.Now()
	_, err = f.Write(make([]byte, 64<<10))
	err = errors.Join(err, f.Sync(), f.Close())
	took := time.Since(began)
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return HealthCheck{name, CheckFail, err.Error(), "is the disk full, or read-only?"}
	}
	seen := fmt.Sprintf("%s can be written; 64 KiB are on the disk after %v", at, took.Round(10*time.Microsecond))
	if took > slowSync {
		return HealthCheck{name, CheckWarn, seen, "commits will be slow: use a faster disk"}
	}
	return HealthCheck{name, CheckOK, seen, ""}
}

// brokerChecks ask the brokers; r is nil where the policy set is refused.
func brokerChecks(ctx context.Context, cfg Config, r *Runtime) []HealthCheck {
	conf, err := cfg.kafka(nil)
	if err != nil {
		return []HealthCheck{{"broker", CheckFail, err.Error(), "mend the setting"}}
	}
	admin, err := kafka.NewAdmin(conf)
	if err != nil {
		return []HealthCheck{{"broker", CheckFail, err.Error(), "mend the setting"}}
	}
	defer admin.Close()
	began := time.Now()
	topics, err := admin.Topics(ctx)
	if err != nil {
		return []HealthCheck{{"broker", CheckFail, err.Error(), "check address, network, TLS, user and password"}}
	}
	out := []HealthCheck{{"broker", CheckOK, fmt.Sprintf("%s answers after %v, %d topics", strings.Join(cfg.Brokers, ","), time.Since(began).Round(time.Millisecond), len(topics)), ""}}
	if r == nil {
		return out
	}
	var missing []string
	set := r.opened()
	for _, t := range set.topics(r.partitions()) {
		if _, ok := topics[t.Name]; !ok {
			missing = append(missing, t.Name)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		return append(out, HealthCheck{"topics", CheckWarn, "not there: " + strings.Join(missing, ", "), "the instance makes them if it has the right to; else have them made"})
	}
	return append(out, HealthCheck{"topics", CheckOK, "all there", ""})
}
