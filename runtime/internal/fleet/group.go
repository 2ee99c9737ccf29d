package fleet

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// group is one metric key of one process: what becomes one record per report.
// What does not change from report to report is encoded once.
type group struct {
	topic  func(topics) string
	kind   metric.Kind
	key    []byte // of the Kafka record
	middle []byte // of the record
	read   read
	points []*at
	keys   [][]byte // of the points, for the attempt
	perRun bool     // belongs to an attempt: ends with it
}

// at is the place of one point: where a metric is read.
type at struct {
	job     *job
	process *process
	v       *vertex   // nil above the scope of tasks
	op      *operator // nil above the scope of operators
	subtask int       // in v, -1 above
	split   int       // partition of v's topic, -1 where there is none
	labels  metric.Labels
	kind    metric.Kind
	seed    uint64 // of the values that nothing else decides
}

// roles are the metrics that only some operators register. What the catalogue
// says to need something, and is not here, no job of the fleet has.
var roles = map[string]role{
	"numLateRecordsDropped": window, "lateRecordsDroppedRate": sqlWindow, "watermarkLatency": sqlWindow,
	"leftNumLateRecordsDropped": join, "leftLateRecordsDroppedRate": join,
	"rightNumLateRecordsDropped": join, "rightLateRecordsDroppedRate": join, "currentInput<input>Watermark": join,
	"topn.cache.hitRate": rank, "topn.cache.size": rank, "topn.invalidTopSize": rank,
	"cache.hitCount": lookup, "cache.missCount": lookup, "cache.loadCount": lookup, "cache.numLoadFailures": lookup,
	"cache.latestLoadTime": lookup, "cache.numCachedRecords": lookup, "cache.numCachedBytes": lookup,

	"pendingRecords": source, "pendingBytes": source, "currentFetchEventTimeLag": source, "currentEmitEventTimeLag": source,
	"watermarkLag": source, "sourceIdleTime": source, "numRecordsInErrors": source, "numSplitsProcessed": source,
	"KafkaSourceReader.commitsSucceeded": source, "KafkaSourceReader.commitsFailed": source,
	"KafkaSourceReader.topic.partition.currentOffset": source, "KafkaSourceReader.topic.partition.committedOffset": source,
	"KafkaSourceReader.KafkaConsumer.<name>": source,
	"KafkaConsumer.commitsSucceeded":         legacy, "KafkaConsumer.commitsFailed": legacy,
	"KafkaConsumer.topic.partition.currentOffsets": legacy, "KafkaConsumer.topic.partition.committedOffsets": legacy,
	"KafkaConsumer.<name>": legacy,

	"numRecordsSend": sink, "numRecordsSendErrors": sink, "numBytesSend": sink, "currentSendTime": sink,
	"numRecordsOutErrors": sink, "KafkaProducer.<name>": sink,
}

// newGroups lists what a process reports.
func newGroups(p *process, all []offer) (groups []*group) {
	type where struct {
		scope    string
		role     role
		perSplit bool
	}
	known := map[where][]places{}
	for _, o := range all {
		w := where{o.Scope, o.role, o.perSplit}
		sets, ok := known[w]
		if !ok {
			sets = p.places(o.Scope, o.role, o.perSplit)
			known[w] = sets
		}
		for _, set := range sets {
			groups = append(groups, newGroup(o, set))
		}
	}
	return groups
}

