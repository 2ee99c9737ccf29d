// Command quickstart-go is the first plugin of the page plugins/sdk/go: it gives a
// label another name, and scales values.
package main

import sluice "github.com/sluice-metrics/sluice/plugins/sdk/go"

var plugin = sluice.Register(func(c *sluice.Config) sluice.Transform {
	from, to := sluice.NewKey(c.String("from")), sluice.NewKey(c.String("to"))
	factor := c.Number("factor")
	return sluice.Each(func(r *sluice.Record) {
		r.Rename(from, to)
		r.SetValue(r.Value() * factor)
	})
})

func main() {}
