package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

const degradePath = "/api/v1/degrade"

func newDegrade(t terminal) *cobra.Command {
	var url, length, reason, format string
	c := &cobra.Command{
		Use:   "degrade [P0|P1|P2|P3|auto]",
		Short: "See or set what a running instance gives up under overload",
		Long: `Show at which step of degradation an instance is, why, and what each rule of
the section degrade has given up. P0 gives nothing up, P3 what has priority P3,
and P2 and P1 what has these in addition.

With a step, set it by hand: for a time, and with a reason that the log and the
status show. Afterwards, or with "auto", the measures decide again. P0 by hand
gives nothing up whatever they say.

It is about one instance; several have a step each.`,
		Example: `  sluice degrade
  sluice degrade P2 --for 30m --reason "the store is being moved"
  sluice degrade auto --url http://sluice-1:7070`,
		Args: atMostOneArg,
	}
	f := c.Flags()
	f.StringVar(&length, "for", "", "how long the step is held, from 1s to 7d, such as 30m")
	f.StringVar(&reason, "reason", "", "why, in 3 to 500 characters")
	f.StringVar(&url, "url", "", "instance to ask (default \""+defaultURL+"\", or SLUICE_URL)")
	token := tokenFlag(f)
	f.StringVar(&format, "format", "pretty", "pretty or json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if format != "pretty" && format != "json" {
			return environment(fmt.Errorf("--format is %q; want pretty or json", format))
		}
		method, body, err := degradeRequest(args, length, reason)
		if err != nil {
			return environment(err)
		}
		status, err := askDegrade(c.Context(), newInstance(url, *token), method, body)
		if err != nil {
			return err
		}
		if format == "json" {
			enc := json.NewEncoder(t.out)
			enc.SetIndent("", "  ")
			return enc.Encode(status)
		}
		return degradeText(t.out, &status, time.Now())
	}
	return c
}

// degradeRequest is what to ask of the instance.
func degradeRequest(args []string, length, reason string) (method string, body io.Reader, err error) {
	given := length != "" || reason != ""
	switch {
	case len(args) == 0 && given:
		return "", nil, errors.New("--for and --reason belong to a step: P0, P1, P2 or P3")
	case len(args) == 0:
		return http.MethodGet, nil, nil
	case args[0] == "auto" && given:
		return "", nil, errors.New("auto takes neither --for nor --reason")
	case args[0] == "auto":
		return http.MethodDelete, nil, nil
	case length == "":
		return "", nil, errors.New("--for is missing: say how long the step is held, as in --for 30m")
	case reason == "":
		return "", nil, errors.New("--reason is missing: say why in a few words")
	}
	text, err := json.Marshal(map[string]string{"step": strings.ToUpper(args[0]), "for": length, "reason": reason})
	return http.MethodPut, bytes.NewReader(text), err
}

func askDegrade(ctx context.Context, i instance, method string, body io.Reader) (s runtime.DegradeStatus, err error) {
	answer, err := i.ask(ctx, method, degradePath, body)
	if err != nil {
		return s, err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(&s); err != nil {
		return s, environment(fmt.Errorf("the instance at %s answers something else than a status: %w", i.url, err))
	}
	return s, nil
}

// degradeText draws a status.
func degradeText(out io.Writer, s *runtime.DegradeStatus, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "step %s", s.Step)
	if !s.Since.IsZero() {
		fmt.Fprintf(&b, " since %s", now.Sub(s.Since).Round(time.Second))
	}
	switch {
	case s.Hand != nil:
		fmt.Fprintf(&b, ", by hand for another %s: %s; the measures would make it %s", s.Hand.Until.Sub(now).Round(time.Second), s.Hand.Reason, s.Automatic)
	case s.Cause != nil:
		b.WriteString(": " + s.Cause.Text())
	}
	b.WriteString("\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MEASURE\tNOW\tP3 ABOVE\tP2 ABOVE\tP1 ABOVE")
	for _, m := range s.Measures {
		now := "unknown"
		if m.Value != nil {
			now = m.Format(*m.Value)
		}
		fmt.Fprintf(w, "%s\t%s", m.Measure, now)
		for _, step := range []string{"P3", "P2", "P1"} {
			text := ""
			if bound := m.Bounds[step]; bound > 0 {
				text = m.Format(bound)
			}
			fmt.Fprintf(w, "\t%s", cmp.Or(text, "-"))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "\nRULE\tPRIORITY\tACTION\tNOW\tGIVEN UP")
	for _, r := range s.Rules {
		doing := "-"
		if r.Shedding {
			doing = "shedding"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Rule, r.Priority, r.Action, doing, counted(int(r.Samples), "sample"))
	}
	if len(s.Rules) == 0 {
		fmt.Fprintln(w, "(none: nothing is ever given up)")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// degradeRows say at which step a series is given up, and by which rule.
func degradeRows(list []runtime.ControlStage, all bool) []string {
	if len(list) == 0 {
		return nil
	}
	last := list[len(list)-1]
	if last.Mismatch != "" {
		return append(controlRows(list, all), "= never given up")
	}
	step := ""
	for _, f := range last.Fields {
		if f.Name == "priority" {
			step = strings.Trim(string(f.Value), `"`)
		}
	}
	return append(append(controlRows(list, all), "= given up from step "+step+" on"), fieldRows(last.Fields)...)
}
