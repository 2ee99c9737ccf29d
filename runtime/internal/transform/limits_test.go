package transform

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// A rule may lower what the operator allows; without a word of it, memory is what the
// manifest asks for.
func TestLimitsOfARule(t *testing.T) {
	module, err := os.ReadFile("testdata/rename.wasm")
	if err != nil {
		t.Fatal(err)
	}
	info, err := plugins.Inspect(module)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		most plugins.Limits
		rule policy.TransformLimits
		want plugins.Limits
	}{
		"defaults":            {plugins.Limits{}, policy.TransformLimits{}, plugins.Limits{Pages: 256, Batch: 50 * time.Millisecond}},
		"raised, not used":    {plugins.Limits{Pages: 512, Batch: time.Second}, policy.TransformLimits{}, plugins.Limits{Pages: 256, Batch: time.Second}},
		"raised, by the rule": {plugins.Limits{Pages: 512, Batch: time.Second}, policy.TransformLimits{Pages: 400, Batch: "200ms"}, plugins.Limits{Pages: 400, Batch: 200 * time.Millisecond}},
		"lowered":             {plugins.Limits{Pages: 64, Batch: 10 * time.Millisecond}, policy.TransformLimits{}, plugins.Limits{Pages: 64, Batch: 10 * time.Millisecond}},
		"more than there is":  {plugins.Limits{Pages: 64, Batch: time.Second}, policy.TransformLimits{Pages: 128, Batch: "2s"}, plugins.Limits{Pages: 64, Batch: time.Second}},
	} {
		p := New(Options{Limits: tt.most, Get: func(string) ([]byte, error) { return module, nil }})
		x, err := p.Open(&policy.Transform{Plugin: "rename@" + info.Digest, Limits: tt.rule})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := x.(*handle).live.use.Plugin().Limits(); got.Pages != tt.want.Pages || got.Batch != tt.want.Batch {
			t.Errorf("%s: %d pages and %v, want %d and %v", name, got.Pages, got.Batch, tt.want.Pages, tt.want.Batch)
		}
		p.Close()
	}
}

func TestPages(t *testing.T) {
	for _, tt := range [][4]int{{0, 0, 0, 256}, {0, 300, 512, 300}, {0, 300, 0, 256}, {32, 300, 512, 32}, {400, 0, 512, 400}, {0, 0, 512, 256}, {0, 0, 64, 64}, {128, 0, 64, 64}} {
		if got := pages(tt[0], tt[1], tt[2]); got != tt[3] {
			t.Errorf("rule %d, manifest %d, at most %d: %d, want %d", tt[0], tt[1], tt[2], got, tt[3])
		}
	}
}

// A rule may leave out labels that a plugin changes by its manifest; it is held to that.
func TestWritesOfARule(t *testing.T) {
	p, refs := stored(t)
	for writes, failed := range map[string]string{"user,who": "", "user": "capability", "other": "capability"} {
		x, err := p.Open(&policy.Transform{Plugin: refs["rename.wasm"], Writes: strings.Split(writes, ",")})
		if err != nil {
			t.Fatal(err)
		}
		out, err := x.Series("m", labels("user", "ann"))
		if failed == "" && (err != nil || out.Labels.Get("who") != "ann") {
			t.Errorf("writes %s: %+v, %v", writes, out, err)
		}
		if fault := (*program.TransformError)(nil); failed != "" && (!errors.As(err, &fault) || fault.Code != failed) {
			t.Errorf("writes %s: %+v, %v", writes, out, err)
		}
	}
	if x := open(t, p, refs["rename.wasm"]); !slices.Equal(x.Plugin().Writes, []string{"user", "who"}) {
		t.Errorf("without a word of the rule: %v", x.Plugin().Writes)
	}
}
