package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// kafkaCluster stands for the brokers where failures name a cluster.
const kafkaCluster = "kafka"

// lag compares where the sources are with where their topics end. The topics of
// all jobs are asked for at once.
func (c *Collector) lag(ctx context.Context, f *findings, now time.Time) {
	if len(f.position) == 0 {
		return
	}
	ends, err := c.ends(ctx, f.position, now)
	if err != nil {
		f.fail(kafkaCluster, "offsets", err)
	}
	byJob := map[*job][]position{}
	for _, p := range f.position {
		byJob[p.job] = append(byJob[p.job], p)
	}
	jobs := slices.SortedFunc(maps.Keys(byJob), func(a, b *job) int { return cmp.Compare(a.cluster.name+a.id, b.cluster.name+b.id) })
	for _, j := range jobs {
		positions := byJob[j]
		slices.SortFunc(positions, func(a, b position) int { return a.place.compare(b.place) })
		j.lag(f, positions, ends, err != nil, now)
	}
}

func (p place) compare(q place) int {
	return cmp.Or(strings.Compare(p.source, q.source), strings.Compare(p.topic, q.topic), cmp.Compare(p.partition, q.partition))
}

// ends asks for the end offsets of the topics that have positions, by partition,
// and calls the topics in positions as Kafka does, as far as they are known.
func (c *Collector) ends(ctx context.Context, positions []position, now time.Time) (map[string]map[int32]int64, error) {
	if c.opts.Offsets == nil {
		return nil, nil
	}
	var errs [3]error
	if c.topics.outdated(positions, now) {
		var listed map[string]int32
		if listed, errs[0] = c.opts.Offsets.Topics(ctx); errs[0] == nil {
			c.topics.learn(listed, now)
		}
	}
	wanted := map[string]bool{}
	var unknown []string
	for i := range positions {
		name, ok := c.topics.names[positions[i].place.topic]
		if !ok {
			unknown = append(unknown, positions[i].place.topic)
			continue
		}
		positions[i].place.topic = name
		wanted[name] = true
	}
	var ends map[string]map[int32]int64
	if len(wanted) > 0 {
		ends, errs[1] = c.opts.Offsets.EndOffsets(ctx, slices.Sorted(maps.Keys(wanted))...)
	}
	if errs[0] == nil {
		errs[2] = missingTopics(unknown)
	}
	return ends, errors.Join(errs[:]...)
}

func missingTopics(names []string) error {
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return fmt.Errorf("the brokers have no topic %s; are they those that the sources read? --source-brokers names others",
		strings.Join(names[:min(len(names), 5)], ", "))
}

// topicNames leads from a topic as the JobManager writes it to its real name.
// Kafka refuses topics that differ only in dots and underscores.
type topicNames struct {
	names map[string]string
	next  time.Time
}

const relistTopics = time.Minute

// outdated reports whether it is worth listing the topics: some name is not
// known, and the last time is a while ago.
func (t *topicNames) outdated(positions []position, now time.Time) bool {
	if now.Before(t.next) {
		return false
	}
	return slices.ContainsFunc(positions, func(p position) bool { _, ok := t.names[p.place.topic]; return !ok })
}

func (t *topicNames) learn(listed map[string]int32, now time.Time) {
	t.names, t.next = make(map[string]string, len(listed)), now.Add(relistTopics)
	for name := range listed {
		if written := strings.ReplaceAll(name, ".", "_"); written == name || t.names[written] == "" {
			t.names[written] = name
		}
	}
}

// rates are what the sources of one topic do. Without known, lag is all there is.
type rates struct {
	lag                float64
	consumed, produced float64 // records per second
	known              bool
	partitions, unread int
	measured           int // partitions that are in lag
}

// lag reports on the sources of the job. Without ends there is only where they
// are. A topic that lacks the end of a partition is left out as a whole, and with
// it the sum: less lag than there is would look like recovery.
func (j *job) lag(f *findings, positions []position, ends map[string]map[int32]int64, incomplete bool, now time.Time) {
	offsets := j.section(f, "kafka/offsets")
	tracks := map[place]*track{}
	all, slowest, known, whole := 0., 0., true, true
	for len(positions) > 0 {
		n := 1
		for n < len(positions) && positions[n].place.sameTopic(positions[0].place) {
			n++
		}
		of := positions[:n]
		positions = positions[n:]
		for _, p := range of {
			if p.offset >= 0 {
				offsets.level(partitionOffset, float64(p.offset), p.place.labels()...)
			}
		}
		key := "kafka/lag/" + of[0].place.source + "/" + of[0].place.topic
		r, ok := j.topicLag(f, key, of, ends[of[0].place.topic], tracks, now)
		if !ok {
			whole = false
			if incomplete {
				f.keep(j.key(key))
				j.keepTracks(of, tracks)
			}
			continue
		}
		all += r.lag
		slowest, known = max(slowest, r.recovery()), known && r.known
	}
	j.sources.tracks = tracks
	if !whole {
		if incomplete {
			f.keep(j.key("kafka/sum"))
		}
		return
	}
	s := j.section(f, "kafka/sum")
	s.level(sourceLag, all)
	if known {
		s.level(sourceRecovery, slowest)
	}
}

