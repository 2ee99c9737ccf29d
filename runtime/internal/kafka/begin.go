package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// BeginGroup gives a consumer group that has never committed anything its place in
// topics: the first records that are not older than at. A group that has a place in
// any of them keeps what it has. Members must not have joined a group without a place.
func (a *Admin) BeginGroup(ctx context.Context, group string, at time.Time, topics ...string) error {
	known, err := a.hasPlace(ctx, group, topics)
	if err != nil || known || len(topics) == 0 {
		return err
	}
	listed, err := a.cl.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topics...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return fmt.Errorf("consumer group %s: offsets: %w", group, denied(a.config.unreachable(err)))
	}
	if err = a.cl.CommitAllOffsets(ctx, group, listed.Offsets()); err == nil {
		return nil
	}
	if known, _ := a.hasPlace(ctx, group, topics); known { // another instance was first, and has members
		return nil
	}
	return fmt.Errorf("consumer group %s: commit: %w", group, denied(err))
}

func (a *Admin) hasPlace(ctx context.Context, group string, topics []string) (bool, error) {
	fetched, err := a.cl.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("consumer group %s: %w", group, denied(a.config.unreachable(err)))
	}
	var fault error
	known := false
	fetched.KeepFunc(func(o kadm.OffsetResponse) bool {
		if o.Err != nil && fault == nil {
			fault = fmt.Errorf("consumer group %s: %w", group, denied(o.Err))
		}
		for _, topic := range topics {
			known = known || o.Topic == topic && o.At >= 0
		}
		return true
	})
	return known, fault
}
