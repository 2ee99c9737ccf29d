package policy

import (
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// twice finds streams and sinks of one name in two teams, and a second store.
func twice(teams []teamOutcome) []diag.Diagnostic {
	var out []diag.Diagnostic
	claims := map[string]claim{}
	// take reports whether key was free.
	take := func(key string, c claim, message, hint string) bool {
		other, taken := claims[key]
		if !taken {
			claims[key] = c
			return true
		}
		d := c.where.found(diag.Twice, fmt.Sprintf(message, other.what, c.what), c.path...)
		d.Hint, d.Notes = hint, []diag.Note{other.note()}
		out = append(out, d)
		return false
	}
	for _, t := range teams {
		named := func(section, name string) bool {
			return take(section+" "+name, claim{"team " + t.Team.Name, t.where, []string{section, name}},
				"%s and %s both have a "+section+" "+name, "names are those of the whole set; rename one of them")
		}
		for _, name := range sorted(t.Team.Stream) {
			named("stream", name)
		}
		for _, name := range sorted(t.Team.Sink) {
			if named("sink", name) && t.Team.Sink[name].Type == "store" {
				take("store", claim{"sink " + name, t.where, []string{"sink", name}},
					"%s and %s are both of type store", "an instance has one store; remove one of them")
			}
		}
	}
	return out
}

// direct finds what does not go with streams that hand their series to the sinks.
func direct(teams []teamOutcome) []diag.Diagnostic {
	var fed, kept *claim // the first stream that is direct, and the first that is not
	streams, sinks := map[string]bool{}, map[string]bool{}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Stream) {
			streams[name] = true
			c := claim{"stream " + name, t.where, []string{"stream", name}}
			if s := t.Team.Stream[name]; s.Direct && fed == nil {
				c.path = append(c.path, "direct")
				fed = &c
			} else if !s.Direct && kept == nil {
				kept = &c
			}
		}
		for name := range t.Team.Sink {
			sinks[name] = true
		}
	}
	if fed == nil {
		return nil
	}
	if kept != nil {
		d := fed.where.found(diag.DirectMixed, fmt.Sprintf("%s is direct and %s is not", fed.what, kept.what), fed.path...)
		d.Hint = "make all streams direct, or none"
		d.Notes = []diag.Note{{Pos: kept.where.pos(kept.path...), Message: "not direct: " + kept.what}}
		return []diag.Diagnostic{d}
	}
	return indirect(teams, *fed, func(name string) bool { return streams[name] && !sinks[name] })
}

// indirect finds what needs a processed topic, in a set whose streams have none.
func indirect(teams []teamOutcome, fed claim, isStream func(name string) bool) []diag.Diagnostic {
	var out []diag.Diagnostic
	add := func(t teamOutcome, message, hint string, path ...string) {
		d := t.where.found(diag.DirectMixed, message, path...)
		d.Hint = hint
		d.Notes = []diag.Note{{Pos: fed.where.pos(fed.path...), Message: "direct: " + fed.what}}
		out = append(out, d)
	}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Sink) {
			if t.Team.Sink[name].Type == "kafka" {
				add(t, "sink "+name+" of type kafka reads processed topics, and direct streams write none",
					"use a sink of another type, or streams that are not direct", "sink", name, "topic")
			}
		}
		for _, name := range sorted(t.Team.Control) {
			r := t.Team.Control[name]
			for i, to := range r.To {
				_, own := t.Team.Stream[to]
				if _, sink := t.Team.Sink[to]; r.Action == "route" && (isStream(to) || own && !sink) {
					add(t, "a route to stream "+to+" leads to its processed topic, and direct streams have none",
						"name a sink, or make the streams not direct", "control", name, "to", fmt.Sprint(i))
				}
			}
		}
	}
	return out
}

// noFlow warns of a set that no instance can run: it has nothing to read, or
// nowhere to write.
func noFlow(teams []teamOutcome) []diag.Diagnostic {
	streams, sinks := 0, 0
	for _, t := range teams {
		streams += len(t.Team.Stream)
		sinks += len(t.Team.Sink)
	}
	message := "the set has no stream and no sink, so an instance does not run it"
	switch {
	case streams > 0 && sinks > 0:
		return nil
	case streams > 0:
		message = "the set has no sink, so there is nowhere to write and an instance does not run it"
	case sinks > 0:
		message = "the set has no stream, so there is nothing to read and an instance does not run it"
	}
	where := teams[0].where
	d := where.found(diag.NoFlow, message, "team")
	if !d.Pos.IsValid() { // the team is named in more than one place
		d.Pos = place(where.tree().sites[0].value.Pos())
	}
	d.Severity, d.Hint = diag.Warning, "declare at least one stream and one sink"
	return []diag.Diagnostic{d}
}
