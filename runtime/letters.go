package runtime

import (
	"context"
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/deadletter"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Bounds of dead letters; see package deadletter.
const (
	MaxLetters = deadletter.MaxLetters
	MaxReplays = deadletter.MaxReplays
)

// Dead letters, and what is sent of them again; see package deadletter.
type (
	// Letter is a record that could not be read.
	Letter = deadletter.Letter
	// LetterFilter picks letters; what is left empty picks all.
	LetterFilter = deadletter.Filter
	// ReplayLettersRequest says which letters are sent again.
	ReplayLettersRequest = deadletter.Request
	// ReplayedLetters is what became of the letters that were picked.
	ReplayedLetters = deadletter.ReplayedLetters
)

// Letters lists dead letters, the newest first, from a cursor on ("": from the
// newest one). It looks at a bounded number of records, so there may be fewer
// items than asked for, or none, although Next says that there are more. Errors
// wrap ErrRejected, ErrNoStream, ErrNotReady or ErrUnreachable.
func (r *Runtime) Letters(ctx context.Context, f LetterFilter, after string, limit int) (Page[Letter], error) {
	page := Page[Letter]{Items: []Letter{}}
	box, err := r.letterBox(f.Stream)
	if err != nil {
		return page, err
	}
	list, next, err := box.List(ctx, f, after, limit)
	page.Items, page.Next = append(page.Items, list...), next
	return page, err
}

// ReplayLetters sends dead letters into the topics that they came from, see
// deadletter.Box.Again. Errors are those of Letters.
func (r *Runtime) ReplayLetters(ctx context.Context, by Actor, q ReplayLettersRequest) (ReplayedLetters, error) {
	box, err := r.letterBox(q.Stream)
	if err != nil {
		return ReplayedLetters{}, err
	}
	done, records, err := box.Again(ctx, q)
	if err != nil || !q.Send || len(records) == 0 {
		return done, err
	}
	r.log.Warn("dead letters are sent again", "by", by.Name, "letters", len(records), "topic", box.Topic)
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

// letterBox is where the letters of a stream are; "" is the only topic there is.
func (r *Runtime) letterBox(stream string) (*deadletter.Box, error) {
	topic, err := r.letterTopicOf(stream)
	if err != nil {
		return nil, err
	}
	inputs := map[string]bool{}
	for _, s := range r.opened().streams() {
		for _, t := range s.Topics {
			inputs[t] = true
		}
	}
	return &deadletter.Box{Kafka: r.kafka, Topic: topic, Inputs: inputs}, nil
}

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
