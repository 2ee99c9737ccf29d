package kafka

import (
	"context"
	"errors"
	"fmt"
)

// EndOffsets returns, by topic and partition, the offset that the next record
// will have. A partition that cannot be asked is left out and joined to the
// error; the others are returned all the same.
func (a *Admin) EndOffsets(ctx context.Context, topics ...string) (map[string]map[int32]int64, error) {
	if len(topics) == 0 { // to the client that would be every topic
		return nil, nil
	}
	listed, err := a.cl.ListEndOffsets(ctx, topics...)
	if err != nil && len(listed) == 0 {
		return nil, a.config.unreachable(err)
	}
	errs := []error{err}
	ends := make(map[string]map[int32]int64, len(listed))
	for topic, partitions := range listed {
		for id, o := range partitions {
			if o.Err != nil {
				errs = append(errs, fmt.Errorf("end of %s/%d: %w", topic, id, o.Err))
				continue
			}
			if ends[topic] == nil {
				ends[topic] = make(map[int32]int64, len(partitions))
			}
			ends[topic][id] = o.Offset
		}
	}
	return ends, errors.Join(errs...)
}
