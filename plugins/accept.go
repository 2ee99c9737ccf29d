package plugins

import (
	"math"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// accept judges one record r against row k that was sent, of which it was made:
// numbers, ranges, and that only such things differ as the manifest lists. It turns
// the record, which has been put aside, into the batch's numbers.
func (x *exchange) accept(r *abi.Record, k int) *Error {
	b, v, row := x.batch, &x.back, x.row(k)
	old := &b.Records[row]
	total := uint64(len(x.ids))
	if r.Time != old.Time || r.Kind != old.Kind {
		return faultAt(abi.Capability, row, "its time or kind was changed, which no plugin may")
	}
	if uint64(r.Name) >= total {
		return faultAt(abi.BadOutput, row, "its name is string %d of %d", r.Name, total)
	}
	if r.Kind == abi.Text {
		if textOf(r) >= total {
			return faultAt(abi.BadOutput, row, "its text is string %d of %d", textOf(r), total)
		}
		r.Value = text(x.ids[textOf(r)])
	}
	if !x.writes.Value && math.Float64bits(r.Value) != math.Float64bits(old.Value) {
		return faultAt(abi.Capability, row, "its value was changed; the manifest does not say writes.value")
	}
	r.Name = x.ids[r.Name]
	if r.Name != old.Name {
		if !x.writes.Name {
			return faultAt(abi.Capability, row, "its name was changed; the manifest does not say writes.name")
		}
		if b.Strings[r.Name] == "" {
			return faultAt(abi.BadOutput, row, "its name is empty")
		}
	}
	first := len(v.outPairs)
	if err := x.relabel(r, k); err != nil {
		return err
	}
	r.First, r.Labels, r.Source, r.Flags = uint32(first), uint16(len(v.outPairs)-first), uint32(row), 0
	return nil
}

// relabel appends the labels of r to those that are put aside: as the guest left
// them, and those of row k that it was not shown.
func (x *exchange) relabel(r *abi.Record, k int) *Error {
	v, row := &x.back, x.row(k)
	if all := len(v.pairs) + len(v.spare); uint64(r.First)+uint64(r.Labels) > uint64(all) {
		return faultAt(abi.BadOutput, row, "its labels are %d from %d of %d", r.Labels, r.First, all)
	}
	if int(r.Labels) > x.limits.Labels {
		return faultAt(abi.Expansion, row, "%d labels; a record has at most %d", r.Labels, x.limits.Labels)
	}
	old, from := x.labels(k), len(v.outPairs)
	v.gather(int(r.First), int(r.First)+int(r.Labels))
	now := v.outPairs[from:]
	same, err := x.renumber(old, now, row)
	switch {
	case err != nil:
		return err
	case same && x.narrowed:
		v.outPairs = append(v.outPairs[:from], x.batch.Labels(&x.batch.Records[row])...)
		return nil
	case same || !x.narrowed && len(old) == len(now) && x.patched(old, now):
		return nil
	}
	if err := x.differ(old, now, row); err != nil {
		return err
	}
	if x.narrowed {
		x.restore(row)
	}
	return x.fits(from, row)
}

// gather puts the guest's labels of some positions aside: edited ones, new ones, or
// the last of those and the first of these.
func (v *result) gather(from, to int) {
	n := len(v.pairs)
	if from < n {
		v.outPairs = append(v.outPairs, v.pairs[from:min(to, n)]...)
	}
	if to > n {
		v.outPairs = append(v.outPairs, v.spare[max(from-n, 0):to-n]...)
	}
}

// renumber turns the guest's numbers into the batch's, and tells whether the labels
// are those that were sent.
func (x *exchange) renumber(old, now []abi.Pair, row int) (same bool, err *Error) {
	ids, alike := x.ids, !x.narrowed // both number a string alike that was sent
	same = len(old) == len(now)
	x.back.changed = x.back.changed[:0]
	for i := range now {
		p := &now[i]
		if alike && i < len(old) && *p == old[i] {
			continue
		}
		if uint64(p.Key) >= uint64(len(ids)) || uint64(p.Value) >= uint64(len(ids)) {
			return false, faultAt(abi.BadOutput, row, "a label is the strings %d and %d of %d", p.Key, p.Value, len(ids))
		}
		p.Key, p.Value = ids[p.Key], ids[p.Value]
		if i >= len(old) || *p != old[i] {
			same = false
			x.back.changed = append(x.back.changed, i)
		}
	}
	return same, nil
}

// patched tells whether labels differ only in place and as they may: the usual case,
// decided without a look at the labels that are as they were. What it does not
// accept may still be good.
func (x *exchange) patched(old, now []abi.Pair) bool {
	strings := x.batch.Strings
	for _, i := range x.back.changed {
		key, was := now[i].Key, old[i].Key
		if !x.label(key, strings[key]) {
			return false
		}
		if key == was {
			continue
		}
		if !x.label(was, strings[was]) || !x.grammar(key, strings[key]) {
			return false
		}
		for j := range now {
			if j != i && now[j].Key == key {
				return false
			}
		}
	}
	return true
}

// differ compares the labels of a record with those it had, and leaves stamps of
// both: each name once, new names well-formed, changed ones listed in the manifest.
func (x *exchange) differ(old, now []abi.Pair, row int) *Error {
	b, v := x.batch, &x.back
	v.turn++
	if v.turn == 0 {
		clear(v.stamps)
		v.turn = 1
	}
	for _, p := range old {
		v.stamps[p.Key].had, v.stamps[p.Key].value = v.turn, p.Value
	}
	for _, p := range now {
		s := &v.stamps[p.Key]
		if s.has == v.turn {
			return faultAt(abi.BadOutput, row, "it has the label %q twice", b.Strings[p.Key])
		}
		s.has = v.turn
		if s.had == v.turn && s.value == p.Value {
			continue
		}
		if s.had != v.turn && !x.grammar(p.Key, b.Strings[p.Key]) {
			return faultAt(abi.BadOutput, row, "%.64q is not the name of a label", b.Strings[p.Key])
		}
		if !x.label(p.Key, b.Strings[p.Key]) {
			return faultAt(abi.Capability, row, "it was given another %q; the manifest does not list that under writes.labels", b.Strings[p.Key])
		}
	}
	for _, p := range old {
		if v.stamps[p.Key].has != v.turn && !x.label(p.Key, b.Strings[p.Key]) {
			return faultAt(abi.Capability, row, "it has lost %q; the manifest does not list that under writes.labels", b.Strings[p.Key])
		}
	}
	return nil
}

// restore appends the labels of a row that the plugin did not see and did not set.
func (x *exchange) restore(row int) {
	b, v := x.batch, &x.back
	for _, p := range b.Labels(&b.Records[row]) {
		if !x.key(p.Key, b.Strings[p.Key]) && v.stamps[p.Key].has != v.turn {
			v.outPairs = append(v.outPairs, p)
		}
	}
}

func (x *exchange) fits(from, row int) *Error {
	if n := len(x.back.outPairs) - from; n > x.limits.Labels {
		return faultAt(abi.Expansion, row, "%d labels with those that the plugin does not see; a record has at most %d", n, x.limits.Labels)
	}
	return nil
}
