package verify

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/project"
)

// wrongGo doubles values, and before that does what the number of the batch asks for.
const wrongGo = `package main

import (
	"os"
	"time"

	sluice "github.com/sluice-metrics/sluice/plugins/sdk/go"
)

var kept [][]byte

var plugin = sluice.Register(func(*sluice.Config) sluice.Transform {
	return func(b *sluice.Batch) {
		wrong(b.Sequence())
		for i := range b.Len() {
			r := b.Record(i)
			r.SetValue(2 * r.Value())
		}
	}
})

func wrong(what uint64) {
	switch what {
	case 100:
		panic("it panics")
	case 101:
		var none *[4]int
		none[what%4]++
	case 102:
		defer func() { recover() }()
		panic("it recovers")
	case 103:
		os.Exit(0)
	case 104:
		os.Exit(3)
	case 105:
		<-make(chan int)
	case 106:
		time.Sleep(time.Hour)
	case 107:
		go func() { <-make(chan int) }()
	case 108:
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	case 109:
		deep(what)
	}
}

//go:noinline
func deep(n uint64) uint64 { return 1 + deep(n+1) }

func main() {}
`

// What goes wrong in Go goes wrong in its own ways: a guest that panicked looks alive.
// The instance is gone after each, and the next batch is right.
func TestGuestsInGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wrong")
	if _, err := project.New(dir, "wrong", project.Go); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(wrongGo), 0o644); err != nil {
		t.Fatal(err)
	}
	source, err := project.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	built, err := source.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plugins.Load(t.Context(), built.Wasm, plugins.Options{Limits: plugins.Limits{Batch: time.Minute, Init: time.Minute, Compile: 5 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	i, err := p.Instance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	for n, c := range []struct {
		name string
		code abi.Code
	}{
		{"panic", abi.Trap}, {"nil", abi.Trap}, {"recover", 0}, {"exit 0", abi.Exit}, {"exit 3", abi.Exit}, {"deadlock", abi.Trap},
		{"sleep", 0}, {"a goroutine that stays", 0}, {"memory without end", abi.OutOfMemory}, {"recursion", abi.Depth},
	} {
		given, before := p.Counts().Replacements, sample(uint64(100+n))
		b := sample(uint64(100 + n))
		err := i.Transform(t.Context(), b)
		switch wrong := (Case{Step: plugins.StepTransform, Code: c.code}); {
		case c.code == 0 && err == nil:
			err = doubled(b)
		case c.code != 0:
			if err = wrong.expect(err); err == nil && !same(before, b) {
				t.Errorf("%s: the batch that failed was changed", c.name)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if gone := p.Counts().Replacements > given; gone != (c.code != 0) {
			t.Errorf("%s: the instance was given up: %t", c.name, gone)
		}
		next := sample(1)
		if err := i.Transform(t.Context(), next); err != nil {
			t.Errorf("after %s: %v", c.name, err)
		} else if err := doubled(next); err != nil {
			t.Errorf("after %s: %v", c.name, err)
		}
	}
}