// newGroup returns the group of the metric at places that share all labels but
// those of their points.
func newGroup(o offer, set places) *group {
	g := &group{kind: o.Kind, read: o.read, perRun: set.at[0].subtask >= 0, topic: nativeTopic}
	if o.Origin == metric.Custom {
		g.topic = customTopic
	}
	first := set.at[0]
	g.key = append([]byte(first.job.task+"\x00"), o.name...)
	g.middle = record.AppendLists(record.AppendName(nil, o.Origin.String(), o.scope, o.name, o.Kind), set.labels, nil)
	for i, a := range set.at {
		points := []at{a}
		if strings.HasSuffix(o.scope, ".channel") { // addGroup("channel", …): a variable of the user's
			points = nil
			for _, c := range channels {
				a.labels = metric.Labels{}.Set("channel", c)
				points = append(points, a)
			}
		}
		for k, a := range points {
			a.kind, a.seed = o.Kind, hash(first.process.seed, o.scope, o.name, strconv.Itoa(i*len(channels)+k))
			g.points = append(g.points, &a)
		}
	}
	g.rekey(0)
	return g
}

// rekey writes the points' keys for an attempt.
func (g *group) rekey(attempt int32) {
	if !g.perRun {
		attempt = -1
	}
	g.keys = g.keys[:0]
	for _, a := range g.points {
		g.keys = append(g.keys, record.AppendPointKey(make([]byte, 0, 16), int32(a.subtask), attempt, a.labels))
	}
}

func nativeTopic(t topics) string { return t.native }
func customTopic(t topics) string { return t.custom }

// places are where one metric key of a process is read.
type places struct {
	labels metric.Labels
	at     []at
}

// places returns where the process has metrics of a scope, a set per record. Role
// 0 stands for every operator.
func (p *process) places(scope string, r role, perSplit bool) (out []places) {
	if (p.tm == "") != strings.HasPrefix(scope, "jobmanager") {
		return nil
	}
	here := at{job: p.job, process: p, subtask: -1, split: -1}
	l := p.labels()
	switch scope {
	case "jobmanager", "taskmanager":
		return []places{{l, []at{here}}}
	}
	l = l.Set("job_id", p.job.id).Set("job_name", p.job.name)
	if scope == "jobmanager.job" {
		return []places{{l, []at{here}}}
	}
	for _, v := range p.job.vertices {
		here.v = v
		l := slices.Clone(l).Set("task_id", v.id)
		if scope == "jobmanager.job.operator" {
			if op := v.operators[0]; op.role&source != 0 {
				here.op = op
				out = append(out, places{l.Set("operator_id", op.id).Set("operator_name", op.name), []at{here}})
			}
			continue
		}
		l = l.Set("task_name", v.name)
		switch {
		case len(p.runs(v)) == 0:
		case scope == "taskmanager.job.task":
			out = append(out, places{l, p.subtasks(here, false)})
		case strings.HasPrefix(scope, "taskmanager.job.task.operator"):
			for _, op := range v.operators {
				if r != 0 && op.role&r == 0 {
					continue
				}
				here.op = op
				if set := p.subtasks(here, perSplit); len(set) > 0 {
					out = append(out, places{slices.Clone(l).Set("operator_id", op.id).Set("operator_name", op.name), set})
				}
			}
		}
	}
	return out
}

// subtasks spreads a place over the subtasks that run in the process and, when
// asked, over the partitions they read.
func (p *process) subtasks(here at, perSplit bool) (out []at) {
	for _, here.subtask = range p.runs(here.v) {
		if !perSplit {
			out = append(out, here)
			continue
		}
		for _, here.split = range here.v.splitsOf(here.subtask) {
			here.labels = metric.Labels{}.Set("topic", here.v.topic).Set("partition", strconv.Itoa(here.split))
			out = append(out, here)
		}
	}
	return out
}

// splitsOf returns the partitions that a subtask reads.
func (v *vertex) splitsOf(subtask int) (out []int) {
	for i := subtask; i < v.splits; i += len(v.share) {
		out = append(out, i)
	}
	return out
}

func hash(seed uint64, parts ...string) uint64 {
	h := seed ^ 0xcbf29ce484222325
	for _, p := range parts {
		for i := range len(p) {
			h = (h ^ uint64(p[i])) * 0x100000001b3
		}
		h = (h ^ 0xff) * 0x100000001b3
	}
	return h ^ h>>29
}
