// Package replay feeds records that were kept into a topic again, as fast as they were
// recorded, faster, or at once, and with their times moved to the present. What a line
// holds it passes on as it is, also what no instance could read. It does not know who
// reads the topic, nor what becomes of the records.
package replay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

// Options say how records are fed into a topic.
type Options struct {
	Topic string

	// Speed paces records by their report_timestamp: 1 as they were recorded, 10
	// ten times as fast, 0 without pause.
	Speed float64

	// Now moves every report_timestamp by the same time, so that the latest one is
	// the present when it is sent, and none is ahead of it. The input is read twice
	// and must be an io.Seeker.
	Now bool
}

// Result counts what was fed.
type Result struct {
	Records, Bytes uint64 // sent
	Took           time.Duration

	// Unreadable of the records cannot be read by an instance, which will make dead
	// letters of them. FirstUnreadable says where the first one is and what is
	// wrong with it: "line 1: <reason>".
	Unreadable      uint64
	FirstUnreadable string

	// Newest is the latest report_timestamp of a readable record, as it was sent;
	// zero when there was none.
	Newest time.Time
}

// MaxLine bounds a line, in bytes: longer ones are no record for any reader, but a replay
// passes on what is wrong as well as what is right.
const MaxLine = 16 << 20

// Run feeds the records of in, one JSON object a line, plain or compressed by
// gzip or zstd, into a topic. It returns when all of them are acknowledged. Empty
// lines are skipped, of a line of a dump the record is sent, and everything else as
// it is. Errors wrap diag.ErrConfig, diag.ErrRejected or diag.ErrUnreachable.
func Run(ctx context.Context, conf kafka.Config, in io.Reader, opts Options) (Result, error) {
	began := time.Now()
	if opts.Speed < 0 {
		return Result{}, fmt.Errorf("%w: speed %g is negative", diag.ErrConfig, opts.Speed)
	}
	shift := int64(0)
	if opts.Now {
		var err error
		if shift, err = shiftToNow(in, began, opts.Speed); err != nil {
			return Result{}, err
		}
	}
	to, err := Open(ctx, conf, opts.Topic)
	if err != nil {
		return Result{}, err
	}
	defer to.Close()
	pace := pacer{speed: opts.Speed}
	done := Result{}
	err = eachLine(in, func(n int, line []byte) error {
		if err := pace.wait(ctx, line); err != nil {
			return err
		}
		value := moved(line, shift)
		key := Key(value)
		done.count(n, value, key)
		err := to.Publish(ctx, opts.Topic, key, value)
		if tooLarge := (*kafka.TooLargeError)(nil); errors.As(err, &tooLarge) {
			return fmt.Errorf("%w: line %d: %w", diag.ErrRejected, n, err)
		}
		return err
	})
	if err == nil {
		err = to.Flush(ctx)
	}
	done.Took = time.Since(began)
	return done, err
}

// Open connects to a topic that is there, for records of any length that a line may
// have. Errors wrap diag.ErrConfig or diag.ErrUnreachable.
func Open(ctx context.Context, conf kafka.Config, topic string) (*kafka.Publisher, error) {
	admin, err := kafka.NewAdmin(conf)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	topics, err := admin.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", diag.ErrUnreachable, err)
	}
	if _, ok := topics[topic]; !ok {
		return nil, fmt.Errorf("%w: there is no topic %s; an instance that reads it makes it", diag.ErrConfig, topic)
	}
	return kafka.NewPublisher(conf, kafka.ProducerOptions{RecordBytes: MaxLine})
}

// eachLine decompresses in, if need be, and calls f for the record of every line
// that is not empty, with the number of the line: empty ones count. A line stays valid after the call.
func eachLine(in io.Reader, f func(n int, line []byte) error) error {
	plain, err := traffic.Unpack(in)
	if err != nil {
		return err
	}
	defer plain.Close()
	lines := bufio.NewScanner(plain)
	lines.Buffer(make([]byte, 64<<10), MaxLine)
	n := 0
	for lines.Scan() {
		n++
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			if err := f(n, bytes.Clone(traffic.Undump(line))); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: line %d: %w", diag.ErrRejected, n+1, err)
	}
	return nil
}

var timestampField = regexp.MustCompile(`"report_timestamp"\s*:\s*(-?\d{1,18})\b`)

// timestamp returns where a line has its report_timestamp and what it is. A line
// without one is sent all the same.
func timestamp(line []byte) (from, to int, ms int64, ok bool) {
	at := timestampField.FindSubmatchIndex(line)
	if at == nil {
		return 0, 0, 0, false
	}
	ms, err := strconv.ParseInt(string(line[at[2]:at[3]]), 10, 64)
	return at[2], at[3], ms, err == nil
}

// shiftToNow reads in once and works out by how much its latest timestamp will be
// past when a replay of that speed, which begins now, comes to it.
func shiftToNow(in io.Reader, now time.Time, speed float64) (int64, error) {
	seeker, ok := in.(io.Seeker)
	if !ok {
		return 0, fmt.Errorf("%w: moving timestamps to the present needs a file, which can be read twice", diag.ErrConfig)
	}
	first, latest := int64(-1), int64(0)
	err := eachLine(in, func(_ int, line []byte) error {
		if _, _, ms, ok := timestamp(line); ok {
			if first < 0 {
				first = ms
			}
			latest = max(latest, ms)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if _, err := seeker.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("%w: reading a second time: %w", diag.ErrConfig, err)
	}
	shift := now.UnixMilli() - latest
	if speed > 0 && latest > first {
		// Slower than it was recorded, the records would run ahead of their time.
		shift += int64(float64(latest-first) / max(speed, 1))
	}
	return shift, nil
}

// moved returns the line with its timestamp moved by shift milliseconds.
func moved(line []byte, shift int64) []byte {
	from, to, ms, ok := timestamp(line)
	if shift == 0 || !ok {
		return line
	}
	out := strconv.AppendInt(append(make([]byte, 0, len(line)+4), line[:from]...), ms+shift, 10)
	return append(out, line[to:]...)
}

// count adds the record in line n, which is readable when it has a key.
func (d *Result) count(n int, value, key []byte) {
	d.Records++
	d.Bytes += uint64(len(value))
	if key == nil {
		if d.Unreadable++; d.Unreadable == 1 {
			d.FirstUnreadable = fmt.Sprintf("line %d: %v", n, record.NewScanner().Strict(value, new(record.View)))
		}
		return
	}
	if _, _, ms, ok := timestamp(value); ok && ms > d.Newest.UnixMilli() {
		d.Newest = time.UnixMilli(ms)
	}
}

// Key is the key that the reporter would have given a record; none when
// the record cannot be read.
func Key(line []byte) []byte {
	var v record.View
	if err := record.NewScanner().Strict(line, &v); err != nil {
		return nil
	}
	return append(append(bytes.Clone(v.Task), 0), v.Metric...)
}

// pacer waits until the time of a record has come.
type pacer struct {
	speed float64
	began time.Time
	first int64
}

func (p *pacer) wait(ctx context.Context, line []byte) error {
	_, _, ms, ok := timestamp(line)
	if p.speed == 0 || !ok {
		return ctx.Err()
	}
	if p.began.IsZero() {
		p.began, p.first = time.Now(), ms
	}
	due := p.began.Add(time.Duration(float64(ms-p.first) / p.speed * float64(time.Millisecond)))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(due)):
		return nil
	}
}
