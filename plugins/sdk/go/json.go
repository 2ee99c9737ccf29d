package sluice

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is what a JSON value is.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// value is a JSON value. encoding/json would be most of a module.
type value struct {
	kind   kind
	number float64 // 1 for true
	text   string
	names  []string // of an object's fields
	items  []value
}

// field returns the field of an object.
func (v *value) field(name string) *value {
	for i := len(v.names) - 1; i >= 0; i-- {
		if v.names[i] == name {
			return &v.items[i]
		}
	}
	return nil
}

// maxNesting is how deep a config may nest.
const maxNesting = 100

type decoder struct {
	in string
	at int
}

var (
	errEnd     = errors.New("ends too early")
	errNesting = errors.New("nests too deep")
)

// decode reads one JSON value.
func decode(in string) (value, error) {
	d := &decoder{in: in}
	v, err := d.value(0)
	if err == nil {
		if d.space(); d.at < len(in) {
			err = d.wrong()
		}
	}
	return v, err
}

func (d *decoder) wrong() error {
	if d.at >= len(d.in) {
		return errEnd
	}
	return errors.New("is not JSON at byte " + strconv.Itoa(d.at))
}

func (d *decoder) space() {
	for d.at < len(d.in) && strings.IndexByte(" \t\r\n", d.in[d.at]) >= 0 {
		d.at++
	}
}

// take takes the next byte when it is c, behind white space.
func (d *decoder) take(c byte) bool {
	d.space()
	if d.at < len(d.in) && d.in[d.at] == c {
		d.at++
		return true
	}
	return false
}

func (d *decoder) value(depth int) (v value, err error) {
	if depth > maxNesting {
		return v, errNesting
	}
	if d.space(); d.at >= len(d.in) {
		return v, errEnd
	}
	switch c := d.in[d.at]; c {
	case '{', '[':
		d.at++
		return d.items(c, depth)
	case '"':
		d.at++
		v.kind = text
		v.text, err = d.string()
		return v, err
	case 't':
		return value{kind: boolean, number: 1}, d.word("true")
	case 'f':
		return value{kind: boolean}, d.word("false")
	case 'n':
		return value{}, d.word("null")
	}
	return d.number()
}

func (d *decoder) word(w string) error {
	if !strings.HasPrefix(d.in[d.at:], w) {
		return d.wrong()
	}
	d.at += len(w)
	return nil
}

// items reads what is in an object or a list, behind its opening.
func (d *decoder) items(open byte, depth int) (value, error) {
	v, end := value{kind: list}, byte(']')
	if open == '{' {
		v, end = value{kind: object}, '}'
	}
	if d.take(end) {
		return v, nil
	}
	for {
		if v.kind == object {
			if !d.take('"') {
				return v, d.wrong()
			}
			name, err := d.string()
			if err != nil {
				return v, err
			}
			if !d.take(':') {
				return v, d.wrong()
			}
			v.names = append(v.names, name)
		}
		item, err := d.value(depth + 1)
		if err != nil {
			return v, err
		}
		v.items = append(v.items, item)
		if d.take(end) {
			return v, nil
		}
		if !d.take(',') {
			return v, d.wrong()
		}
	}
}

// number reads a number; which forms JSON has, it checks, since ParseFloat has more.
func (d *decoder) number() (value, error) {
	start := d.at
	digits := func() bool {
		from := d.at
		for d.at < len(d.in) && '0' <= d.in[d.at] && d.in[d.at] <= '9' {
			d.at++
		}
		return d.at > from
	}
	is := func(set string) bool {
		if d.at < len(d.in) && strings.IndexByte(set, d.in[d.at]) >= 0 {
			d.at++
			return true
		}
		return false
	}
	is("-")
	if !is("0") && !digits() || is(".") && !digits() {
		return value{}, d.wrong()
	}
	if is("eE") {
		is("+-")
		if !digits() {
			return value{}, d.wrong()
		}
	}
	f, err := strconv.ParseFloat(d.in[start:d.at], 64)
	if err != nil {
		return value{}, errors.New(d.in[start:d.at] + " is out of range")
	}
	return value{kind: number, number: f}, nil
}

// string reads a string, behind its opening quote.
func (d *decoder) string() (string, error) {
	start := d.at
	var b []byte
	for d.at < len(d.in) {
		c := d.in[d.at]
		switch {
		case c == '"':
			s := d.in[start:d.at]
			d.at++
			if b == nil {
				return s, nil
			}
			return string(append(b, s...)), nil
		case c < ' ':
			return "", d.wrong()
		case c == '\\':
			b = append(b, d.in[start:d.at]...)
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
			start = d.at
		default:
			d.at++
		}
	}
	return "", errEnd
}

// escape reads an escape, at its backslash. Half a surrogate pair is U+FFFD.
func (d *decoder) escape() (rune, error) {
	if d.at+1 >= len(d.in) {
		return 0, errEnd
	}
	c := d.in[d.at+1]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		d.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := d.unicode()
	if !ok {
		return 0, d.wrong()
	}
	d.at += 6
	if utf16.IsSurrogate(r) {
		if second, ok := d.unicode(); ok {
			if both := utf16.DecodeRune(r, second); both != utf8.RuneError {
				d.at += 6
				return both, nil
			}
		}
		return utf8.RuneError, nil
	}
	return r, nil
}

// unicode returns the number of an escape of six bytes that begins here.
func (d *decoder) unicode() (rune, bool) {
	if d.at+6 > len(d.in) || d.in[d.at:d.at+2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(d.in[d.at+2:d.at+6], 16, 16)
	return rune(n), err == nil
}
