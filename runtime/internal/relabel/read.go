package relabel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A List is a list of steps, as Prometheus runs them one after another.
type List struct {
	Name  string // where it stands, such as "scrape_configs[flink].metric_relabel_configs"; "" for a file that is one list
	Steps []Step
}

// A Step is one relabelling rule, with Prometheus' defaults filled in.
type Step struct {
	Line        int // in the file, from 1
	Action      string
	Source      []string
	Separator   string
	Regex       string
	Target      string
	Replacement string

	regex *regexp.Regexp // anchored
	text  string         // as written, in YAML
}

// lists are the fields that hold steps about series.
var lists = []string{"metric_relabel_configs", "write_relabel_configs", "relabel_configs"}

// maxSteps bounds a list: the orders of its rules must fit below 10,000.
const maxSteps = 900

// Read finds the lists of steps in a configuration of Prometheus, in a part of one,
// or in a file that is one list. The error names the file and the line.
func Read(name string, text []byte) ([]List, error) {
	r := reader{name: name}
	var doc yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: the file is empty", name)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.SequenceNode {
		if err := r.list("", root); err != nil {
			return nil, err
		}
	} else if err := r.find(nil, root, 0); err != nil {
		return nil, err
	}
	if len(r.found) == 0 {
		return nil, fmt.Errorf("%s: there is no %s, and the file is not a list of steps", name, strings.Join(lists, ", "))
	}
	return r.found, nil
}

// A reader collects the lists of a file.
type reader struct {
	name  string
	found []List
	seen  int // values looked at, aliases each time
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", r.name, n.Line, fmt.Sprintf(format, args...))
}

// What is looked at for lists is bounded, since aliases multiply.
const (
	maxDepth = 20
	maxNodes = 100_000
)

func (r *reader) find(path []string, n *yaml.Node, depth int) error {
	if r.seen++; depth > maxDepth || r.seen > maxNodes {
		return r.fail(n, "the file is too large, or nested too deeply")
	}
	if n.Kind == yaml.AliasNode {
		return r.find(path, n.Alias, depth+1)
	}
	for i, item := range n.Content {
		var err error
		switch {
		case n.Kind == yaml.SequenceNode:
			at := slices.Clone(path)
			if len(at) > 0 {
				at[len(at)-1] += "[" + entryName(item, i) + "]"
			}
			err = r.find(at, item, depth+1)
		case n.Kind == yaml.MappingNode && i%2 == 1:
			key := n.Content[i-1].Value
			at := append(slices.Clone(path), key)
			if slices.Contains(lists, key) {
				err = r.list(strings.Join(at, "."), item)
			} else {
				err = r.find(at, item, depth+1)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entryName is what people call an entry of a list of configurations.
func entryName(n *yaml.Node, i int) string {
	for k := 0; k+1 < len(n.Content) && n.Kind == yaml.MappingNode; k += 2 {
		if key := n.Content[k].Value; key == "job_name" || key == "name" {
			return n.Content[k+1].Value
		}
	}
	return strconv.Itoa(i)
}

func (r *reader) list(name string, n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		return r.fail(n, "a list of steps is expected here")
	}
	if len(n.Content) > maxSteps {
		return r.fail(n, "the list has %d steps; %d are the most that can be imported", len(n.Content), maxSteps)
	}
	l := List{Name: name}
	for _, item := range n.Content {
		s, err := r.step(item)
		if err != nil {
			return err
		}
		l.Steps = append(l.Steps, s)
	}
	r.found = append(r.found, l)
	return nil
}

func (r *reader) step(n *yaml.Node) (Step, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	s := Step{Line: n.Line, Action: "replace", Separator: ";", Regex: "(.*)", Replacement: "$1"}
	if n.Kind != yaml.MappingNode {
		return s, r.fail(n, "a step is a mapping with source_labels, regex, action and so on")
	}
	at := n
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if err := r.field(&s, key, value); err != nil {
			return s, err
		}
		if key.Value == "regex" {
			at = value
		}
	}
	var err error
	if s.regex, err = regexp.Compile("^(?s:" + s.Regex + ")$"); err != nil {
		if _, bare := regexp.Compile(s.Regex); bare != nil {
			err = bare // about what the author wrote
		}
		return s, r.fail(at, "regex: %v", err)
	}
	if err := s.validate(); err != nil {
		return s, r.fail(n, "%v", err)
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		return s, r.fail(n, "%v", err)
	}
	s.text = strings.TrimSpace(string(text))
	return s, nil
}

func (r *reader) field(s *Step, key, value *yaml.Node) error {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	if key.Value == "source_labels" {
		return r.labels(s, value)
	}
	into, ok := map[string]*string{
		"separator": &s.Separator, "regex": &s.Regex, "target_label": &s.Target,
		"replacement": &s.Replacement, "action": &s.Action, "modulus": new(string),
	}[key.Value]
	if !ok {
		return r.fail(key, "a step has no field %s", key.Value)
	}
	if value.Kind != yaml.ScalarNode {
		return r.fail(value, "%s is a text", key.Value)
	}
	if value.Tag == "!!null" {
		return nil // as if it were not there
	}
	if *into = value.Value; key.Value == "action" {
		s.Action = strings.ToLower(value.Value)
	}
	return nil
}

func (r *reader) labels(s *Step, value *yaml.Node) error {
	if value.Kind != yaml.SequenceNode && value.Tag != "!!null" {
		return r.fail(value, "source_labels is a list of names")
	}
	for _, item := range value.Content {
		if item.Kind != yaml.ScalarNode || item.Value == "" {
			return r.fail(item, "source_labels is a list of names")
		}
		s.Source = append(s.Source, item.Value)
	}
	return nil
}

// validate refuses what Prometheus would not load.
func (s *Step) validate() error {
	switch s.Action {
	case "keep", "drop", "labelmap", "labeldrop", "labelkeep":
	case "replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal":
		if s.Target == "" {
			return fmt.Errorf("action %s needs target_label", s.Action)
		}
	default:
		return fmt.Errorf("there is no action %q", s.Action)
	}
	if s.Source != nil && (s.Action == "labeldrop" || s.Action == "labelkeep") {
		return fmt.Errorf("action %s takes a regex and nothing else", s.Action)
	}
	return nil
}