func (p place) sameTopic(q place) bool { return p.source == q.source && p.topic == q.topic }

// keepTracks keeps what is remembered of partitions whose ends are missing now.
func (j *job) keepTracks(of []position, tracks map[place]*track) {
	for _, p := range of {
		if t := j.sources.tracks[p.place]; t != nil {
			tracks[p.place] = t
		}
	}
}

// topicLag reports on what one source reads of one topic.
func (j *job) topicLag(f *findings, key string, of []position, ends map[int32]int64, tracks map[place]*track, now time.Time) (*rates, bool) {
	for _, p := range of {
		if _, ok := ends[p.place.partition]; !ok {
			return nil, false
		}
	}
	s, r := j.section(f, key), &rates{known: true}
	for _, p := range of {
		t := j.sources.tracks[p.place]
		if t == nil {
			t = &track{}
		}
		tracks[p.place] = t
		end := ends[p.place.partition]
		s.level(partitionEnd, float64(end), p.place.labels()...)
		if lag, ok := r.add(t, mark{now, p.offset, end}); ok {
			s.level(partitionLag, lag, p.place.labels()...)
		}
	}
	r.report(s, metric.Labels{{Name: "source", Value: of[0].place.source}, {Name: "topic", Value: of[0].place.topic}})
	return r, true
}

// add takes one partition in and returns its lag where that is known: a source
// that has read nothing may start anywhere, unless there is nothing to read.
func (r *rates) add(t *track, m mark) (lag float64, ok bool) {
	r.partitions++
	if m.at < 0 && m.end > 0 {
		r.unread++
		return 0, false
	}
	consumed, produced, known := t.add(m)
	r.known = r.known && known
	r.consumed += consumed
	r.produced += produced
	r.measured++
	lag = float64(max(0, m.end-m.at-1))
	r.lag += lag
	return lag, true
}

func (r *rates) report(s *section, own metric.Labels) {
	s.level(topicPartitions, float64(r.partitions), own...)
	s.level(topicUnread, float64(r.unread), own...)
	if r.measured == 0 {
		return
	}
	s.level(topicLag, r.lag, own...)
	if r.known {
		s.level(topicConsumed, r.consumed, own...)
		s.level(topicProduced, r.produced, own...)
		s.level(topicRecovery, r.recovery(), own...)
	}
}

// offsetAge is how old Flink's offsets may be (metrics.fetcher.update-interval).
// What a source reads in that time is not told from no lag at all.
const offsetAge = 10 * time.Second

// recovery is the time in seconds until the lag is gone, at the rates of the last
// minute: 0 when there is none that one could tell, +Inf when it does not shrink.
func (r *rates) recovery() float64 {
	if r.lag <= r.consumed*offsetAge.Seconds() {
		return 0
	}
	gain := r.consumed - r.produced
	if gain <= 0 {
		return math.Inf(1)
	}
	return r.lag / gain
}

// track is the recent past of one partition.
type track struct{ marks []mark }

// mark is where a source and its partition were at one time.
type mark struct {
	when    time.Time
	at, end int64
}

// rateWindow is what rates are taken over, as in Flink's own meters.
const rateWindow = time.Minute

// add notes a mark and returns the rates since the oldest one in the window;
// there are none after a reset, when the source went back to a checkpoint or the
// topic was made anew.
func (t *track) add(m mark) (consumed, produced float64, known bool) {
	if n := len(t.marks); n > 0 && (m.at < t.marks[n-1].at || m.end < t.marks[n-1].end) {
		t.marks = t.marks[:0]
	}
	for len(t.marks) > 1 && m.when.Sub(t.marks[0].when) > rateWindow {
		t.marks = t.marks[1:]
	}
	t.marks = append(slices.Clip(t.marks), m)
	first := t.marks[0]
	seconds := m.when.Sub(first.when).Seconds()
	if seconds <= 0 {
		return 0, 0, false
	}
	return float64(m.at-first.at) / seconds, float64(m.end-first.end) / seconds, true
}
