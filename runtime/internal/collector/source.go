package collector

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// offsetMetric finds where the reader of a Kafka source is, among the metrics of
// a vertex: "<subtask>.<operator>.KafkaSourceReader.topic.<topic>.partition.<n>.currentOffset".
// The older connector, FlinkKafkaConsumer, has KafkaConsumer and currentOffsets.
// The JobManager writes every space, dot, colon and comma of a name as _, so the
// topic is not always as Kafka knows it.
var offsetMetric = regexp.MustCompile(`^(\d+)\.(.+)\.(?:KafkaSourceReader|KafkaConsumer)\.topic\.([^.]+)\.partition\.(\d+)\.currentOffsets?$`)

// maxOffsets bounds the partitions that are followed of one job.
const maxOffsets = 5000

// Metrics of a source appear when it has its partitions, which may be late, and
// new partitions are found while it runs: the list is asked for again after
// these pauses, each twice the one before.
const (
	firstRelist = 10 * time.Second
	lastRelist  = 10 * time.Minute
)

// sources is what is remembered of the Kafka sources of a job.
type sources struct {
	relist bool // the job began to run anew
	next   time.Time
	pause  time.Duration

	known  map[string][]offset // by vertex
	tracks map[place]*track
}

// offset is a metric that says where a reader is in one partition.
type offset struct {
	metric string
	place  place
}

// place is a partition as one source reads it.
type place struct {
	source    string // the operator, as the JobManager writes it
	topic     string // likewise, or as Kafka knows it
	partition int32
}

// position is where a source is in one partition.
type position struct {
	job    *job
	place  place
	offset int64 // of the last record read; negative: none yet
}

// sourcesRound finds out where the Kafka sources of the job are.
func (j *job) sourcesRound(ctx context.Context, f *findings, d flinkrest.Job, now time.Time) {
	s := &j.sources
	if s.relist || !now.Before(s.next) {
		if err := j.listOffsets(ctx, f, d); err != nil {
			j.offsetsFailed(f, "vertices/metrics", err)
			return
		}
		if s.pause = min(max(2*s.pause, firstRelist), lastRelist); s.relist {
			s.pause, s.relist = firstRelist, false
		}
		s.next = now.Add(s.pause)
	}
	read := map[place]int64{}
	for _, vertex := range slices.Sorted(maps.Keys(s.known)) {
		ids := make([]string, len(s.known[vertex]))
		for i, o := range s.known[vertex] {
			ids[i] = o.metric
		}
		values, err := j.cluster.api.VertexMetrics(ctx, j.id, vertex, ids...)
		if err != nil {
			j.offsetsFailed(f, "vertices/metrics/get", err)
			return
		}
		for _, o := range s.known[vertex] {
			n, err := strconv.ParseInt(values[o.metric], 10, 64)
			if err != nil {
				continue
			}
			// After a rescale the subtask that had the partition before may still be listed.
			if before, twice := read[o.place]; !twice || n > before {
				read[o.place] = n
			}
		}
	}
	for p, n := range read {
		f.position = append(f.position, position{job: j, place: p, offset: n})
	}
}

func (j *job) offsetsFailed(f *findings, call string, err error) {
	f.fail(j.cluster.name, call, err)
	f.keep(j.key("kafka"))
}

// listOffsets asks the sources of the job for their metrics: the vertices without
// inputs, all of them when the plan does not say.
func (j *job) listOffsets(ctx context.Context, f *findings, d flinkrest.Job) error {
	withInputs := map[string]bool{}
	for _, n := range d.Plan.Nodes {
		withInputs[n.ID] = len(n.Inputs) > 0
	}
	known, total := map[string][]offset{}, 0
	for i := range d.Vertices {
		v := &d.Vertices[i]
		if withInputs[v.ID] || v.ID == "" {
			continue
		}
		ids, err := j.cluster.api.VertexMetricIDs(ctx, j.id, v.ID)
		if err != nil {
			return err
		}
		parallelism, bounded := v.Parallelism.Positive()
		for _, id := range ids {
			m := offsetMetric.FindStringSubmatch(id)
			if m == nil {
				continue
			}
			subtask, err1 := strconv.Atoi(m[1])
			partition, err2 := strconv.ParseInt(m[4], 10, 32)
			if err1 != nil || err2 != nil || bounded && float64(subtask) >= parallelism {
				continue
			}
			if total++; total > maxOffsets {
				f.fail(j.cluster.name, "vertices/metrics", fmt.Errorf("job %s has more than %d Kafka partitions: the others are not followed", j.id, maxOffsets))
				break
			}
			known[v.ID] = append(known[v.ID], offset{id, place{cut(m[2], maxLabel), m[3], int32(partition)}})
		}
	}
	j.sources.known = known
	return nil
}

// labels tells the series of a partition apart.
func (p place) labels() metric.Labels {
	return metric.Labels{
		{Name: "partition", Value: strconv.Itoa(int(p.partition))}, {Name: "source", Value: p.source}, {Name: "topic", Value: p.topic},
	}
}
