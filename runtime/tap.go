package runtime

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Bounds of a tap.
const (
	TapPerSecond    = 100 // samples, unless somebody says otherwise
	MaxTapPerSecond = 1000
	TapTime         = 10 * time.Minute // unless somebody says otherwise
	MinTapTime      = time.Second
	MaxTapTime      = time.Hour
)

// Selection picks series as rules of policies do: globs, or RE2 expressions after
// re:, that match whole values as they were reported. Every condition that is set
// must hold.
type Selection struct {
	Tasks   []string            `json:"tasks,omitempty"` // torrent_task_id or job_name
	Metrics []string            `json:"metrics,omitempty"`
	Labels  map[string][]string `json:"labels,omitempty"`
	Tags    map[string][]string `json:"tags,omitempty"`
	Kinds   []string            `json:"kinds,omitempty"`
	Origin  []string            `json:"origin,omitempty"`
}

func (s *Selection) match() *policy.Match {
	return &policy.Match{Tasks: s.Tasks, Metrics: s.Metrics, Labels: s.Labels, Tags: s.Tags, Kinds: s.Kinds, Origin: s.Origin}
}

func (s *Selection) empty() bool {
	return len(s.Tasks)+len(s.Metrics)+len(s.Labels)+len(s.Tags)+len(s.Kinds)+len(s.Origin) == 0
}

// TapRequest says what to look at, how much of it and for how long.
type TapRequest struct {
	Selection
	Rules        []string // patterns of rules that decided, as team/name or section:team/name
	Dispositions []string // out, dropped, held, …
	PerSecond    int      // samples shown, 1 to MaxTapPerSecond; 0: TapPerSecond
	For          time.Duration
}

// TapLine is one line of a tap: a sample, or how much was left out.
type TapLine struct {
	Sample *TapSample `json:"sample,omitempty"` // as it was decided about
	Counts *TapCounts `json:"counts,omitempty"` // so far
}

// TapSample is a sample as it was decided about.
type TapSample struct {
	Time        time.Time       `json:"time"`             // report_timestamp
	Task        string          `json:"task,omitempty"`   // torrent_task_id
	Before      string          `json:"before,omitempty"` // series as reported
	After       string          `json:"after,omitempty"`  // series that goes out; none: it does not
	Value       json.RawMessage `json:"value,omitempty"`  // number, rate or mean; NaN, Inf and -Inf are strings
	Count       *int64          `json:"count,omitempty"`  // of a meter or a histogram, beside the rate or the mean
	Text        string          `json:"text,omitempty"`   // of a text gauge
	End         bool            `json:"end,omitempty"`    // the series has ended
	Disposition string          `json:"disposition"`      // what became of the sample, in the words of the ledger
	Rule        string          `json:"rule,omitempty"`   // that decided, as team/name, or section:team/name where two sections have that
	To          []string        `json:"to,omitempty"`     // sinks that a route named
	Reason      string          `json:"reason,omitempty"` // why a record cannot be read: it has no series then
	Stream      string          `json:"stream"`           // that read it
	Topic       string          `json:"topic"`            // of the record
	Partition   int32           `json:"partition"`        // of the record
	Offset      int64           `json:"offset"`           // of the record; -1: of an earlier one, of which a rule held the sample
}

// TapCounts are totals since the tap was opened.
type TapCounts struct {
	Matched uint64 `json:"matched"`         // samples that the request is about
	Shown   uint64 `json:"shown"`           // of those
	LeftOut uint64 `json:"left_out"`        // of those
	Ended   string `json:"ended,omitempty"` // why it is the last line
}

// Every how often a tap hands on what it has, and tells how much was left out.
const (
	tapEvery  = 100 * time.Millisecond
	tellEvery = 5 * time.Second
)

// Tap shows samples of the streams as workers decide about them, until ctx ends,
// the time is over, or emit fails, which is the error then. Samples above the rate
// are left out and counted; the counts come as a line of their own now and then
// and at the end. Emit must not keep the slice;
// the first one, which is empty, says that the tap is open. No worker ever waits for it. Errors wrap ErrRejected, ErrBusy
// when too many taps are open, or ErrNotReady.
func (r *Runtime) Tap(ctx context.Context, req TapRequest, emit func([]TapLine) error) error {
	opts, err := req.options()
	if err != nil {
		return err
	}
	if len(r.hops(&r.streams)) == 0 {
		return fmt.Errorf("%w: no stream is open here", ErrNotReady)
	}
	tap, err := r.taps.Open(opts)
	if err != nil {
		return fmt.Errorf("%w: %w, %d at most", ErrBusy, err, engine.MaxTaps)
	}
	defer r.taps.Close(tap)
	length := cmp.Or(req.For, TapTime)
	over, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	t := tapReader{tap: tap, emit: emit}
	if err := emit(nil); err != nil {
		return err
	}
	tick, tell := time.NewTicker(tapEvery), time.NewTicker(tellEvery)
	defer tick.Stop()
	defer tell.Stop()
	for {
		select {
		case <-over.Done():
			if ctx.Err() != nil {
				return nil // whoever looked has gone
			}
			r.taps.Close(tap)
			if err := t.samples(); err != nil {
				return err
			}
			return t.counts(fmt.Sprintf("%v are over", length))
		case <-tick.C:
			err = t.samples()
		case <-tell.C:
			err = t.counts("")
		}
		if err != nil {
			return err
		}
	}
}

