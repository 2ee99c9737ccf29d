package fleet

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// job is one Flink job in a cluster of its own: a job manager and its task managers.
type job struct {
	task      string // torrent_task_id
	id, name  string
	head      []byte // of each of its records
	vertices  []*vertex
	processes []*process // the job manager first
	load
	checkpoints
	attempts
}

// process is a Flink process with a reporter of its own.
type process struct {
	job    *job
	host   string
	tm     string // id of the task manager, "" for the job manager
	rid    []byte
	seq    int64
	groups []*group
	seed   uint64
	room   int // bytes that its last report took
}

// vertex is a stage as it runs: in parallel subtasks, subtask i in slot i.
type vertex struct {
	stage
	id, name  string
	operators []*operator
	share     []float64 // of the load, by subtask; sums to 1
	upstream  bool      // feeds the bottleneck
	topic     string    // that its source reads, "" without one
	splits    int       // partitions of that topic
}

// operator is a node as it runs.
type operator struct {
	role     role
	id, name string // name as in the variable operator_name
}

const (
	slots        = 4  // per task manager
	nameLimit    = 80 // Flink cuts operator names here; names of tasks it never cuts
	fewPartition = 4  // partitions of an input topic, at least
)

// parallelisms are what jobs take in turn.
var parallelisms = []int{2, 4, 1, 2, 8, 4, 1}

func newJob(rng *rand.Rand, i int, metrics []offer) *job {
	p, d, other := plans[i%len(plans)], domains[i%len(domains)], domains[(i+3)%len(domains)]
	parallelism := parallelisms[i%len(parallelisms)]
	fill := strings.NewReplacer("{table}", d.table, "{fields}", d.fields, "{key}", d.key, "{group}", d.group,
		"{measure}", d.measure, "{time}", d.time, "{other}", other.table, "{otherFields}", other.fields)
	j := &job{
		task: fmt.Sprintf("t-%06d", 100000+i*7919%900000),
		id:   hex(rng, 32),
		name: fmt.Sprintf("%s_%02d", fill.Replace(p.name), i),
	}
	j.head = record.AppendHead(nil, j.task)
	j.base = 200 * float64(parallelism) * (1 + 4*rng.Float64())
	j.phase = rng.Float64()
	j.age = time.Duration(2+rng.IntN(200)) * time.Hour
	described := p.sql && i%len(domains) < 3 // not upgraded: operators named by their whole description
	id := 0
	for _, s := range p.stages {
		v := newVertex(rng, s, parallelism)
		v.name = v.chain(rng, fill, p.sql, described, &id)
		if s.nodes[0].role&(source|legacy) != 0 {
			v.topic, v.splits = d.table, max(parallelism, fewPartition)
			if len(j.vertices) > 0 {
				v.topic = other.table
			}
		}
		j.vertices = append(j.vertices, v)
	}
	for _, v := range j.vertices[:len(j.vertices)-1] {
		v.upstream = true // every plan has its bottleneck last
	}
	managers := (parallelism + slots - 1) / slots
	for n := range 1 + managers {
		j.processes = append(j.processes, newProcess(rng, j, i, n))
	}
	for _, proc := range j.processes {
		proc.groups = newGroups(proc, metrics)
	}
	return j
}

// newProcess returns the n-th process of job i: 0 is the job manager.
func newProcess(rng *rand.Rand, j *job, i, n int) *process {
	p := &process{job: j, host: fmt.Sprintf("10.%d.%d.%d", 20+i/200, i%200+1, n+10), rid: []byte(hex(rng, 6)), seed: rng.Uint64()}
	if n > 0 {
		p.tm = fmt.Sprintf("%s:%d-%s", p.host, 35000+rng.IntN(9000), hex(rng, 6))
	}
	p.seq = int64(j.age / defaultInterval)
	return p
}

func newVertex(rng *rand.Rand, s stage, parallelism int) *vertex {
	v := &vertex{stage: s, id: hex(rng, 32)}
	sum := 0.0
	for range parallelism {
		w := .8 + .4*rng.Float64()
		v.share = append(v.share, w)
		sum += w
	}
	for i := range v.share {
		v.share[i] /= sum
	}
	return v
}

// chain makes the operators and returns the name of the task: those of all its
// operators. Described operators have their description as name, others of SQL
// jobs Kind[id] or table[id].
func (v *vertex) chain(rng *rand.Rand, fill *strings.Replacer, sql, described bool, id *int) string {
	var names []string
	for _, n := range v.nodes {
		*id++
		name := fill.Replace(n.text)
		if sql && !described {
			name = n.kind
			if t := tableOf(fill.Replace(n.text)); t != "" && n.role&(source|sink) != 0 {
				name = t
			}
			name = fmt.Sprintf("%s[%d]", name, *id)
		}
		switch {
		case n.role&(source|legacy) != 0:
			name = "Source: " + name
		case n.role&sink != 0 && described:
			name = "Sink: " + name
		case n.role&sink != 0:
			name += ": Writer"
		}
		names = append(names, name)
		v.operators = append(v.operators, &operator{role: n.role, id: hex(rng, 32), name: cut(name)})
	}
	return strings.Join(names, " -> ")
}

// tableOf returns the object name in table=[[catalog, database, object… or
// table=[catalog.database.object], all that a shortened name keeps of it.
func tableOf(text string) string {
	_, rest, ok := strings.Cut(text, "table=[")
	if !ok {
		return ""
	}
	if path, ok := strings.CutPrefix(rest, "["); ok {
		parts := strings.SplitN(path, ", ", 3)
		return strings.FieldsFunc(parts[2], func(r rune) bool { return r == ',' || r == ']' })[0]
	}
	path, _, _ := strings.Cut(rest, "]")
	return path[strings.LastIndexByte(path, '.')+1:]
}

func cut(name string) string {
	if len(name) > nameLimit {
		return name[:nameLimit]
	}
	return name
}

// runs returns the subtasks of v that run in the process.
func (p *process) runs(v *vertex) (subtasks []int) {
	for i := range v.share {
		if p.tm != "" && p.job.processes[1+i/slots] == p {
			subtasks = append(subtasks, i)
		}
	}
	return subtasks
}

// labels returns those of the process.
func (p *process) labels() metric.Labels {
	l := metric.Labels{}.Set("host", p.host)
	return l.Set("tm_id", p.tm)
}

func hex(rng *rand.Rand, digits int) string {
	return fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())[:digits]
}
