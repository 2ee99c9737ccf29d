package plugins

import (
	"math"
	"math/bits"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// usual takes rows from k on as most guests leave them: all labels where they were,
// some of them other ones, another name or value. It returns the first row of another
// kind, or that must not be as it is: that one is judged by the rules in full, which
// find the same good and know what is wrong. Only what differs from the batch is
// looked at, which was good.
func (x *exchange) usual(k int) int {
	b, v := x.batch, &x.back
	made, at := len(v.out)-k, len(v.outPairs)
	out, pairs := v.out[:cap(v.out)], v.outPairs[:cap(v.outPairs)]
	rows := v.records[:min(len(v.records), len(out)-made)]
	for ; k < len(rows); k++ {
		old, r := &b.Records[k], &out[made+k]
		*r = rows[k]
		n := int(r.Labels)
		if r.Flags != 0 || r.First != old.First || r.Labels != old.Labels || n > min(maxUsual, len(pairs)-at) || r.Time != old.Time || r.Kind != old.Kind {
			break
		}
		if now, was := math.Float64bits(r.Value), math.Float64bits(old.Value); now != was && (r.Kind == abi.Text || !x.writes.Value) {
			break
		}
		if r.Name != old.Name && !x.usualName(r) {
			break
		}
		if !x.usualLabels(v.pairs[r.First:][:n], b.Pairs[r.First:][:n], pairs[at:][:n]) {
			break
		}
		r.First, r.Source = uint32(at), uint32(k)
		at += n
	}
	v.out, v.outPairs = out[:made+k], pairs[:at]
	return k
}

// maxUsual is the most labels of a row that is usual: they are told apart by the bits of
// a word.
const maxUsual = 64

// usualName turns the name of a record into the batch's number, when it may be changed
// to that.
func (x *exchange) usualName(r *abi.Record) bool {
	if !x.writes.Name || uint64(r.Name) >= uint64(len(x.ids)) {
		return false
	}
	r.Name = x.ids[r.Name]
	return x.batch.Strings[r.Name] != ""
}

// usualLabels puts labels aside, in the batch's numbers, when all may be as they are.
func (x *exchange) usualLabels(now, was, to []abi.Pair) bool {
	var renamed uint64
	from, before, after := words(now), words(was)[:len(now)], words(to)[:len(now)]
	for i, w := range from {
		if after[i] = w; w == before[i] {
			continue
		}
		p := &to[i]
		if uint64(p.Key) >= uint64(len(x.ids)) || uint64(p.Value) >= uint64(len(x.ids)) {
			return false
		}
		p.Key, p.Value = x.ids[p.Key], x.ids[p.Value]
		key := was[i].Key
		if p.Key != key {
			renamed |= 1 << i
		}
		if !x.known(key, writtenKey) || !x.known(p.Key, writtenKey|wellFormed) {
			if !x.mayRename(key, p.Key) {
				return false
			}
		}
	}
	return renamed == 0 || x.apart(to, renamed)
}

// mayRename tells whether a label of one name may be given another, or another value.
func (x *exchange) mayRename(from, to uint32) bool {
	strings := x.batch.Strings
	return x.label(from, strings[from]) && x.label(to, strings[to]) && (from == to || x.grammar(to, strings[to]))
}

// apart tells whether no label has the name of one of those that were renamed.
func (x *exchange) apart(labels []abi.Pair, renamed uint64) bool {
	for ; renamed != 0; renamed &= renamed - 1 {
		i := bits.TrailingZeros64(renamed)
		key := labels[i].Key
		if int(key) >= x.host && renamed&(renamed-1) == 0 {
			return true // no record came with this name, and the other renamed ones are not it
		}
		for j := range labels {
			if labels[j].Key == key && j != i {
				return false
			}
		}
	}
	return true
}