func (q *TapRequest) options() (engine.TapOptions, error) {
	o := engine.TapOptions{PerSecond: cmp.Or(q.PerSecond, TapPerSecond)}
	if q.PerSecond < 0 || q.PerSecond > MaxTapPerSecond {
		return o, fmt.Errorf("%w: rate: %d is not from 1 to %d", ErrRejected, q.PerSecond, MaxTapPerSecond)
	}
	if q.For != 0 && (q.For < MinTapTime || q.For > MaxTapTime) {
		return o, fmt.Errorf("%w: for: %v is not from %v to %v", ErrRejected, q.For, MinTapTime, MaxTapTime)
	}
	var err error
	if !q.empty() {
		if o.Pick, err = program.NewPicker(q.match()); err != nil {
			return o, fmt.Errorf("%w: %w", ErrRejected, err)
		}
	}
	if len(q.Rules) > 0 {
		if o.Rule, err = program.Texts(q.Rules); err != nil {
			return o, fmt.Errorf("%w: rules: %w", ErrRejected, err)
		}
	}
	for _, word := range q.Dispositions {
		d, ok := ledger.Parse(word)
		if !ok {
			return o, fmt.Errorf("%w: disposition: %q is none of %s", ErrRejected, word, strings.Join(TapDispositions(), ", "))
		}
		o.Dispositions = append(o.Dispositions, d)
	}
	return o, nil
}

// TapDispositions lists what may become of a sample as a tap shows it.
func TapDispositions() []string {
	var out []string
	for d := range ledger.Count {
		// What a receiver does with a sample is known later than when it is decided about.
		if d != ledger.InFlight && d != ledger.Refused {
			out = append(out, d.String())
		}
	}
	return out
}

// tapReader hands on what a tap has.
type tapReader struct {
	tap   *engine.Tap
	emit  func([]TapLine) error
	batch []engine.Tapped
	lines []TapLine
	shown uint64
	told  TapCounts
}

func (t *tapReader) samples() error {
	if t.batch = t.tap.Read(t.batch[:0]); len(t.batch) == 0 {
		return nil
	}
	t.shown += uint64(len(t.batch))
	t.lines = t.lines[:0]
	for i := range t.batch {
		t.lines = append(t.lines, TapLine{Sample: tapSample(&t.batch[i])})
	}
	clear(t.batch)
	return t.emit(t.lines)
}

// counts tells how much was left out, if that has changed or it is the end.
func (t *tapReader) counts(ended string) error {
	matched, _ := t.tap.Counts()
	matched = max(matched, t.shown) // the batch at hand is counted when it ends
	now := TapCounts{Matched: matched, Shown: t.shown, LeftOut: matched - t.shown, Ended: ended}
	if now.LeftOut == t.told.LeftOut && ended == "" {
		return nil
	}
	t.told = now
	return t.emit([]TapLine{{Counts: &now}})
}

// shortText is the most that is shown of a series or of a text.
const shortText = 4 << 10

// tapSample puts a sample into words. Labels may hold what looks like a secret.
func tapSample(x *engine.Tapped) *TapSample {
	s := &TapSample{
		Time: time.UnixMilli(x.Time).UTC(), Task: x.Task, Text: diag.Excerpt(x.Text, shortText), End: x.End,
		Disposition: x.Disposition.String(), Rule: string(x.Rule), To: slices.Clone(x.To), Reason: x.Reason,
		Stream: x.Stream, Topic: x.Topic, Partition: x.Partition, Offset: x.Offset,
	}
	if x.Name != "" {
		s.Before = tapSeries(x.Name, x.Labels)
	}
	if x.NewName != "" {
		s.After = tapSeries(x.NewName, x.NewLabels)
	}
	count := x.Count
	switch x.Form {
	case record.Count:
		s.Value = strconv.AppendInt(nil, count, 10)
	case record.Number:
		s.Value = numberText(x.Value)
	case record.Rate, record.Statistic:
		s.Value, s.Count = numberText(x.Value), &count
	}
	return s
}

// numberText is a value as records have it: a number, or "NaN", "Inf" or "-Inf".
func numberText(v float64) json.RawMessage {
	switch {
	case math.IsNaN(v):
		return json.RawMessage(`"NaN"`)
	case math.IsInf(v, 1):
		return json.RawMessage(`"Inf"`)
	case math.IsInf(v, -1):
		return json.RawMessage(`"-Inf"`)
	}
	return strconv.AppendFloat(nil, v, 'g', -1, 64)
}

func tapSeries(name string, labels metric.Labels) string {
	return diag.Excerpt(metric.SeriesText(name, labels), shortText)
}
