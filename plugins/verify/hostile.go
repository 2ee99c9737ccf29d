package verify

import (
	"fmt"
	"math"
	"strings"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
)

// unusual is a batch that is legal, and that a plugin may not have thought of.
type unusual struct {
	name, about string
	fill        func(b *plugins.Batch)
}

func (u unusual) make() *plugins.Batch {
	b := &plugins.Batch{Now: epoch, Sequence: 5, Flags: abi.DryRun}
	u.fill(b)
	return b
}

// hostile lists such batches.
func hostile() []unusual {
	one := func(value float64) func(b *plugins.Batch) {
		return func(b *plugins.Batch) {
			usual(b, 0, 1)
			b.Records[0].Value = value
		}
	}
	at := func(time int64) func(b *plugins.Batch) {
		return func(b *plugins.Batch) {
			usual(b, 0, 2)
			b.Records[1].Time = time
		}
	}
	labelled := func(value string) func(b *plugins.Batch) {
		return func(b *plugins.Batch) {
			v := b.Intern(value)
			b.Add(abi.Record{Time: epoch, Value: 1, Name: b.Intern("numRecordsIn")},
				abi.Pair{Key: b.Intern("host"), Value: v}, abi.Pair{Key: b.Intern("task_name"), Value: v}, abi.Pair{Key: b.Intern("user"), Value: v})
		}
	}
	return []unusual{
		{"empty", "there is no record", func(*plugins.Batch) {}},
		{"one", "there is one record", one(1)},
		{"thousand", "there are 1,000 records", func(b *plugins.Batch) { usual(b, 0, 1000) }},
		{"bare", "a record has no labels", func(b *plugins.Batch) { b.Add(abi.Record{Time: epoch, Value: 1, Name: b.Intern("up")}) }},
		{"labels", "a record has 64 labels", func(b *plugins.Batch) {
			var labels []abi.Pair
			for i := range plugins.DefaultLimits().Labels {
				labels = append(labels, abi.Pair{Key: b.Intern(fmt.Sprintf("label_%d", i)), Value: b.Intern(fmt.Sprint(i))})
			}
			b.Add(abi.Record{Time: epoch, Value: 1, Name: b.Intern("numRecordsIn")}, labels...)
		}},
		{"kinds", "there is a record of every kind", func(b *plugins.Batch) {
			for k := abi.Gauge; k <= abi.Text; k++ {
				r := abi.Record{Time: epoch, Value: 1, Name: b.Intern("state"), Kind: k}
				if k == abi.Text {
					r.Value = math.Float64frombits(uint64(b.Intern("RUNNING")))
				}
				b.Add(r, abi.Pair{Key: b.Intern("job"), Value: b.Intern("orders")})
			}
		}},
		{"zero", "a value is 0", one(0)},
		{"minus-zero", "a value is -0", one(math.Copysign(0, -1))},
		{"nan", "a value is not a number", one(math.NaN())},
		{"infinity", "a value is infinite", one(math.Inf(1))},
		{"minus-infinity", "a value is infinite below zero", one(math.Inf(-1))},
		{"largest", "a value is the largest there is", one(math.MaxFloat64)},
		{"smallest", "a value is the smallest there is", one(math.SmallestNonzeroFloat64)},
		{"first-time", "a record is of the first time that there is", at(math.MinInt64)},
		{"last-time", "a record is of the last time that there is", at(math.MaxInt64)},
		{"empty-value", "label values are empty", labelled("")},
		{"long-value", "label values have 4 KiB", labelled(strings.Repeat("x", plugins.DefaultLimits().String))},
		{"unicode", "label values hold characters of several bytes", labelled("zażółć gęślą jaźń 数据流 🚰 e\u0301 \u202e \uFEFF")},
		{"control", "label values hold control characters", labelled("a\x00b\n\t\"\\")},
	}
}

// usual appends records like those of a real job: tasks, subtasks, hosts.
func usual(b *plugins.Batch, from, to int) {
	names := []string{"numRecordsIn", "numRecordsOut", "busyTimeMsPerSecond", "currentInputWatermark"}
	for i := from; i < to; i++ {
		b.Add(abi.Record{Time: epoch + int64(i), Value: float64(i) * 1.5, Name: b.Intern(names[i%len(names)])},
			abi.Pair{Key: b.Intern("job"), Value: b.Intern(fmt.Sprintf("orders-%d", i/250))},
			abi.Pair{Key: b.Intern("task_name"), Value: b.Intern(fmt.Sprintf("Source: orders[%d] -> Calc[%d]", i%12, i%12+1))},
			abi.Pair{Key: b.Intern("subtask_index"), Value: b.Intern(fmt.Sprint(i % 32))},
			abi.Pair{Key: b.Intern("host"), Value: b.Intern(fmt.Sprintf("worker-%03d", i%24))},
			abi.Pair{Key: b.Intern("user"), Value: b.Intern(fmt.Sprintf("user-%d@example.com", i%50))})
	}
}
