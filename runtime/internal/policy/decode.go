package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A decoder reads JSON as json.Marshal writes it into plain data, in half the
// time and with one copy of each of the words that sets are full of. It is stricter
// than encoding/json: fields are known, named to the letter and there once.
type decoder struct {
	text  []byte
	at    int
	plans map[reflect.Type]structPlan
	words [1024]string // read of late, by hash: bounded, whatever the text
	seed  maphash.Seed
	list  []string // scratch
}

// structPlan tells where the fields of a struct are, by their names in JSON.
type structPlan map[string]structField

type structField struct {
	bit   uint64
	index []int
}

func newDecoder(text []byte) *decoder {
	return &decoder{text: text, plans: map[reflect.Type]structPlan{}, seed: maphash.MakeSeed()}
}

var errJSON = errors.New("it is not JSON of the form expected")

// wrong says where the text is not what it should be.
func (d *decoder) wrong() error { return fmt.Errorf("%w, at byte %d", errJSON, d.at) }

// next skips white space and returns the byte behind it, 0 at the end.
func (d *decoder) next() byte {
	for ; d.at < len(d.text); d.at++ {
		switch c := d.text[d.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take reads a byte, or a word, that must be next.
func (d *decoder) take(word string) bool {
	d.next()
	if len(d.text)-d.at < len(word) || string(d.text[d.at:d.at+len(word)]) != word {
		return false
	}
	d.at += len(word)
	return true
}

// end refuses what stands behind the value.
func (d *decoder) end() error {
	if d.next(); d.at < len(d.text) {
		return d.wrong()
	}
	return nil
}

// object calls member at the value of each member. key is valid until it returns.
func (d *decoder) object(member func(key []byte) error) error {
	if !d.take("{") {
		return d.wrong()
	}
	for first := true; !d.take("}"); first = false {
		if !first && !d.take(",") {
			return d.wrong()
		}
		key, err := d.raw()
		if err != nil {
			return err
		}
		if !d.take(":") {
			return d.wrong()
		}
		if err := member(key); err != nil {
			return err
		}
	}
	return nil
}

// array calls element at each element.
func (d *decoder) array(element func() error) error {
	if !d.take("[") {
		return d.wrong()
	}
	for first := true; !d.take("]"); first = false {
		if !first && !d.take(",") {
			return d.wrong()
		}
		if err := element(); err != nil {
			return err
		}
	}
	return nil
}

// raw reads a text. It is part of what is decoded where nothing in it is escaped.
func (d *decoder) raw() ([]byte, error) {
	if !d.take(`"`) {
		return nil, d.wrong()
	}
	begin, plain := d.at, true
	for ; d.at < len(d.text) && d.text[d.at] != '"'; d.at++ {
		if c := d.text[d.at]; c == '\\' {
			plain = false
			d.at++
		} else if c < ' ' || c >= utf8.RuneSelf {
			plain = false
		}
	}
	if d.at >= len(d.text) {
		return nil, d.wrong()
	}
	d.at++
	if plain {
		return d.text[begin : d.at-1], nil
	}
	var s string
	if err := json.Unmarshal(d.text[begin-1:d.at], &s); err != nil {
		return nil, err
	}
	return []byte(s), nil
}

// longestWord bounds the texts that are looked for among those read of late.
const longestWord = 40

// word returns b as a text, and the same one for the same b as far as it remembers.
func (d *decoder) word(b []byte) string {
	if len(b) > longestWord {
		return string(b)
	}
	place := &d.words[maphash.Bytes(d.seed, b)%uint64(len(d.words))]
	if *place != string(b) {
		*place = string(b)
	}
	return *place
}

func (d *decoder) string() (string, error) {
	b, err := d.raw()
	return d.word(b), err
}

// number reads the digits of a number.
func (d *decoder) number() (string, error) {
	d.next()
	begin, natural := d.at, true
	for d.at < len(d.text) && strings.IndexByte("+-.eE0123456789", d.text[d.at]) >= 0 {
		natural = natural && '0' <= d.text[d.at] && d.text[d.at] <= '9'
		d.at++
	}
	text := d.text[begin:d.at]
	natural = natural && len(text) > 0 && (text[0] != '0' || len(text) == 1)
	if !natural && !json.Valid(text) {
		return "", d.wrong()
	}
	return d.word(text), nil
}

// decode reads a value into v, which is zero. null leaves a list, a map or a pointer nil.
func (d *decoder) decode(v reflect.Value) error {
	switch kind := v.Kind(); kind {
	case reflect.String:
		s, err := d.string()
		v.SetString(s)
		return err
	case reflect.Bool:
		v.SetBool(d.next() == 't')
		if !d.take("true") && !d.take("false") {
			return d.wrong()
		}
		return nil
	case reflect.Int, reflect.Float64:
		return d.decodeNumber(v, kind)
	case reflect.Struct:
		return d.decodeStruct(v)
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		if d.take("null") {
			return nil
		}
	}
	switch v.Kind() {
	case reflect.Slice:
		return d.decodeSlice(v)
	case reflect.Map:
		return d.decodeMap(v)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return d.decode(v.Elem())
	case reflect.Interface:
		from := json.NewDecoder(bytes.NewReader(d.text[d.at:]))
		err := from.Decode(v.Addr().Interface())
		d.at += int(from.InputOffset())
		return err
	}
	return fmt.Errorf("there is no place for a %s in JSON", v.Type())
}

func (d *decoder) decodeNumber(v reflect.Value, kind reflect.Kind) error {
	text, err := d.number()
	if err != nil {
		return err
	}
	if kind == reflect.Float64 {
		f, err := strconv.ParseFloat(text, 64)
		v.SetFloat(f)
		return err
	}
	n, err := strconv.Atoi(text)
	v.SetInt(int64(n))
	return err
}

func (d *decoder) decodeStruct(v reflect.Value) error {
	plan := d.plan(v.Type())
	var seen uint64
	return d.object(func(key []byte) error {
		f, ok := plan[string(key)]
		if !ok {
			return fmt.Errorf("unknown field %q", key)
		}
		if seen&f.bit != 0 {
			return fmt.Errorf("field %q is there twice", key)
		}
		seen |= f.bit
		return d.decode(v.FieldByIndex(f.index))
	})
}

func (d *decoder) decodeSlice(v reflect.Value) error {
	if texts, ok := v.Addr().Interface().(*[]string); ok {
		d.list = d.list[:0]
		err := d.array(func() error {
			s, err := d.string()
			d.list = append(d.list, s)
			return err
		})
		*texts = append(make([]string, 0, len(d.list)), d.list...)
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	return d.array(func() error {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		return d.decode(v.Index(v.Len() - 1))
	})
}

func (d *decoder) decodeMap(v reflect.Value) error {
	v.Set(reflect.MakeMap(v.Type()))
	name, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	return d.object(func(key []byte) error {
		name.SetString(d.word(key))
		value.SetZero()
		if err := d.decode(value); err != nil {
			return err
		}
		v.SetMapIndex(name, value)
		return nil
	})
}

// plan returns where the fields of a struct are; those of embedded ones are its own.
func (d *decoder) plan(t reflect.Type) structPlan {
	p := d.plans[t]
	if p != nil {
		return p
	}
	p = structPlan{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" {
			continue
		}
		p[name] = structField{1 << len(p), slices.Clone(f.Index)}
	}
	d.plans[t] = p
	return p
}
