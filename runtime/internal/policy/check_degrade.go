package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// ParseShare reads a share of the policy language, such as "85%", as a number up
// to 1. It refuses any other text, and what is not from 1% to 100%.
func ParseShare(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(number, 10, 8)
	if !ok || err != nil || n < 1 || n > 100 {
		return 0, fmt.Errorf("%q is not a share from 1%% to 100%%", text)
	}
	return float64(n) / 100, nil
}

// degrades looks at the bounds of rules that give up series under overload.
func (c *checker) degrades() {
	for _, name := range sorted(c.team.Degrade) {
		r := c.team.Degrade[name]
		c.ordered(r.Ordered, "degrade", name)
		c.duration(r.Back, time.Second, "degrade", name, "back")
		if r.When.Lag != "" {
			c.duration(r.When.Lag, time.Second, "degrade", name, "when", "lag")
		}
		if m := r.When.Memory; m != "" && !strings.HasSuffix(m, "%") {
			if _, err := ParseSize(m); err != nil {
				c.add(diag.BadQuantity, fmt.Sprintf("memory: %v", err), "", "degrade", name, "when", "memory")
			}
		}
	}
}

// losing finds rules that give series up, in a set with a stream that promises to
// lose nothing, and do not say that this is meant.
func losing(teams []teamOutcome) []diag.Diagnostic {
	stream, level, where := "", "", diag.Note{}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Stream) {
			s := t.Team.Stream[name]
			if stream == "" && (s.Level == "no-loss" || s.Level == "exactly-once") {
				stream, level = name, s.Level
				where = diag.Note{Pos: t.where.pos("stream", name), Message: "level " + level}
			}
		}
	}
	if stream == "" {
		return nil
	}
	var out []diag.Diagnostic
	for _, t := range teams {
		add := func(message, hint string, path ...string) {
			d := t.where.found(diag.UnsaidLoss, fmt.Sprintf("%s, and stream %s promises %s", message, stream, level), path...)
			d.Hint, d.Notes = hint, []diag.Note{where}
			out = append(out, d)
		}
		for _, name := range sorted(t.Team.Degrade) {
			if t.Team.Degrade[name].Accept == "" {
				add("degrade "+name+" gives samples up under overload", `write accept: "loss" if that is meant, or give the stream level none`, "degrade", name, "action")
			}
		}
		for _, name := range sorted(t.Team.Transform) {
			if tr := t.Team.Transform[name]; tr.OnError == "drop" && tr.Accept == "" {
				add("transform "+name+" drops what its plugin fails for", `write onError: "quarantine", or accept: "loss" if that is meant`, "transform", name, "onError")
			}
		}
	}
	return out
}

// degradeMeasures are the bounds of a rule as numbers; 0 is none.
var degradeMeasures = [...]struct {
	field string
	value func(*DegradeWhen) float64
}{
	{"memory", func(w *DegradeWhen) float64 { v, _ := ParseShare(w.Memory); return v }},
	{"memory", func(w *DegradeWhen) float64 { v, _ := ParseSize(w.Memory); return float64(v) }},
	{"lag", func(w *DegradeWhen) float64 {
		if w.Lag == "" {
			return 0
		}
		v, _ := ParseDuration(w.Lag)
		return v.Seconds()
	}},
	{"cpu", func(w *DegradeWhen) float64 { v, _ := ParseShare(w.CPU); return v }},
}

// upsideDown finds bounds that are passed before those of a step that comes first.
func upsideDown(teams []teamOutcome) []diag.Diagnostic {
	type bound struct {
		claim
		text, priority string
		value          float64
	}
	var out []diag.Diagnostic
	for _, m := range degradeMeasures {
		var all []bound
		for _, t := range teams {
			for _, name := range sorted(t.Team.Degrade) {
				r := t.Team.Degrade[name]
				if v := m.value(&r.When); v > 0 && r.Enabled {
					text := map[string]string{"memory": r.When.Memory, "lag": r.When.Lag, "cpu": r.When.CPU}[m.field]
					all = append(all, bound{claim{"degrade " + name, t.where, []string{"degrade", name, "when", m.field}}, text, r.Priority, v})
				}
			}
		}
		for _, b := range all {
			var first *bound // the lowest bound of an earlier step
			for i := range all {
				if o := &all[i]; o.priority > b.priority && (first == nil || o.value < first.value) {
					first = o
				}
			}
			if first == nil || b.value >= first.value {
				continue
			}
			d := b.where.found(diag.BadQuantity, fmt.Sprintf("%s: %s of step %s is passed before %s of step %s, and %s is given up first",
				m.field, b.text, b.priority, first.text, first.priority, first.priority), b.path...)
			d.Hint = "P3 goes first and P1 last: give " + b.priority + " the larger bound"
			d.Notes = []diag.Note{{Pos: first.where.pos(first.path...), Message: first.what + " has the bound of " + first.priority}}
			out = append(out, d)
		}
	}
	return out
}
