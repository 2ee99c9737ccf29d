package runtime

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// Bounds of dead letters.
const (
	MaxLetters     = 1000 // of an answer
	MaxReplays     = 3    // of one letter; one that died again so often is left
	maxLetterScan  = 5000 // records that one question looks at
	letterText     = 2 << 10
	lettersAtATime = 500 // read of a partition at once
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

// LetterFilter picks letters; what is left empty picks all.
type LetterFilter struct {
	Stream string // its name; needed where the streams have several dead-letter topics
	Reason string
	Task   string
}

// Letters lists dead letters, the newest first, from a cursor on ("": from the
// newest one). It looks at a bounded number of records, so there may be fewer
// items than asked for, or none, although Next says that there are more. Errors
// wrap ErrRejected, ErrNoStream, ErrNotReady or ErrUnreachable.
func (r *Runtime) Letters(ctx context.Context, f LetterFilter, after string, limit int) (Page[Letter], error) {
	page := Page[Letter]{Items: []Letter{}}
	topic, err := r.letterTopicOf(f.Stream)
	if err != nil {
		return page, err
	}
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return page, err
	}
	defer admin.Close()
	ranges, err := admin.Ranges(ctx, topic)
	if err != nil {
		return page, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err := cutAt(ranges, after); err != nil {
		return page, err
	}
	for looked := 0; looked < maxLetterScan && len(page.Items) < limit; {
		list, err := r.newest(ctx, topic, ranges)
		if err != nil {
			return page, err
		}
		if len(list) == 0 {
			return page, nil
		}
		for i := range list {
			ranges[list[i].Partition] = kafka.Range{From: ranges[list[i].Partition].From, To: list[i].Offset}
			if looked++; f.picks(&list[i]) {
				page.Items = append(page.Items, list[i])
			}
			if len(page.Items) == limit {
				break
			}
		}
	}
	page.Next = cursorOf(ranges)
	return page, nil
}

func (f *LetterFilter) picks(l *Letter) bool {
	return (f.Reason == "" || f.Reason == l.Reason) && (f.Task == "" || f.Task == l.Task) && (f.Stream == "" || f.Stream == l.Stage)
}

// newest reads the last letters of each partition, the newest first. Only those
// are in it that are newer than what another partition has left to read.
func (r *Runtime) newest(ctx context.Context, topic string, ranges map[int32]kafka.Range) ([]Letter, error) {
	tail := map[int32]kafka.Range{}
	for id, of := range ranges {
		tail[id] = kafka.Range{From: max(of.From, of.To-lettersAtATime), To: of.To}
	}
	var list []Letter
	oldest := map[int32]time.Time{}
	err := kafka.ReadRanges(ctx, r.kafka, topic, tail, func(s *kafka.Stored) error {
		if _, ok := oldest[s.Partition]; !ok && tail[s.Partition].From > ranges[s.Partition].From {
			oldest[s.Partition] = s.Time
		}
		list = append(list, letterOf(topic, s))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	slices.SortFunc(list, func(a, b Letter) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Partition, b.Partition), cmp.Compare(b.Offset, a.Offset))
	})
	for _, t := range oldest {
		list = slices.DeleteFunc(list, func(l Letter) bool { return l.At.Before(t) })
	}
	return list, nil
}

func letterOf(topic string, s *kafka.Stored) Letter {
	task, _, _ := strings.Cut(string(s.Key), "\x00")
	replays, _ := strconv.Atoi(s.Header(engine.ReplaysHeader)) // none: never sent again
	return Letter{
		Letters: topic, Partition: s.Partition, Offset: s.Offset, At: s.Time.UTC(), Reason: s.Header("sluice-reason"),
		Detail: s.Header("sluice-detail"), Stage: s.Header("sluice-stage"), Source: s.Header("sluice-src"),
		Task: strings.ToValidUTF8(task, "\uFFFD"), Replays: replays, Bytes: len(s.Value), Truncated: s.Header("sluice-truncated") != "",
		Text: shorten(diag.Mask(strings.ToValidUTF8(string(s.Value[:min(len(s.Value), 2*letterText)]), "\uFFFD")), letterText),
	}
}

// letterTopicOf is where the letters of a stream are; "" is the only topic there is.
func (r *Runtime) letterTopicOf(stream string) (string, error) {
	if len(r.hops(&r.streams))+len(r.hops(&r.sinks)) == 0 {
		return "", fmt.Errorf("%w: nothing is open here", ErrNotReady)
	}
	topics := map[string]bool{}
	for name, s := range r.opened().streams() {
		if name == stream {
			return s.DeadLetter, nil
		}
		topics[s.DeadLetter] = true
	}
	switch {
	case stream != "":
		return "", fmt.Errorf("%w: %q", ErrNoStream, stream)
	case len(topics) > 1:
		return "", fmt.Errorf("%w: stream: say which; they do not share one dead-letter topic", ErrRejected)
	}
	return r.opened().letterTopic(), nil
}

