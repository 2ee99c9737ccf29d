package deadletter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// Request says which letters are sent again.
type Request struct {
	Filter
	Offsets map[int32][]int64 // of the dead-letter topic, by partition; nil: what the filter picks
	Limit   int               // most that are sent, 1 to MaxLetters
	Send    bool              // false: only say what would be sent
}

// ReplayedLetters is what became of the letters that were picked.
type ReplayedLetters struct {
	Sent    bool           `json:"sent"`           // false: this is what would be
	Letters []Letter       `json:"letters"`        // that are sent again
	Left    map[string]int `json:"left,omitempty"` // letters that cannot be, by reason
	More    bool           `json:"more,omitempty"` // there may be more than were looked at
}

// Again picks the letters of a request that can be sent again, and makes the records
// that would: into the topics that they came from, with key and value as they were, and
// a header that counts how often. Letters that have died MaxReplays times after that are
// left where they are, so that nothing goes round for ever. Nothing is sent here. Errors
// are those of List.
func (b *Box) Again(ctx context.Context, q Request) (ReplayedLetters, []engine.Outgoing, error) {
	done := ReplayedLetters{Sent: q.Send, Letters: []Letter{}, Left: map[string]int{}}
	if q.Limit < 1 || q.Limit > MaxLetters {
		return done, nil, fmt.Errorf("%w: limit: %d is not from 1 to %d", diag.ErrRejected, q.Limit, MaxLetters)
	}
	picked, more, err := b.pick(ctx, &q)
	if err != nil {
		return done, nil, err
	}
	done.More = more
	var records []engine.Outgoing
	for _, s := range picked {
		l := letterOf(b.Topic, s)
		to, partition, ok := sourceOf(l.Source)
		switch {
		case l.Truncated:
			done.Left["only its beginning is kept"]++
		case l.Replays >= MaxReplays:
			done.Left[fmt.Sprintf("it has died %d times", l.Replays+1)]++
		case !ok || !b.Inputs[to]:
			done.Left["it came from no input topic of this instance"]++
		default:
			done.Letters = append(done.Letters, l)
			records = append(records, engine.Outgoing{
				Topic: to, Partition: partition, Key: s.Key, Value: s.Value,
				Headers: []engine.Header{{Key: engine.ReplaysHeader, Value: strconv.AppendInt(nil, int64(l.Replays+1), 10)}},
			})
		}
	}
	return done, records, nil
}

// pick reads the letters that a request is about, at most its limit.
func (b *Box) pick(ctx context.Context, q *Request) (list []*kafka.Stored, more bool, err error) {
	wanted := q.Offsets
	if wanted == nil {
		letters, next, err := b.List(ctx, q.Filter, "", q.Limit)
		if err != nil {
			return nil, false, err
		}
		more, wanted = next != "", map[int32][]int64{}
		for _, l := range letters {
			wanted[l.Partition] = append(wanted[l.Partition], l.Offset)
		}
	}
	parts := map[int32]kafka.Range{}
	admin, err := kafka.NewAdmin(b.Kafka)
	if err != nil {
		return nil, false, err
	}
	defer admin.Close()
	have, err := admin.Ranges(ctx, b.Topic)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", diag.ErrUnreachable, err)
	}
	for id, offsets := range wanted {
		for _, at := range offsets {
			if at < have[id].From || at >= have[id].To {
				return nil, false, fmt.Errorf("%w: offsets: %s has no offset %d in partition %d", diag.ErrRejected, b.Topic, at, id)
			}
		}
		if len(offsets) > 0 {
			parts[id] = kafka.Range{From: slices.Min(offsets), To: slices.Max(offsets) + 1}
		}
	}
	err = kafka.ReadRanges(ctx, b.Kafka, b.Topic, parts, func(s *kafka.Stored) error {
		switch {
		case !slices.Contains(wanted[s.Partition], s.Offset):
		case len(list) < q.Limit:
			list = append(list, s)
		default:
			more = true
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", diag.ErrUnreachable, err)
	}
	return list, more, nil
}

// sourceOf reads topic/partition/offset.
func sourceOf(text string) (topic string, partition int32, ok bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(parts[1], 10, 32)
	return parts[0], int32(n), err == nil && n >= 0
}
