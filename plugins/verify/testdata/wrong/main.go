package main

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
