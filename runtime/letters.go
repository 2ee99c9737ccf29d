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
	for looked := 0; looked < maxLetterScan && len(page.Items) < limit && anyLeft(ranges); {
		list, err := r.newest(ctx, topic, ranges)
		if err != nil {
			return page, err
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

// newest reads the last letters of each partition, the newest first, see inTurn. What
// holds no letter is cut from the ranges.
func (r *Runtime) newest(ctx context.Context, topic string, ranges map[int32]kafka.Range) ([]Letter, error) {
	tail, letters := map[int32]kafka.Range{}, map[int32][]Letter{}
	for id, of := range ranges {
		tail[id], letters[id] = kafka.Range{From: max(of.From, of.To-lettersAtATime), To: of.To}, nil
	}
	err := kafka.ReadRanges(ctx, r.kafka, topic, tail, func(s *kafka.Stored) error {
		letters[s.Partition] = append(letters[s.Partition], letterOf(topic, s))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
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
