package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
)

// slower is how much more time the interpreter is given than the compiler.
const slower = 60

// Plugin checks one plugin with a config, which may be nil: that it takes batches
// that are legal and unusual, that the same batch gives the same result, on a new
// instance too, that the size of a batch makes no difference, and that compiler and
// interpreter agree. An error means that it could not be loaded.
func Plugin(ctx context.Context, wasm, config []byte) ([]Finding, error) {
	var runs [2]map[string]outcome
	var out []Finding
	for at, engine := range []plugins.Engine{plugins.Compiler, plugins.Interpreter} {
		o := plugins.Options{Config: config, Engine: engine}
		if engine == plugins.Interpreter {
			d := plugins.DefaultLimits()
			o.Limits = plugins.Limits{Batch: slower * d.Batch, Init: slower * d.Init}
		}
		found, run, err := check(ctx, wasm, o)
		if err != nil {
			return nil, err
		}
		runs[at] = run
		if engine == plugins.Compiler {
			out = found
		}
	}
	agree := Finding{Name: "engines", About: "compiler and interpreter give the same results"}
	for _, h := range hostile() {
		if agree.Err == nil && runs[0][h.name].text != runs[1][h.name].text {
			agree.Err = fmt.Errorf("of the batch %s the compiler makes %s", h.name, difference(runs[0][h.name].text, runs[1][h.name].text))
		}
	}
	return append(out, agree), nil
}

// check tries a plugin on one engine; outcomes are by batch.
func check(ctx context.Context, wasm []byte, o plugins.Options) ([]Finding, map[string]outcome, error) {
	p, err := plugins.Load(ctx, wasm, o)
	if err != nil {
		return nil, nil, err
	}
	defer p.Close(ctx)
	first, err := p.Instance(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer first.Close()
	var out []Finding
	all := map[string]outcome{}
	for _, h := range hostile() {
		got := run(ctx, first, h.make())
		all[h.name] = got
		out = append(out, Finding{"batch/" + h.name, h.about, got.err})
	}
	again := Finding{Name: "determinism", About: "the same batch gives the same result again, on a new instance too"}
	second, err := p.Instance(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer second.Close()
	for _, i := range []*plugins.Instance{first, second} {
		for _, h := range hostile() {
			if got := run(ctx, i, h.make()).text; got != all[h.name].text && again.Err == nil {
				again.Err = fmt.Errorf("of the batch %s it makes %s", h.name, difference(all[h.name].text, got))
			}
		}
	}
	return append(out, again, invariance(ctx, first)), all, nil
}

// outcome is what came of a batch, as a text that can be compared.
type outcome struct {
	text string
	err  error
}

func run(ctx context.Context, i *plugins.Instance, b *plugins.Batch) outcome {
	if err := i.Transform(ctx, b); err != nil {
		var e *plugins.Error
		if errors.As(err, &e) {
			return outcome{"fails with " + e.Code.String(), err}
		}
		return outcome{"fails", err}
	}
	return outcome{text: describe(b, 0)}
}

// describe writes a batch down, a line per record. Every value that is not a number
// counts as the same: which bits it has is left to the machine.
func describe(b *plugins.Batch, from int) string {
	var out strings.Builder
	for i := range b.Records {
		r := &b.Records[i]
		bits := math.Float64bits(r.Value)
		value := fmt.Sprintf("%v (%#x)", r.Value, bits)
		switch {
		case r.Kind == abi.Text:
			value = fmt.Sprintf("%q", b.Strings[uint32(bits)])
		case r.Value != r.Value:
			value = "NaN"
		}
		fmt.Fprintf(&out, "record %d: %s at %d, kind %d, value %s", int(r.Source)+from, b.Strings[r.Name], r.Time, r.Kind, value)
		for _, p := range b.Labels(r) {
			fmt.Fprintf(&out, " %s=%q", b.Strings[p.Key], b.Strings[p.Value])
		}
		out.WriteByte('\n')
	}
	for _, f := range b.Failed {
		fmt.Fprintf(&out, "record %d failed: %s\n", f.Record+from, f.Message)
	}
	return out.String()
}

// difference tells the first lines in which two outcomes differ.
func difference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(as), len(bs)) {
		if x, y := line(as, i), line(bs, i); x != y {
			return fmt.Sprintf("%q, and %q", x, y)
		}
	}
	return "the same"
}

func line(lines []string, i int) string {
	if i < len(lines) && lines[i] != "" {
		return lines[i]
	}
	return "nothing"
}

// invariance compares a batch of 1,000 with the same records in smaller ones. New
// records come behind the others of their batch, so each is compared by its source.
func invariance(ctx context.Context, i *plugins.Instance) Finding {
	f := Finding{Name: "batches", About: "records fare the same in batches of 1, 7 and 1,000"}
	const records = 1000
	want := map[string]int{}
	for at, size := range []int{records, 7, 1} {
		got := map[string]int{}
		for from := 0; from < records; from += size {
			b := &plugins.Batch{Now: epoch, Sequence: 5}
			usual(b, from, min(from+size, records))
			if err := i.Transform(ctx, b); err != nil {
				f.Err = fmt.Errorf("in a batch of %d: %w", size, err)
				return f
			}
			for l := range strings.Lines(describe(b, from)) {
				got[l]++
			}
		}
		if at == 0 {
			want = got
		}
		for l, n := range want {
			if got[l] != n {
				f.Err = fmt.Errorf("in a batch of %d there is %q, which is not there in batches of %d", records, l, size)
			}
		}
		for l, n := range got {
			if want[l] != n && f.Err == nil {
				f.Err = fmt.Errorf("in batches of %d there is %q, which is not there in one of %d", size, l, records)
			}
		}
	}
	return f
}

// epoch is the time of the batches, Unix ms.
const epoch = int64(1_700_000_000 * time.Second / time.Millisecond)
