package record

import (
	"strconv"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// SourceLabels returns the labels that the series of a record have in common: the
// object labels, as View.Labels holds it, and the task, as View.Task does. A label
// that the record spells out wins over the field of the same meaning. The error is
// an *Error; it says that labels is no object of strings.
func SourceLabels(labels, task []byte) (metric.Labels, error) {
	l, err := AppendLabels(nil, labels)
	if err != nil {
		return nil, err
	}
	if _, ok := l.Lookup(metric.TaskLabel); !ok {
		l = l.Set(metric.TaskLabel, Unquote(task))
	}
	return l, nil
}

// PointLabels returns all labels of the series of a point: the common ones, which
// it does not change, the numbers of the point and its own labels, as Point.Labels
// holds them. None is empty. The error is that of SourceLabels.
func PointLabels(common metric.Labels, subtask, attempt int32, own []byte) (metric.Labels, error) {
	l := make(metric.Labels, len(common), len(common)+2)
	copy(l, common)
	l = setNumber(l, metric.SubtaskLabel, subtask)
	l = setNumber(l, metric.AttemptLabel, attempt)
	if len(own) == 0 {
		return l.Compact(), nil
	}
	more, err := AppendLabels(nil, own)
	if err != nil {
		return nil, err
	}
	for _, x := range more {
		l = l.Set(x.Name, x.Value)
	}
	return l.Compact(), nil
}

func setNumber(l metric.Labels, name string, n int32) metric.Labels {
	if _, ok := l.Lookup(name); ok || n < 0 {
		return l
	}
	return l.Set(name, strconv.Itoa(int(n)))
}
