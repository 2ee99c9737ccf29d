// Package deadletter lists the records that could not be read, and makes of them what
// can be sent again. It knows a topic of dead letters and its headers, and which topics
// letters may go back to. It does not know which streams there are, who asks, nor how records are sent.
package deadletter

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// Bounds of dead letters.
const (
	MaxLetters     = 1000    // of an answer
	MaxReplays     = 3       // of one letter; one that died again so often is left
	maxLetterScan  = 5000    // records that one question looks at
	letterText     = 2 << 10 // bytes that are shown of one
	lettersAtATime = 500     // read of a partition at once
)

// Letter is a record that could not be read.
type Letter struct {
	Letters   string    `json:"letters"`             // the dead-letter topic
	Partition int32     `json:"partition"`           // of that topic
	Offset    int64     `json:"offset"`              // in that partition
	At        time.Time `json:"at"`                  // when it was put aside
	Reason    string    `json:"reason"`              // why it cannot be read
	Detail    string    `json:"detail,omitempty"`    // what exactly is wrong
	Stage     string    `json:"stage,omitempty"`     // stream or sink that could not read it
	Source    string    `json:"source,omitempty"`    // topic/partition/offset of the record
	Task      string    `json:"task,omitempty"`      // as its key has it
	Replays   int       `json:"replays,omitempty"`   // how often it was sent again
	Bytes     int       `json:"bytes"`               // of the record as it is kept
	Truncated bool      `json:"truncated,omitempty"` // only the beginning is kept: it cannot be sent again
	Text      string    `json:"text"`                // the beginning of the record, without what looks like a secret
}

// Filter picks letters; what is left empty picks all.
type Filter struct {
	Stream string // its name; needed where the streams have several dead-letter topics
	Reason string
	Task   string
}

// Box is a topic of dead letters.
type Box struct {
	Kafka  kafka.Config
	Topic  string
	Inputs map[string]bool // topics that letters may be sent into again
}

// List lists letters, the newest first, from a cursor on ("": from the newest one), and
// gives the cursor to go on from, "" when there are no more. It looks at a bounded
// number of records, so there may be fewer letters than asked for, or none, although
// there are more. Errors wrap diag.ErrRejected or diag.ErrUnreachable.
func (b *Box) List(ctx context.Context, f Filter, after string, limit int) (letters []Letter, next string, err error) {
	admin, err := kafka.NewAdmin(b.Kafka)
	if err != nil {
		return nil, "", err
	}
	defer admin.Close()
	ranges, err := admin.Ranges(ctx, b.Topic)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", diag.ErrUnreachable, err)
	}
	if err := cutAt(ranges, after); err != nil {
		return nil, "", err
	}
	for looked := 0; looked < maxLetterScan && len(letters) < limit && anyLeft(ranges); {
		list, err := b.newest(ctx, ranges)
		if err != nil {
			return nil, "", err
		}
		for i := range list {
			ranges[list[i].Partition] = kafka.Range{From: ranges[list[i].Partition].From, To: list[i].Offset}
			if looked++; f.picks(&list[i]) {
				letters = append(letters, list[i])
			}
			if len(letters) == limit {
				break
			}
		}
	}
	return letters, cursorOf(ranges), nil
}

func (f *Filter) picks(l *Letter) bool {
	return (f.Reason == "" || f.Reason == l.Reason) && (f.Task == "" || f.Task == l.Task) && (f.Stream == "" || f.Stream == l.Stage)
}

// newest reads the last letters of each partition, the newest first, see inTurn. What
// holds no letter is cut from the ranges.
func (b *Box) newest(ctx context.Context, ranges map[int32]kafka.Range) ([]Letter, error) {
	tail, letters := map[int32]kafka.Range{}, map[int32][]Letter{}
	for id, of := range ranges {
		tail[id], letters[id] = kafka.Range{From: max(of.From, of.To-lettersAtATime), To: of.To}, nil
	}
	err := kafka.ReadRanges(ctx, b.Kafka, b.Topic, tail, func(s *kafka.Stored) error {
		letters[s.Partition] = append(letters[s.Partition], letterOf(b.Topic, s))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", diag.ErrUnreachable, err)
	}
	for id, part := range tail {
		if len(letters[id]) == 0 { // but marks of transactions
			ranges[id] = kafka.Range{From: ranges[id].From, To: part.From}
		}
	}
	return inTurn(letters, func(id int32) bool { return tail[id].From > ranges[id].From }), nil
}

// inTurn puts the letters of partitions in one list, the newest first. Those of a
// partition stay in the order of their offsets, which a cursor counts by, whatever the
// clocks of their writers said. The list ends where one partition is through and has
// more to read: that may be newer than what is left of the others.
func inTurn(letters map[int32][]Letter, more func(partition int32) bool) (list []Letter) {
	for {
		var newest *Letter
		for id, left := range letters {
			if len(left) == 0 {
				if more(id) {
					return list
				}
				continue
			}
			last := &left[len(left)-1]
			if newest == nil || cmp.Or(newest.At.Compare(last.At), cmp.Compare(last.Partition, newest.Partition)) < 0 {
				newest = last
			}
		}
		if newest == nil {
			return list
		}
		list = append(list, *newest)
		letters[newest.Partition] = letters[newest.Partition][:len(letters[newest.Partition])-1]
	}
}

func letterOf(topic string, s *kafka.Stored) Letter {
	task, _, _ := strings.Cut(string(s.Key), "\x00")
	replays, _ := strconv.Atoi(s.Header(engine.ReplaysHeader)) // none: never sent again
	return Letter{
		Letters: topic, Partition: s.Partition, Offset: s.Offset, At: s.Time.UTC(), Reason: s.Header("sluice-reason"),
		Detail: s.Header("sluice-detail"), Stage: s.Header("sluice-stage"), Source: s.Header("sluice-src"),
		Task: strings.ToValidUTF8(task, "\uFFFD"), Replays: replays, Bytes: len(s.Value), Truncated: s.Header("sluice-truncated") != "",
		Text: diag.Excerpt(strings.ToValidUTF8(string(s.Value[:min(len(s.Value), 2*letterText)]), "\uFFFD"), letterText),
	}
}

func anyLeft(ranges map[int32]kafka.Range) bool {
	for _, of := range ranges {
		if of.From < of.To {
			return true
		}
	}
	return false
}

// cursorOf says how far each partition has been read, "" when nothing is left.
func cursorOf(ranges map[int32]kafka.Range) string {
	if !anyLeft(ranges) {
		return ""
	}
	at := map[int32]int64{}
	for id, of := range ranges {
		at[id] = of.To
	}
	text, _ := json.Marshal(at) // numbers only
	return base64.RawURLEncoding.EncodeToString(text)
}

// cutAt takes what a cursor says has been read from the ranges.
func cutAt(ranges map[int32]kafka.Range, after string) error {
	if after == "" {
		return nil
	}
	var at map[int32]int64
	text, err := base64.RawURLEncoding.DecodeString(after)
	if err != nil || json.Unmarshal(text, &at) != nil {
		return fmt.Errorf("%w: after: %q is not what next has given", diag.ErrRejected, after)
	}
	for id, of := range ranges {
		if to, ok := at[id]; ok {
			ranges[id] = kafka.Range{From: of.From, To: min(of.To, max(to, of.From))}
		}
	}
	return nil
}
