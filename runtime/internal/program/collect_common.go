package program

import "reflect"

// CommonCollect returns the document for reporters whose series one of two programs
// governs, they cannot know which: what both documents say, in their order, up to
// where they differ. From there on a reporter sends everything, with all labels.
// The documents must be of the whole set, or of the same task.
func CommonCollect(a, b *Collect) *Collect {
	c := &Collect{Version: collectVersion, Rules: []CollectRule{}, Labels: []CollectLabels{}}
	all := []CollectRule{{Do: CollectSend}}
	if !reflect.DeepEqual(a.Tasks, b.Tasks) {
		c.Rules = all
		return c
	}
	c.Tasks = a.Tasks
	n := 0
	for n < min(len(a.Rules), len(b.Rules)) && reflect.DeepEqual(a.Rules[n], b.Rules[n]) {
		n++
	}
	c.Rules = append(c.Rules, a.Rules[:n]...)
	if n < max(len(a.Rules), len(b.Rules)) {
		c.Rules = append(c.Rules, all...)
	}
	for i := range a.Labels {
		for j := range b.Labels {
			if reflect.DeepEqual(a.Labels[i], b.Labels[j]) {
				c.Labels = append(c.Labels, a.Labels[i])
				break
			}
		}
	}
	return c
}
