package plugins

import "time"

// Limits bound what a plugin costs. A zero field takes its value from DefaultLimits.
type Limits struct {
	Pages    int           // of 64 KiB of memory per instance; 0: what the manifest asks for, else the default; at most MaxPages
	Batch    time.Duration // for one batch
	Init     time.Duration // for starting an instance, its sluice_init included
	Compile  time.Duration // for compiling the module
	Depth    int           // of nested calls
	Size     int           // bytes of the module
	Records  int           // of a batch; it may come back with twice as many and 16
	Bytes    int           // of a batch as the guest sees it
	Labels   int           // of a record
	String   int           // bytes of a string that the guest makes
	Strings  int           // bytes of all strings that the guest makes in a batch; their number is bounded by 4 per record and 16
	Distinct int           // strings per hour that the guest makes and had not made in that hour
	Lines    int           // of log per second; further ones are counted
	Line     int           // bytes of a log line; what is longer is cut
}

// MaxPages is the most memory that a plugin can be given: 64 MiB.
const MaxPages = 1024

// DefaultLimits are what a policy starts from; it may lower them, an operator may
// raise them.
func DefaultLimits() Limits {
	return Limits{
		Pages: 256, Batch: 50 * time.Millisecond, Init: 2 * time.Second, Compile: 10 * time.Second,
		Depth: 4000, Size: 16 << 20, Records: 1024, Bytes: 1 << 20, Labels: 64,
		String: 4 << 10, Strings: 1 << 20, Distinct: 50_000, Lines: 100, Line: 1 << 10,
	}
}

// with fills what is zero. asked is what the manifest wants in pages.
func (l Limits) with(asked int) Limits {
	d := DefaultLimits()
	if asked > 0 {
		d.Pages = asked
	}
	for _, f := range []struct {
		v *int
		d int
	}{
		{&l.Pages, d.Pages}, {&l.Depth, d.Depth}, {&l.Size, d.Size}, {&l.Records, d.Records}, {&l.Bytes, d.Bytes},
		{&l.Labels, d.Labels}, {&l.String, d.String}, {&l.Strings, d.Strings}, {&l.Distinct, d.Distinct},
		{&l.Lines, d.Lines}, {&l.Line, d.Line},
	} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	for _, f := range []struct {
		v *time.Duration
		d time.Duration
	}{{&l.Batch, d.Batch}, {&l.Init, d.Init}, {&l.Compile, d.Compile}} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	l.Pages = min(l.Pages, MaxPages)
	return l
}

// made returns how many records and how many strings may come of n records.
func made(n int) (records, strings int) { return 2*n + 16, 4*n + 16 }
