package policy

import (
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// A claim is a topic, or an HTTP path, that something in a set has for itself.
type claim struct {
	what  string
	where *locator
	path  []string
}

func (c claim) note() diag.Note {
	return diag.Note{Pos: c.where.pos(c.path...), Message: "claimed here by " + c.what}
}

// topics finds topics that two streams read, topics that are written and read
// again, and paths on which two sinks are exposed.
func topics(teams []teamOutcome) []diag.Diagnostic {
	var out []diag.Diagnostic
	read, served := map[string]claim{}, map[string]claim{}
	take := func(claims map[string]claim, key string, c claim) {
		if other, ok := claims[key]; ok {
			d := c.where.found(diag.TopicTwice, fmt.Sprintf("%s is claimed by %s and by %s", key, other.what, c.what), c.path...)
			d.Notes = []diag.Note{other.note()}
			out = append(out, d)
			return
		}
		claims[key] = c
	}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Stream) {
			for i, topic := range t.Team.Stream[name].Topics {
				take(read, topic, claim{"stream " + name, t.where, []string{"stream", name, "topics", fmt.Sprint(i)}})
			}
		}
		for _, name := range sorted(t.Team.Sink) {
			if s := t.Team.Sink[name]; s.Type == "scrape" {
				take(served, s.Path, claim{"sink " + name, t.where, []string{"sink", name, "path"}})
			}
		}
	}
	return append(out, loops(teams, read)...)
}

// loops finds topics that a stream or sink writes and a stream reads.
func loops(teams []teamOutcome, read map[string]claim) []diag.Diagnostic {
	var out []diag.Diagnostic
	written := func(topic string, w claim) {
		r, ok := read[topic]
		if !ok {
			return
		}
		d := w.where.found(diag.TopicLoop, fmt.Sprintf("%s writes topic %s, which %s reads", w.what, topic, r.what), w.path...)
		d.Hint, d.Notes = "what is written would be read again, for ever; use another topic", []diag.Note{r.note()}
		out = append(out, d)
	}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Stream) {
			s := t.Team.Stream[name]
			written(s.Processed, claim{"stream " + name, t.where, []string{"stream", name, "processed"}})
			written(s.DeadLetter, claim{"stream " + name, t.where, []string{"stream", name, "deadLetter"}})
			if s.Processed == s.DeadLetter {
				d := t.where.found(diag.TopicTwice, "processed and deadLetter are the same topic", "stream", name, "deadLetter")
				out = append(out, d)
			}
		}
		for _, name := range sorted(t.Team.Sink) {
			if s := t.Team.Sink[name]; s.Type == "kafka" {
				written(s.Topic, claim{"sink " + name, t.where, []string{"sink", name, "topic"}})
			}
		}
	}
	return append(out, reprocessed(teams)...)
}

// reprocessed finds sinks that write a topic from which sinks read.
func reprocessed(teams []teamOutcome) []diag.Diagnostic {
	between := map[string]claim{}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Stream) {
			between[t.Team.Stream[name].Processed] = claim{"stream " + name, t.where, []string{"stream", name}}
		}
	}
	var out []diag.Diagnostic
	for _, t := range teams {
		for _, name := range sorted(t.Team.Sink) {
			s := t.Team.Sink[name]
			stream, ok := between[s.Topic]
			if s.Type != "kafka" || !ok {
				continue
			}
			d := t.where.found(diag.TopicLoop, fmt.Sprintf("sink %s writes topic %s, which is the processed topic of %s", name, s.Topic, stream.what), "sink", name, "topic")
			d.Hint, d.Notes = "sinks read that topic; use another one", []diag.Note{stream.note()}
			out = append(out, d)
		}
	}
	return out
}
