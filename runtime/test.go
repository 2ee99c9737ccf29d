package runtime

import (
	"context"
	"fmt"
	"io"
	"regexp"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policytest"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

// What running the tests of a set shows; see package policytest.
type (
	// TestReport is what all of them show: the JSON of sluice test.
	TestReport = policytest.Report
	// TestFailure is one thing that is not as a test expects.
	TestFailure = policytest.Failure
	// RuleCoverage says which rules they exercise.
	RuleCoverage = policytest.Coverage
)

// Test runs the tests of the policy set in dir whose team/name a regular
// expression finds; "" runs all. A check that refuses the set for anything but its
// tests comes without results. The error is about reading the directory, or wraps
// ErrConfig: the expression is wrong, or finds no test.
func Test(ctx context.Context, dir string, how Loading, run string) (TestReport, Report, error) {
	wanted, err := regexp.Compile(run)
	if err != nil {
		return TestReport{}, Report{}, fmt.Errorf("%w: --run is no regular expression: %w", ErrConfig, err)
	}
	l, err := loadDir(ctx, dir, how)
	if err != nil {
		return TestReport{}, Report{}, err
	}
	if l.program == nil || refusedOtherwise(l.report.Findings) {
		return TestReport{}, l.report, nil
	}
	t, all := policytest.Run(l.explained(dir), l.bundle.Digest, wanted)
	if all > 0 && len(t.Tests) == 0 {
		return t, l.report, fmt.Errorf("%w: --run %s finds none of %s", ErrConfig, run, diag.Number(all, "test"))
	}
	return t, l.report, nil
}

// refusedOtherwise reports whether anything but a test refuses the set.
func refusedOtherwise(found []diag.Diagnostic) bool {
	for _, d := range found {
		if d.Severity == diag.Error && d.Code != diag.TestFailed {
			return true
		}
	}
	return false
}

// TestsFromTraffic writes n tests, each of one recorded series and what the policy
// set in dir makes of it, as a CUE file of tests. The series are spread over the
// rules that act on them, and over their tasks. in holds records, one JSON object
// a line, plain or compressed. A report that refuses the set comes without text.
func TestsFromTraffic(ctx context.Context, dir string, how Loading, in io.Reader, n int) ([]byte, Report, error) {
	if n < 1 {
		return nil, Report{}, fmt.Errorf("%w: --count must be at least 1", ErrConfig)
	}
	l, err := loadDir(ctx, dir, how)
	if err != nil || l.program == nil {
		return nil, l.report, err
	}
	seen, err := traffic.ReadAll(in, l.known.Origin)
	if err != nil {
		return nil, Report{}, err
	}
	text, err := policytest.FromTraffic(l.explained(dir), seen, n)
	return text, l.report, err
}
