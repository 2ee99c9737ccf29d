package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

// try lets the set in dir govern a part, or decide beside the set in force: what
// rollout canary and rollout shadow do.
func (f *applyFlags) try(ctx context.Context, t terminal, dir string) error {
	canary, err := f.candidate()
	if err != nil {
		return environment(err)
	}
	return f.send(ctx, t, dir, func(at *client.Client, set *policyFiles) error {
		what := runtime.Candidate{Files: set.texts, Plugins: set.plugins, Reason: f.reason}
		if f.shadow {
			_, err = at.Shadow(ctx, runtime.ShadowRequest{Candidate: what})
		} else {
			canary.Candidate = what
			_, err = at.Canary(ctx, canary)
		}
		if err != nil {
			return refusedPolicies(t, err, dir)
		}
		status, err := f.rollout(ctx, at)
		if err != nil {
			return err
		}
		return showRollout(t.out, &status, f.asking.format == "json")
	})
}

func (f *applyFlags) rollout(ctx context.Context, at *client.Client) (runtime.RolloutStatus, error) {
	if f.shadow {
		return shadowEnd(ctx, at, f.wait)
	}
	return at.Rollout(ctx)
}

// candidate reads the flags of a set that is tried. Those of a change that is
// pushed do not go with it.
func (f *applyFlags) candidate() (q runtime.CanaryRequest, err error) {
	switch {
	case f.canary != "" && f.shadow:
		return q, errors.New("--canary and --shadow do not go together: look at the shadow first, then begin the canary")
	case f.plan != "" || f.base != "":
		return q, errors.New("--plan and --if-match are for a set that is put in force, not for --canary and --shadow")
	case f.fleet:
		return q, errors.New("--fleet is for a set that is put in force; a canary is the fleet's anyway, and a shadow is one instance's")
	case f.canary != "" && f.wait:
		return q, errors.New("--wait does not go with --canary: a canary runs until it is promoted or aborted; see sluice rollout status")
	case f.reason == "":
		return q, errNoReason
	case f.shadow:
		return q, nil
	case strings.Contains(f.canary, "%"):
		q.Share, err = shareOf("canary", f.canary)
		return q, err
	}
	for text := range strings.SplitSeq(f.canary, ",") {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return q, fmt.Errorf("--canary: %q is neither a share of the tasks, such as 5%%, nor partitions, such as 0,1", f.canary)
		}
		q.Partitions = append(q.Partitions, int32(n))
	}
	return q, nil
}
