package runtime

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// ErrBusy says that as many requests wait as may.
var ErrBusy = errors.New("too many requests wait")

// Bounds of waiting requests: a reporter asks again within a minute, and a
// waiting request takes some 20 KiB.
const (
	MaxCollectWait    = time.Minute
	maxCollectWaiting = 10_000
)

// Document is a control document: what a reporter may leave out because the
// policy set would drop it.
type Document struct {
	JSON []byte
	Tag  string // the same for the same content, whatever revision it is of

	once       sync.Once
	compressed []byte
}

// Gzip returns the JSON compressed by gzip.
func (d *Document) Gzip() []byte {
	d.once.Do(func() {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(d.JSON); err != nil {
			panic(fmt.Sprintf("memory takes what is written: %v", err))
		}
		if err := w.Close(); err != nil {
			panic(fmt.Sprintf("memory takes what is written: %v", err))
		}
		d.compressed = b.Bytes()
	})
	return d.compressed
}

// Collect returns the control document for the records of a task that carry a
// job name ("" for those that carry none). If the asker knows that one, it waits
// for another: until a policy set is reloaded that changes it, for at most wait
// (up to MaxCollectWait) or until ctx ends, and then returns what is in force. An
// error wraps ErrBusy: too many wait already.
func (r *Runtime) Collect(ctx context.Context, task, job string, known func(tag string) bool, wait time.Duration) (*Document, error) {
	moved := r.rollouts.moved()
	rev := r.rev.Load()
	doc := r.document(rev, task, job)
	if wait <= 0 || !known(doc.Tag) {
		return r.counted(doc, known), nil
	}
	if r.waiting.Add(1) > maxCollectWaiting {
		r.waiting.Add(-1)
		r.metrics.CollectRequests.Add(1, "busy")
		return nil, fmt.Errorf("%w: %d", ErrBusy, maxCollectWaiting)
	}
	defer r.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, min(wait, MaxCollectWait))
	defer cancel()
	for known(doc.Tag) && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-rev.replaced:
		case <-moved:
		}
		moved = r.rollouts.moved()
		rev = r.rev.Load()
		doc = r.document(rev, task, job)
	}
	return r.counted(doc, known), nil
}

func (r *Runtime) counted(doc *Document, known func(tag string) bool) *Document {
	result := "sent"
	if known(doc.Tag) {
		result = "unchanged"
	}
	r.metrics.CollectRequests.Add(1, result)
	return doc
}

// document is the one of a task: of the canary, when that governs it, and of what
// both sets have in common when nobody can say.
func (r *Runtime) document(rev *revision, task, job string) *Document {
	c := r.rollouts.canary.Load()
	switch {
	case c == nil:
		return rev.document(task, job)
	case len(c.partitions) > 0:
		common := program.CommonCollect(rev.program.CollectTask(task, job), c.rev.program.CollectTask(task, job))
		doc := &Document{JSON: common.Encode(rev.digest)}
		doc.Tag = fmt.Sprintf("%012x", common.CV)
		return doc
	case c.governs(task):
		return c.rev.document(task, job)
	}
	return rev.document(task, job)
}

// documents are the control documents of a revision that were asked for. Most
// tasks have the same one, which is kept once. When they are too many, they start
// anew: making one costs little more than looking at each rule.
type documents struct {
	mu     sync.Mutex
	byTask map[taskAndJob]*Document
	byTag  map[string]*Document
	bytes  int // of all in byTag
}

type taskAndJob struct{ task, job string }

// Bounds of documents.
const (
	maxDocumentTasks = 20_000
	maxDocumentBytes = 16 << 20
)

func (rev *revision) document(task, job string) *Document {
	d, key := &rev.documents, taskAndJob{task, job}
	d.mu.Lock()
	doc := d.byTask[key]
	d.mu.Unlock()
	if doc != nil {
		return doc
	}
	derived := rev.program.CollectTask(task, job)
	doc = &Document{JSON: derived.Encode(rev.digest)}
	doc.Tag = fmt.Sprintf("%012x", derived.CV)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byTask == nil || len(d.byTask) >= maxDocumentTasks || d.bytes > maxDocumentBytes {
		d.byTask, d.byTag, d.bytes = map[taskAndJob]*Document{}, map[string]*Document{}, 0
	}
	if same := d.byTag[doc.Tag]; same != nil {
		doc = same
	} else {
		d.byTag[doc.Tag] = doc
		d.bytes += len(doc.JSON)
	}
	d.byTask[key] = doc
	return doc
}

// Where reporters find the document of the whole set that do not ask by HTTP.
const (
	controlTopic = "sluice.control"
	collectKey   = "collect"
)

// How long the control topic may take, and the pauses before it is tried again.
const (
	controlPatience = 30 * time.Second
	controlRetry    = time.Second
	controlRetryMax = 5 * time.Minute
)

// runControl reads the control topic. What keeps it from doing so ends nothing.
func (r *Runtime) runControl(ctx context.Context, ready func()) error {
	c, err := kafka.NewControl(r.kafka, controlTopic)
	if err != nil {
		return err
	}
	r.control.Store(c)
	return c.Run(ctx, ready)
}

// tellReporters puts the document of the whole set on the control topic, at the
// start and after each reload. What keeps it from doing so is logged: reporters
// then go on with what they have. It never writes without such a cause, so that
// an instance with an older set does not undo what a newer one has written.
func (r *Runtime) tellReporters(ctx context.Context, ready func()) error {
	ready()
	pause := controlRetry
	for {
		moved := r.rollouts.moved()
		rev := r.rev.Load()
		var again <-chan time.Time
		switch err := r.tell(ctx, rev); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.log.Warn("the control topic cannot be written", "topic", controlTopic, "error", err, "again in", pause)
			again, pause = time.After(pause), min(2*pause, controlRetryMax)
		default:
			pause = controlRetry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rev.replaced:
		case <-moved:
		case <-again:
		}
	}
}

// tell writes the document of a revision unless it is there.
func (r *Runtime) tell(ctx context.Context, rev *revision) error {
	ctx, cancel := context.WithTimeout(ctx, controlPatience)
	defer cancel()
	log := r.control.Load()
	whole := rev.program.CollectAll()
	if c := r.rollouts.canary.Load(); c != nil {
		whole = program.CommonCollect(whole, c.rev.program.CollectAll())
	}
	document := whole.Encode(rev.digest)
	if there, ok := log.Get(collectKey); ok && bytes.Equal(there.Value, document) {
		return nil
	}
	return log.Put(ctx, collectKey, document)
}

// sameJSON reports whether two values say the same.
func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
