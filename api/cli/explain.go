package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

// explaining is what the flags of explain say.
type explaining struct {
	question explain.Question
	policies string
	set      loadingFlags
	format   string
	url      string
	asking   *asking
	traffic  string
	all      bool
}

func newExplain(t terminal) *cobra.Command {
	var x explaining
	c := &cobra.Command{
		Use:   "explain SERIES|RECORD|-",
		Short: "Say what becomes of a series, and by which rule",
		Long: `Walk one series through every stage of a policy set and say what each does to
it: which rule decided, why the ones before it did not match, what the rewrites
make of its labels, which sinks get it; each rule and field with file and line.

SERIES is written as in PromQL, as it was reported, before any rewrite:
  'flink_jobmanager_job_uptime{torrent_task_id="t-1", job_name="pay"}'
RECORD is one JSON record, grouped or flat, bare or from a dump of a topic; "-"
reads it from standard input.
For a record it also says whether its sample passes a sample or thin rule.

--rule asks what a rule is: each field and where it is set, which of Flink's
metrics it matches, and with --traffic which recorded series.
--why-not asks about a series that is missing in a store, as it would be there:
which rule drops or rewrites it, or that it was not reported.

Without --policies the built-in default set is asked. With --url a running
instance is: its program in force, and what each rule did since it started.

It is the program that runs, so it cannot disagree with what an instance does.
What it cannot know it says: budgets in use, what others sent, what a receiver
refuses.`,
		Example: `  sluice explain 'flink_jobmanager_job_uptime{torrent_task_id="t-1"}'
  tail -1 records.jsonl | sluice explain - --policies policies/ --env prod
  sluice explain --rule order/thin --policies . --traffic records.jsonl
  sluice explain --why-not 'flink_jobmanager_job_uptime{job_name="pay"}' \
    --url http://127.0.0.1:7070`,
		Args: atMostOneArg,
	}
	f := c.Flags()
	f.StringVar(&x.question.Rule, "rule", "", "explain this rule: its name, team/name, or section:team/name where two sections of a team share a name")
	f.StringVar(&x.question.WhyNot, "why-not", "", "explain why this series, as it would leave, is missing")
	f.StringVar(&x.question.Kind, "kind", "", "kind of SERIES: counter, gauge, meter, histogram (default what the catalogue knows)")
	f.StringVar(&x.question.Origin, "origin", "", "origin of SERIES: native, sql, custom, system, event (default what the catalogue knows)")
	f.StringVar(&x.policies, "policies", "", "directory of the policy set; without it the built-in default set")
	x.set.add(f)
	f.StringVar(&x.url, "url", "", "ask this instance, such as http://127.0.0.1:7070")
	x.asking = credentialFlags(f)
	f.StringVar(&x.traffic, "traffic", "", "file of recorded records, for --rule and --why-not")
	formatFlag(f, &x.format)
	f.BoolVar(&x.all, "all", false, "list every rule that does not match, however many they are")
	c.RunE = func(c *cobra.Command, args []string) error { return x.run(c.Context(), args, t) }
	return c
}

func (x *explaining) run(ctx context.Context, args []string, t terminal) error {
	if err := checkFormat(x.format); err != nil {
		return err
	}
	if err := x.subject(args, t); err != nil {
		return err
	}
	answer, err := x.ask(ctx, t)
	if bad := (*explain.QuestionError)(nil); errors.As(err, &bad) {
		x.point(t.err, bad)
		return &exitError{exitRejected, err}
	} else if err != nil {
		return err
	}
	if x.format == "json" {
		return printJSON(t.out, answer)
	}
	_, err = io.WriteString(t.out, explanationText(&answer, x.all, columnsOf(t.out)))
	return err
}

// maxRecord bounds what is read of a record: more is no record.
const maxRecord = 2 << 20

// subject takes the argument, if there is one, for a series or a record.
func (x *explaining) subject(args []string, t terminal) error {
	asked := 0
	for _, given := range []bool{len(args) > 0, x.question.Rule != "", x.question.WhyNot != ""} {
		if given {
			asked++
		}
	}
	if asked != 1 {
		return environment(errors.New("explain needs one of a series, a record, --rule and --why-not; see 'sluice explain --help'"))
	}
	if len(args) == 0 {
		return nil
	}
	text := args[0]
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(t.in, maxRecord))
		if err != nil {
			return environment(fmt.Errorf("standard input: %w", err))
		}
		text = string(b)
	}
	switch text = strings.TrimSpace(text); {
	case text == "":
		return &exitError{exitRejected, errors.New("there is no series and no record: the text is empty")}
	case isRecord(text):
		x.question.Record = []byte(text)
	default:
		x.question.Series = text
	}
	return nil
}

// isRecord tells a JSON record from a series: {"… against {name=….
func isRecord(text string) bool {
	rest, ok := strings.CutPrefix(text, "{")
	rest = strings.TrimSpace(rest)
	return ok && (rest == "" || rest[0] == '"' || rest[0] == '}')
}

func (x *explaining) ask(ctx context.Context, t terminal) (runtime.Answer, error) {
	if x.url != "" {
		for _, flag := range []struct{ name, value string }{{"policies", x.policies}, {"env", x.set.env}, {"traffic", x.traffic}, {"plugin-pages", given(x.set.plugins.Pages)}, {"plugin-batch", x.set.plugins.Batch}} {
			if flag.value != "" {
				return runtime.Answer{}, environment(fmt.Errorf("--url asks an instance by its own policies: leave out --%s", flag.name))
			}
		}
		at, err := x.asking.at(x.url)
		if err != nil {
			return runtime.Answer{}, err
		}
		defer at.Close()
		return at.Explain(ctx, x.question)
	}
	if x.traffic != "" {
		f, err := os.Open(x.traffic)
		if err != nil {
			return runtime.Answer{}, environment(err)
		}
		defer f.Close()
		x.question.Traffic = f
	}
	answer, report, err := runtime.Explain(ctx, x.policies, x.set.loading(), x.question)
	if err == nil && report.Revision == "" {
		if err := renderReport(t.err, report); err != nil {
			return answer, err
		}
		return answer, rejected()
	}
	if err == nil && report.Refused() {
		fmt.Fprintf(t.err, "note: an instance would refuse this set; 'sluice check %s' says why\n", x.policies)
	}
	return answer, err
}

// point shows where in the text of a series or record a mistake is.
func (x *explaining) point(w io.Writer, bad *explain.QuestionError) {
	text, ok := map[string]string{"series": x.question.Series, "why-not": x.question.WhyNot, "record": string(x.question.Record)}[bad.Field]
	if !ok || bad.Offset < 0 || bad.Offset > len(text) {
		return
	}
	const around = 60
	from, to := max(bad.Offset-around, 0), min(bad.Offset+around/4, len(text))
	line := bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, []byte(text[from:to]))
	fmt.Fprintf(w, "    %s\n    %s^\n", line, strings.Repeat(" ", len([]rune(text[from:bad.Offset]))))
}
