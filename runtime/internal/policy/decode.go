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
	room  []string // what lists are cut from: there are tens of thousands, of a word or two
}

// structPlan tells where the fields of a struct are, in the order in which they are written.
type structPlan []structField

type structField struct {
	name  string // in JSON
	index []int
}

func newDecoder(text []byte) *decoder {
	return &decoder{text: text, plans: map[reflect.Type]structPlan{}, seed: maphash.MakeSeed()}
}

// decodeText reads one JSON value, as json.Marshal writes it, into what is zero.
func decodeText(text []byte, into any) error {
	d := newDecoder(text)
	if err := d.decode(reflect.ValueOf(into).Elem()); err != nil {
		return err
	}
	return d.end()
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

// take reads a byte that must be next.
func (d *decoder) take(c byte) bool {
	if d.next() != c {
		return false
	}
	d.at++
	return true
}

// takeWord reads a word that must be next.
func (d *decoder) takeWord(word string) bool {
	d.next()
	if !bytes.HasPrefix(d.text[d.at:], []byte(word)) {
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
	if !d.take('{') {
		return d.wrong()
	}
	for first := true; !d.take('}'); first = false {
		if !first && !d.take(',') {
			return d.wrong()
		}
		key, err := d.raw()
		if err != nil {
			return err
		}
		if !d.take(':') {
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
	if !d.take('[') {
		return d.wrong()
	}
	for first := true; !d.take(']'); first = false {
		if !first && !d.take(',') {
			return d.wrong()
		}
		if err := element(); err != nil {
			return err
		}
	}
	return nil
}

// special are the bytes at which a text ends, or is not what it stands for: the quote, the
// backslash, control characters, and all beyond ASCII.
var special = func() (is [256]bool) {
	for c := range is {
		is[c] = c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return is
}()

// raw reads a text. It is part of what is decoded where nothing in it is escaped.
func (d *decoder) raw() ([]byte, error) {
	if !d.take('"') {
		return nil, d.wrong()
	}
	begin, text := d.at, d.text
	for d.at < len(text) && !special[text[d.at]] {
		d.at++
	}
	if d.at < len(text) && text[d.at] == '"' {
		d.at++
		return text[begin : d.at-1], nil
	}
	for ; d.at < len(text) && text[d.at] != '"'; d.at++ {
		if text[d.at] == '\\' {
			d.at++
		}
	}
	if d.at >= len(text) {
		return nil, d.wrong()
	}
	d.at++
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
		if !d.takeWord("true") && !d.takeWord("false") {
			return d.wrong()
		}
		return nil
	case reflect.Int, reflect.Float64:
		return d.decodeNumber(v, kind)
	case reflect.Struct:
		return d.decodeStruct(v)
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		if d.takeWord("null") {
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
	plan, next := d.plan(v.Type()), 0
	var seen uint64
	return d.object(func(key []byte) error {
		i := plan.find(key, next)
		if i < 0 {
			return fmt.Errorf("unknown field %q", key)
		}
		if seen&(1<<i) != 0 {
			return fmt.Errorf("field %q is there twice", key)
		}
		next, seen = i+1, seen|1<<i
		return d.decode(v.FieldByIndex(plan[i].index))
	})
}

// find returns the place of a field, -1 for none. Most often it is the next one, or
// not far behind it.
func (p structPlan) find(name []byte, next int) int {
	for i := range p {
		if i += next; i >= len(p) {
			i -= len(p)
		}
		if p[i].name == string(name) {
			return i
		}
	}
	return -1
}

func (d *decoder) decodeSlice(v reflect.Value) error {
	if list, ok := v.Addr().Interface().(*[]string); ok {
		var err error
		*list, err = d.strings()
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	return d.array(func() error {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		return d.decode(v.Index(v.Len() - 1))
	})
}

// roomSize is how many texts are made at once for lists to be cut from: not quite a
// power of two, since what the allocator adds must fit, too.
const roomSize = 500

func (d *decoder) strings() ([]string, error) {
	d.list = d.list[:0]
	err := d.array(func() error {
		s, err := d.string()
		d.list = append(d.list, s)
		return err
	})
	if cap(d.room)-len(d.room) < len(d.list) {
		d.room = make([]string, 0, max(roomSize, len(d.list)))
	}
	begin := len(d.room)
	d.room = append(d.room, d.list...)
	return d.room[begin:len(d.room):len(d.room)], err
}

// texts reads the maps that rules have most of, without reflection.
func texts[T any](d *decoder, into *map[string]T, value func() (T, error)) error {
	out := map[string]T{}
	*into = out
	return d.object(func(key []byte) error {
		name := d.word(key)
		v, err := value()
		out[name] = v
		return err
	})
}

func (d *decoder) decodeMap(v reflect.Value) error {
	switch m := v.Addr().Interface().(type) {
	case *map[string]string:
		return texts(d, m, d.string)
	case *map[string][]string:
		return texts(d, m, func() ([]string, error) {
			if d.takeWord("null") {
				return nil, nil
			}
			return d.strings()
		})
	}
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
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" {
			continue
		}
		p = append(p, structField{name, slices.Clone(f.Index)})
	}
	d.plans[t] = p
	return p
}
