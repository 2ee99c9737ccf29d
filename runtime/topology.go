package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// streams returns the streams of all teams by name.
func (l *loadedSet) streams() map[string]policy.Stream {
	all := map[string]policy.Stream{}
	for _, t := range l.bundle.Set.Teams {
		for name, s := range t.Stream {
			all[name] = s
		}
	}
	return all
}

// sinks returns the sinks of all teams by name.
func (l *loadedSet) sinks() map[string]policy.Sink {
	all := map[string]policy.Sink{}
	for _, t := range l.bundle.Set.Teams {
		for name, s := range t.Sink {
			all[name] = s
		}
	}
	return all
}

// checkTopology refuses what keeps this instance from running a set that is right
// in itself: nothing to read, nowhere to write, a role that direct streams lack.
func (l *loadedSet) checkTopology(cfg Config) error {
	switch {
	case len(l.streams()) == 0:
		return errors.New("the policy set has no stream, so there is nothing to read")
	case len(l.sinks()) == 0:
		return errors.New("the policy set has no sink, so there is nowhere to write")
	case l.allDirect() && !(cfg.does(roleHop1) && cfg.does(roleSinks)):
		return errors.New("with direct streams an instance needs both roles, hop1 and sinks")
	}
	return l.checkSinks()
}

// checkSinks refuses sinks that get in each other's way: one process has one store,
// and a path one page.
func (l *loadedSet) checkSinks() error {
	store, pages := "", map[string]string{}
	sinks := l.sinks()
	for _, name := range slices.Sorted(maps.Keys(sinks)) {
		switch s := sinks[name]; s.Type {
		case "store":
			if store != "" {
				return fmt.Errorf("sinks %s and %s are both of type store; a set may have one", store, name)
			}
			store = name
		case "scrape":
			path := cmp.Or(s.Path, defaultScrapePath)
			if other := pages[path]; other != "" {
				return fmt.Errorf("sinks %s and %s of type scrape have the same path %s", other, name, path)
			}
			pages[path] = name
		}
	}
	return nil
}

// allDirect reports whether the streams feed the sinks without a processed topic.
func (l *loadedSet) allDirect() bool {
	for _, s := range l.streams() {
		if !s.Direct {
			return false
		}
	}
	return true
}

// processedTopics returns what the sinks read.
func (l *loadedSet) processedTopics() []string {
	var topics []string
	for _, s := range l.streams() {
		topics = append(topics, s.Processed)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// letterTopic is where sinks put what they cannot read: the dead letters of the
// first stream by name.
func (l *loadedSet) letterTopic() string {
	first, topic := "", ""
	for name, s := range l.streams() {
		if first == "" || name < first {
			first, topic = name, s.DeadLetter
		}
	}
	return topic
}

// topics returns every topic that the set reads or writes. Inputs are among
// them, so that an instance can start before the first job reports.
func (l *loadedSet) topics(partitions int32) []kafka.Topic {
	wanted := map[string]int32{}
	for _, s := range l.streams() {
		n := cmp.Or(int32(s.Partitions), partitions)
		for _, name := range append([]string{s.Processed, s.DeadLetter}, s.Topics...) {
			wanted[name] = max(wanted[name], n)
		}
	}
	for _, s := range l.sinks() {
		if s.Type == "kafka" {
			wanted[s.Topic] = max(wanted[s.Topic], partitions)
		}
	}
	var out []kafka.Topic
	for name, n := range wanted {
		out = append(out, kafka.Topic{Name: name, Partitions: n})
	}
	slices.SortFunc(out, func(a, b kafka.Topic) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
