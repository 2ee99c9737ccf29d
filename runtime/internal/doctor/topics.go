package doctor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

const (
	shortRetention = 24 * time.Hour // a night and a day to notice an outage
	smallRetention = 256 << 20      // bytes of a partition
	makeTopics     = "the instance makes them if this user may CREATE them; else have them made"
)

// topics tells of those the instance uses: which are missing, and which have
// settings that would lose something.
func (f *Findings) topics(s *kafka.ClusterState, uses map[string]Use) {
	var missing, hidden, right []string
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		t := s.Topics[name]
		switch {
		case errors.Is(t.Err, kafka.ErrDenied):
			hidden = append(hidden, name)
		case t.Err != nil:
			f.Fail("topic "+name, "ask who runs the brokers", "%v", t.Err)
		case t.Partitions == 0:
			missing = append(missing, name)
		default:
			if !f.topic(name, &t, uses[name], s.Brokers) {
				right = append(right, name)
			}
		}
	}
	if len(hidden) > 0 {
		f.Fail("topics", "allow this user DESCRIBE, READ and WRITE on them", "this user may not see %s", firstFew(hidden))
	}
	if len(missing) > 0 {
		do := makeTopics
		if s.MayCreate {
			do = "nothing: the instance makes them, and this user may"
		}
		f.Warn("topics", do, "not there: %s", firstFew(missing))
	}
	if len(right) > 0 {
		f.OK("topics", "%s: there, with settings that fit", firstFew(right))
	}
}

// topic tells what is wrong with one topic that is there, and whether anything is.
func (f *Findings) topic(name string, t *kafka.TopicState, u Use, brokers int) bool {
	before, check := len(f.list), "topic "+name
	const ask = "ask who runs the brokers"
	switch {
	case t.Leaderless > 0:
		f.Fail(check, ask, "%d of %s have no leader", t.Leaderless, diag.Number(t.Partitions, "partition"))
	case t.Behind > 0:
		f.Warn(check, ask, "%d of %s have replicas that are not in sync", t.Behind, diag.Number(t.Partitions, "partition"))
	}
	if u.Control && t.Partitions != 1 {
		f.Fail(check, "make it anew with one partition", "it has %d partitions; the order of changes needs exactly one", t.Partitions)
	}
	if brokers > 1 && t.Replicas == 1 {
		f.Warn(check, "have it moved to three replicas", "one replica on %d brokers: the loss of a disk loses records", brokers)
	}
	if t.Settings == nil {
		f.Warn(check, "allow this user DESCRIBE_CONFIGS on it, or look yourself", "its settings may not be read")
		return true
	}
	f.safety(check, t)
	f.cleanup(check, t.Settings, u)
	return len(f.list) > before
}

// safety compares with producers that wait for all replicas in sync.
func (f *Findings) safety(check string, t *kafka.TopicState) {
	least, known := setting(t.Settings, "min.insync.replicas")
	switch {
	case !known:
	case least > int64(t.Replicas):
		f.Fail(check, "lower min.insync.replicas, or add replicas", "it cannot be written: min.insync.replicas is %d, with %d replicas", least, t.Replicas)
	case t.Replicas > 1 && least == int64(t.Replicas):
		f.Warn(check, "set min.insync.replicas to one less", "min.insync.replicas is %d, as many as there are replicas: one broker away stops writing", least)
	case t.Replicas > 2 && least == 1:
		f.Warn(check, "set min.insync.replicas to 2", "min.insync.replicas is 1: what one broker has acknowledged is lost with it")
	}
}

// cleanup checks what is removed from the topic, and how large a record may be.
func (f *Findings) cleanup(check string, settings map[string]string, u Use) {
	compacted := strings.Contains(settings["cleanup.policy"], "compact")
	if u.Control {
		if settings["cleanup.policy"] != "compact" {
			f.Fail(check, "set cleanup.policy=compact", "cleanup.policy is %q: revisions and overrides would be deleted by age", settings["cleanup.policy"])
		}
		if most, known := setting(settings, "max.message.bytes"); known && most < kafka.MaxControlValue {
			f.Warn(check, "set max.message.bytes=8388608", "max.message.bytes is %s: a large policy set could not be pushed", bytesText(float64(most)))
		}
		return
	}
	if !u.Replays {
		return
	}
	if compacted {
		f.Fail(check, "set cleanup.policy=delete", "cleanup.policy is %q: samples are removed before they are read", settings["cleanup.policy"])
		return
	}
	if ms, known := setting(settings, "retention.ms"); known && ms >= 0 && time.Duration(ms)*time.Millisecond < shortRetention {
		f.Warn(check, "set retention.ms=86400000 or more", "it keeps %v: after a longer outage records are lost", time.Duration(ms)*time.Millisecond)
	}
	if size, known := setting(settings, "retention.bytes"); known && size >= 0 && size < smallRetention {
		f.Warn(check, "raise retention.bytes, or set it to -1", "a partition keeps %s: is that the traffic of your longest outage?", bytesText(float64(size)))
	}
}

func setting(settings map[string]string, name string) (int64, bool) {
	n, err := strconv.ParseInt(settings[name], 10, 64)
	return n, err == nil
}

// bytesText writes a number of bytes for people: 1.5 GiB.
func bytesText(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + unit
		}
		n /= 1024
	}
	return fmt.Sprintf("%.1f TiB", n)
}
