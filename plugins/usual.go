package plugins

import (
	"math/bits"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// usual takes rows from k on as most guests leave them: all labels where they were,
// some of them other ones, another name or value. It returns the first row of another
// kind, or that must not be as it is: that one is judged by the rules in full, which
// find the same good and know what is wrong. Only what differs from the batch is
// looked at, which was good.
func (x *exchange) usual(k int) int {
	now, was := rawOf(x.back.records), rawOf(x.batch.Records)
	pairs, sent := words(x.back.pairs), words(x.batch.Pairs)
	if k >= len(now) || len(was) < len(now) || len(sent) != len(pairs) {
		return k
	}
	first, from := k, was[k].first()
	at := from
	for ; k < len(now); k++ {
		n, o := &now[k], &was[k]
		end := at + o.labels()
		if n.time != o.time || n.shape != o.shape&unflagged|uint64(k)<<32 || n.first() != at || o.first() != at || end > uint64(len(pairs)) || o.labels() > maxUsual {
			break
		}
		if n.value != o.value && !x.mayValue(o) || n.name() != o.name() && !x.mayName(n.name()) {
			break
		}
		if !x.usualLabels(pairs[at:end], sent[at:end]) {
			break
		}
		at = end
	}
	x.aside(first, k, from, at)
	return k
}

// maxUsual is the most labels of a row that is usual: they are told apart by the bits of
// a word.
const maxUsual = 64

// unflagged is what of the last word of a row is as it came: neither flags nor source.
const unflagged = 1<<24 - 1

// mayValue tells whether the value of a record may be changed as any number may.
func (x *exchange) mayValue(of *raw) bool { return x.writes.Value && of.kind() != abi.Text }

// mayName tells whether a record may be given the name that has a number of the guest's.
func (x *exchange) mayName(id uint32) bool {
	return x.writes.Name && uint64(id) < uint64(len(x.ids)) && x.batch.Strings[x.ids[id]] != ""
}

// usualLabels tells whether labels may be as they are.
func (x *exchange) usualLabels(now, was []uint64) bool {
	var renamed uint64
	was = was[:len(now)]
	for i, w := range now {
		old := was[i]
		if w == old {
			continue
		}
		key, value, from := uint32(w), uint32(w>>32), uint32(old)
		if uint64(max(key, value)) >= uint64(len(x.ids)) {
			return false
		}
		if key = x.ids[key]; key != from {
			renamed |= 1 << i
		}
		if !x.known(from, writtenKey) || !x.known(key, writtenKey|wellFormed) {
			if !x.mayRename(from, key) {
				return false
			}
		}
	}
	return renamed == 0 || x.apart(now, renamed)
}

// mayRename tells whether a label of one name may be given another, or another value.
func (x *exchange) mayRename(from, to uint32) bool {
	strings := x.batch.Strings
	return x.label(from, strings[from]) && x.label(to, strings[to]) && (from == to || x.grammar(to, strings[to]))
}

// apart tells whether no label has the name of one of those that were renamed.
func (x *exchange) apart(labels []uint64, renamed uint64) bool {
	for ; renamed != 0; renamed &= renamed - 1 {
		i := bits.TrailingZeros64(renamed)
		key := x.ids[uint32(labels[i])]
		if int(key) >= x.host && renamed&(renamed-1) == 0 {
			return true // no record came with this name, and the other renamed ones are not it
		}
		for j, w := range labels {
			if x.ids[uint32(w)] == key && j != i {
				return false
			}
		}
	}
	return true
}

// aside puts rows from first to k aside, whose labels are those from from to to, in the
// batch's numbers.
func (x *exchange) aside(first, k int, from, to uint64) {
	v := &x.back
	at, pairsAt := len(v.out), len(v.outPairs)
	v.out, v.outPairs = append(v.out, v.records[first:k]...), append(v.outPairs, v.pairs[from:to]...)
	records, pairs := v.out[at:], v.outPairs[pairsAt:]
	if moved := uint32(pairsAt) - uint32(from); moved != 0 {
		for i := range records {
			records[i].First += moved
		}
	}
	if !x.renumbered {
		return
	}
	for i := range records {
		records[i].Name = x.ids[records[i].Name]
	}
	for i := range pairs {
		pairs[i] = abi.Pair{Key: x.ids[pairs[i].Key], Value: x.ids[pairs[i].Value]}
	}
}
