package engine

// words are the strings of series that go through transforms, each once, with a
// number that stays while somebody holds it. So a batch finds the strings of a
// series without hashing.
type words struct {
	byText map[string]uint32
	all    []word // by number
	free   []uint32
	round  uint32 // of the batch at hand
}

type word struct {
	text  string
	users int32
	round uint32 // in which it has a number in the batch,
	local uint32 // this one
}

// hold returns the number of a string, for a holder more.
func (t *words) hold(s string) uint32 {
	n, ok := t.byText[s]
	if !ok {
		if t.byText == nil {
			t.byText = map[string]uint32{}
		}
		if k := len(t.free); k > 0 {
			n, t.free = t.free[k-1], t.free[:k-1]
		} else {
			n = uint32(len(t.all))
			t.all = append(t.all, word{})
		}
		t.all[n] = word{text: s}
		t.byText[s] = n
	}
	t.all[n].users++
	return n
}

// leave undoes one hold.
func (t *words) leave(n uint32) {
	w := &t.all[n]
	if w.users--; w.users == 0 {
		delete(t.byText, w.text)
		*w = word{}
		t.free = append(t.free, n)
	}
}

// begin starts a batch, in which no string has a number.
func (t *words) begin() {
	if t.round++; t.round == 0 { // it has gone round
		for i := range t.all {
			t.all[i].round = 0
		}
		t.round = 1
	}
}

// in returns the number of a string in a batch, entering it when it is new there.
func (t *words) in(b *Batch, n uint32) uint32 {
	w := &t.all[n]
	if w.round != t.round {
		w.round, w.local = t.round, uint32(len(b.Strings))
		b.Strings = append(b.Strings, w.text)
	}
	return w.local
}

// is reports whether string n has the number local in the batch at hand.
func (t *words) is(n, local uint32) bool {
	w := &t.all[n]
	return w.round == t.round && w.local == local
}

// phrase is a series as a transform is given it.
type phrase struct {
	name   uint32
	labels []pairOfWords
}

type pairOfWords struct{ name, value uint32 }