// cursorOf says how far each partition has been read, "" when nothing is left.
func cursorOf(ranges map[int32]kafka.Range) string {
	at, left := map[int32]int64{}, false
	for id, of := range ranges {
		at[id] = of.To
		left = left || of.From < of.To
	}
	if !left {
		return ""
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
		return fmt.Errorf("%w: after: %q is not what next has given", ErrRejected, after)
	}
	for id, of := range ranges {
		if to, ok := at[id]; ok {
			ranges[id] = kafka.Range{From: of.From, To: min(of.To, max(to, of.From))}
		}
	}
	return nil
}

// ReplayLettersRequest says which letters are sent again.
type ReplayLettersRequest struct {
	LetterFilter
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

// ReplayLetters sends dead letters into the topics that they came from, with key
// and value as they were, and a header that counts how often. What dies again
// MaxReplays times is left where it is, so that nothing goes round for ever.
// Errors are those of Letters.
func (r *Runtime) ReplayLetters(ctx context.Context, by Actor, q ReplayLettersRequest) (ReplayedLetters, error) {
	done := ReplayedLetters{Sent: q.Send, Letters: []Letter{}, Left: map[string]int{}}
	if q.Limit < 1 || q.Limit > MaxLetters {
		return done, fmt.Errorf("%w: limit: %d is not from 1 to %d", ErrRejected, q.Limit, MaxLetters)
	}
	topic, err := r.letterTopicOf(q.Stream)
	if err != nil {
		return done, err
	}
	picked, more, err := r.pick(ctx, topic, &q)
	if err != nil {
		return done, err
	}
	done.More = more
	inputs := map[string]bool{}
	for _, s := range r.opened().streams() {
		for _, t := range s.Topics {
			inputs[t] = true
		}
	}
	var records []engine.Outgoing
	for _, s := range picked {
		l := letterOf(topic, s)
		to, partition, ok := sourceOf(l.Source)
		switch {
		case l.Truncated:
			done.Left["only its beginning is kept"]++
		case l.Replays >= MaxReplays:
			done.Left[fmt.Sprintf("it has died %d times", l.Replays+1)]++
		case !ok || !inputs[to]:
			done.Left["it came from no input topic of this instance"]++
		default:
			done.Letters = append(done.Letters, l)
			records = append(records, engine.Outgoing{
				Topic: to, Partition: partition, Key: s.Key, Value: s.Value,
				Headers: []engine.Header{{Key: engine.ReplaysHeader, Value: strconv.AppendInt(nil, int64(l.Replays+1), 10)}},
			})
		}
	}
	if !q.Send || len(records) == 0 {
		return done, nil
	}
	r.log.Warn("dead letters are sent again", "by", by.Name, "letters", len(records), "topic", topic)
	return done, r.sendAgain(ctx, records)
}

func (r *Runtime) sendAgain(ctx context.Context, records []engine.Outgoing) error {
	lane, err := r.producer.RecordLane(engine.Partition{})
	if err != nil {
		return err
	}
	defer lane.Close()
	for i := range records {
		if err := lane.Write(ctx, records[i]); err != nil {
			return err
		}
	}
	return lane.Flush(ctx)
}

// pick reads the letters that a request is about, at most its limit.
func (r *Runtime) pick(ctx context.Context, topic string, q *ReplayLettersRequest) (list []*kafka.Stored, more bool, err error) {
	wanted := q.Offsets
	if wanted == nil {
		page, err := r.Letters(ctx, q.LetterFilter, "", q.Limit)
		if err != nil {
			return nil, false, err
		}
		more, wanted = page.Next != "", map[int32][]int64{}
		for _, l := range page.Items {
			wanted[l.Partition] = append(wanted[l.Partition], l.Offset)
		}
	}
	parts := map[int32]kafka.Range{}
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return nil, false, err
	}
	defer admin.Close()
	have, err := admin.Ranges(ctx, topic)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	for id, offsets := range wanted {
		for _, at := range offsets {
			if at < have[id].From || at >= have[id].To {
				return nil, false, fmt.Errorf("%w: offsets: %s has no offset %d in partition %d", ErrRejected, topic, at, id)
			}
		}
		if len(offsets) > 0 {
			parts[id] = kafka.Range{From: slices.Min(offsets), To: slices.Max(offsets) + 1}
		}
	}
	err = kafka.ReadRanges(ctx, r.kafka, topic, parts, func(s *kafka.Stored) error {
		if slices.Contains(wanted[s.Partition], s.Offset) && len(list) < q.Limit {
			list = append(list, s)
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUnreachable, err)
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
