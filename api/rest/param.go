package rest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// place is where a parameter stands in a request.
type place string

const (
	inPath   place = "path"
	inQuery  place = "query"
	inHeader place = "header"
)

// kind is what a parameter's text says.
type kind string

const (
	text     kind = "text"
	texts    kind = "texts"    // any number of them: the parameter may come more than once
	number   kind = "number"   // a whole one
	duration kind = "duration" // as 1h30m
	moment   kind = "moment"   // RFC 3339
	yes      kind = "yes"      // true or false
)

// param describes a parameter of an operation. A parameter whose text is empty was
// not given.
type param struct {
	name     string
	in       place
	kind     kind
	about    string // a sentence
	example  string // that is right; every parameter has one
	absent   string // what it is when it is not given; "": nothing
	required bool   // those of a path are
	linked   bool   // the link to the operation on the page at / has its example
	rest     bool   // the path ends with it; so a path that goes on is told what is wrong
	choices  []string
	min, max int64 // of a number, or of a duration in nanoseconds; max 0: no bound
	maxBytes int   // of a text; 0: maxText
}

// maxText bounds texts: no name is longer.
const maxText = 4096

// parse reads the texts of a parameter. It returns nil where none is given.
func (p *param) parse(values []string) (any, error) {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	most := p.maxBytes
	if most == 0 {
		most = maxText
	}
	for _, v := range values {
		if len(v) > most {
			return nil, fmt.Errorf("more than %d bytes", most)
		}
	}
	switch {
	case len(values) == 0 && p.absent != "":
		values = []string{p.absent}
	case len(values) == 0 && p.required:
		return nil, fmt.Errorf("missing; write %s such as %q", p.kind.noun(), p.example)
	case len(values) == 0:
		return nil, nil
	case p.kind == texts:
		return values, p.eachChosen(values)
	case len(values) > 1:
		return nil, errors.New("there is more than one: ask for each by itself")
	}
	v := values[0]
	got, err := p.value(v)
	if err != nil {
		return nil, fmt.Errorf("%q is not %s such as %q%s", v, p.kind.noun(), p.example, p.bounds())
	}
	return got, p.eachChosen(values)
}

func (p *param) value(v string) (any, error) {
	switch p.kind {
	case number:
		n, err := strconv.Atoi(v)
		return n, errors.Join(err, p.within(int64(n)))
	case duration:
		d, err := runtime.ParseDuration(v)
		return d, errors.Join(err, p.within(int64(d)))
	case moment:
		return firstOf(time.Parse(time.RFC3339Nano, v))
	case yes:
		if v != "true" && v != "false" {
			return nil, strconv.ErrSyntax
		}
		return v == "true", nil
	}
	return v, nil
}

func firstOf(t time.Time, err error) (any, error) { return t, err }

func (p *param) within(n int64) error {
	if n < p.min || p.max > 0 && n > p.max {
		return strconv.ErrRange
	}
	return nil
}

// bounds says in words what within checks.
func (p *param) bounds() string {
	say := func(n int64) string {
		if p.kind == duration {
			return time.Duration(n).String()
		}
		return strconv.FormatInt(n, 10)
	}
	switch {
	case p.max > 0:
		return fmt.Sprintf(", from %s to %s", say(p.min), say(p.max))
	case p.kind == number:
		return fmt.Sprintf(", of at least %s", say(p.min))
	}
	return ""
}

func (p *param) eachChosen(values []string) error {
	for _, v := range values {
		if len(p.choices) > 0 && !slices.Contains(p.choices, v) {
			return fmt.Errorf("%q is none of %s", v, strings.Join(p.choices, ", "))
		}
	}
	return nil
}

func (k kind) noun() string {
	switch k {
	case number:
		return "a whole number"
	case duration:
		return "a duration"
	case moment:
		return "a time"
	case yes:
		return "true or false,"
	}
	return "a text"
}
