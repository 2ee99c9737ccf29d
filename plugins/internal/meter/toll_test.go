package meter

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"pgregory.net/rapid"

	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// work is n instructions of weight 1, an even number of them.
func work(n int) as.Code { return as.Code(strings.Repeat(string(as.I32(1)+as.Drop), n/2)) }

func TestTolls(t *testing.T) {
	// A loop of three places: 9 before the table, which has 8, and then 600, 100, 50.
	places := func(labels as.Code, after ...as.Code) as.Code {
		return work(4) + as.Loop + as.Block + as.Block + as.Block + as.Get(0) + labels + as.End +
			work(600) + after[0] + as.End + work(100) + after[1] + as.End + work(50) + after[2] + as.End
	}
	for name, tt := range map[string]struct {
		code as.Code
		want []int
	}{
		"no loop":                      {work(30), []int{30}},
		"loop in a loop":               {work(4) + as.Loop + work(6) + as.Loop + work(8) + as.End + work(10) + as.End, []int{4, 16, 8}},
		"every place ends":             {places(as.BrTable(0, 1, 2), as.Br(2), as.Br(1), as.Br(0)), []int{4, 9 + 601}},
		"places that go on":            {places(as.BrTable(0, 1, 2), "", as.Return, ""), []int{4, 9 + 701}},
		"the last one goes on, too":    {places(as.BrTable(0, 1, 2), as.Br(2), "", ""), []int{4, 9 + 601}},
		"what is dead counts":          {places(as.BrTable(0, 1, 2), as.Br(2)+work(2), "", ""), []int{4, 9 + 753}},
		"a place leads to a later one": {places(as.BrTable(0, 1, 2), as.Br(1), as.Br(1), ""), []int{4, 9 + 752}},
		"one of a table":               {places(as.BrTable(0, 1, 2), as.Get(0)+as.BrTable(2, 1, 2), as.Br(1), ""), []int{4, 9 + 760}},
		"one in a block":               {places(as.BrTable(0, 1, 2), as.Block+as.Get(0)+as.BrIf(2)+as.End+as.Br(2), as.Br(1), ""), []int{4, 9 + 754}},
		"the table leads to the loop":  {places(as.BrTable(0, 1, 3), as.Br(2), as.Br(1), as.Br(0)), []int{4, 9 + 753}},
		"the table leads out":          {places(as.BrTable(0, 1, 4), as.Br(2), as.Br(1), as.Br(0)), []int{4, 9 + 753}},
		"no blocks":                    {as.Loop + as.Get(0) + as.BrTable(0, 0) + as.End + work(2), []int{2, 9}},
		"another branch before the table": {
			as.Loop + as.Block + as.Block + as.Get(0) + as.BrIf(1) + as.Get(0) + as.BrTable(0, 1) + as.End + work(20) + as.Br(1) + as.End + work(30) + as.End,
			[]int{0, 2 + 9 + 21 + 30},
		},
		"a block behind the first thing": {
			as.Loop + as.Block + as.Get(0) + as.Drop + as.Block + as.Get(0) + as.BrTable(0, 1) + as.End + work(20) + as.Br(1) + as.End + work(30) + as.End,
			[]int{0, 2 + 9 + 21 + 30},
		},
		"loops at the places": {
			as.Loop + as.Block + as.Block + as.Get(0) + as.BrTable(0, 1) + as.End + work(20) + as.Loop + work(6) + as.End + as.Br(1) + as.End + as.Loop + work(8) + as.End + work(30) + as.End,
			[]int{0, 9 + 30, 6, 8},
		},
	} {
		m, err := module.Parse(guest(tt.code, "i"))
		if err != nil {
			t.Fatal(err)
		}
		if got := tolls(m.Bodies[0]); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Whatever the branches, all that is done was paid for: functions that count their own
// work in a global have spent as much at least, when they end and when they are stopped.
func TestWorkIsPaidFor(t *testing.T) {
	outer, b := t, newBox(t, wazero.NewRuntimeConfigInterpreter())
	rapid.Check(t, func(t *rapid.T) {
		m := &as.Module{}
		m.Memory(1, 1)
		m.Export("done", 3, uint32(m.AddGlobal('I', as.I64(0))))
		m.Data(0, choices(rapid.Uint64().Draw(t, "choices")))
		p := &paths{T: t, left: 40}
		m.Func("f", "", "", "i", as.Loop+p.places(1)+as.Br(0)+as.End)
		b.ticks, b.taken = 5, 0
		const slice = 1000
		i, err := b.start(metered(outer, m.Bytes(), Options{Slice: slice}))
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close(context.Background())
		_, err = i.ExportedFunction("f").Call(context.Background())
		spent := slice + int64(b.taken)*DefaultSlice - int64(i.ExportedGlobal(Fuel).Get())
		if done := int64(i.ExportedGlobal("done").Get()); spent*unit+free < done {
			t.Fatalf("%d of fuel for a work of %d (%v)", spent, done, err)
		}
	})
}

// paths makes functions of blocks, branches and work that says what it is.
type paths struct {
	*rapid.T
	left int // statements
}

// choices are small numbers, of which functions take one after the other, in a ring.
func choices(seed uint64) []byte {
	out, r := make([]byte, 1024), rand.New(rand.NewPCG(seed, 0))
	for i := range out {
		out[i] = byte(r.IntN(6))
	}
	return out
}

// choice is the local that says which comes next.
const choice = 0

func next() as.Code {
	return as.Get(choice) + as.I32Load8(0) + as.Get(choice) + as.I32(1) + as.I32Add + as.I32(1023) + as.I32And + as.Set(choice)
}

func (p *paths) some(depth int) (c as.Code) {
	for range rapid.IntRange(1, 4).Draw(p.T, "statements") {
		if p.left--; p.left < 0 {
			break
		}
		c += p.one(depth)
	}
	return c
}

func (p *paths) one(depth int) as.Code {
	label := func() int { return rapid.IntRange(0, depth-1).Draw(p.T, "label") } // not out of the function
	switch rapid.IntRange(0, 7).Draw(p.T, "kind") {
	case 0:
		return as.Block + p.some(depth+1) + as.End
	case 1:
		return next() + as.If + p.some(depth+1) + as.Else + p.some(depth+1) + as.End
	case 2:
		return as.Loop + p.some(depth+1) + next() + as.BrIf(0) + as.End
	case 3:
		return as.Br(label())
	case 4:
		return next() + as.BrIf(label())
	case 5:
		return next() + as.BrTable(label(), label(), label())
	case 6:
		return p.places(depth)
	}
	return p.count()
}

// places is a loop that branches to places in it.
func (p *paths) places(depth int) as.Code {
	c := as.Loop + as.Block + as.Block + as.Block + next() + as.BrTable(rapid.SliceOfN(rapid.IntRange(0, 2), 1, 5).Draw(p.T, "labels")...) + as.End
	for places := 3; places > 0; places-- {
		c += p.count() + p.some(depth+places)
		if rapid.Bool().Draw(p.T, "ends") {
			c += as.Br(places - 1)
		}
		c += as.End
	}
	return c
}

// count is work, and a note of it.
func (p *paths) count() as.Code {
	n := rapid.IntRange(0, 150).Draw(p.T, "work") * 2
	return work(n) + as.Global(0) + as.I64(int64(n+4)) + as.I64Add + as.SetGlobal(0)
}
