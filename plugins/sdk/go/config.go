package sluice

import "strconv"

// Config is the config of a use of the plugin, or an object in it. Sluice has checked
// it against the schema of the manifest before. A field that is asked for and is
// missing or of another kind makes the config refused, and the answer a zero value:
// so a setup reads what it needs, and need not look for errors.
type Config struct {
	p     *Plugin
	value value
	path  string
	fault *string // the first
}

// Refuse says that the config is not one the plugin can work with. The first reason
// counts.
func (c *Config) Refuse(reason string) {
	if *c.fault != "" {
		return
	}
	*c.fault = "config: " + reason
	if c.path != "" {
		*c.fault = "config: " + c.path + ": " + reason
	}
}

// Has reports whether a field is there and not null.
func (c *Config) Has(name string) bool {
	v := c.value.field(name)
	return v != nil && v.kind != null
}

// Names returns the names of the fields, as written.
func (c *Config) Names() []string { return c.value.names }

// String returns a field that is a string.
func (c *Config) String(name string) string { return c.get(name, text).text }

// Number returns a field that is a number.
func (c *Config) Number(name string) float64 { return c.get(name, number).number }

// Bool returns a field that is a boolean.
func (c *Config) Bool(name string) bool { return c.get(name, boolean).number != 0 }

// Strings returns a field that is a list of strings.
func (c *Config) Strings(name string) (out []string) {
	for i, v := range c.get(name, list).items {
		out = append(out, c.at(name+"["+strconv.Itoa(i)+"]", v).is(text).text)
	}
	return out
}

// Table returns a field that is an object of strings.
func (c *Config) Table(name string) map[string]string {
	v := c.get(name, object)
	out := make(map[string]string, len(v.items))
	for i, item := range v.items {
		out[v.names[i]] = c.at(name+"."+v.names[i], item).is(text).text
	}
	return out
}

// Object returns a field that is an object.
func (c *Config) Object(name string) *Config { return c.at(name, *c.get(name, object)) }

// Objects returns a field that is a list of objects.
func (c *Config) Objects(name string) (out []*Config) {
	for i, v := range c.get(name, list).items {
		o := c.at(name+"["+strconv.Itoa(i)+"]", v)
		o.is(object)
		out = append(out, o)
	}
	return out
}

// Counter returns the counter that has a place in the list metrics of the manifest,
// the first being 0.
func (c *Config) Counter(place int) *Counter {
	n := &Counter{metric: int32(place)}
	c.p.counters = append(c.p.counters, n)
	return n
}

// Log writes a line to Sluice's log.
func (c *Config) Log(level Level, text string) { c.p.host.log(level, text) }

func (c *Config) at(name string, v value) *Config {
	if c.path != "" {
		name = c.path + "." + name
	}
	return &Config{p: c.p, value: v, path: name, fault: c.fault}
}

func (c *Config) get(name string, k kind) *value {
	v := c.value.field(name)
	if v == nil {
		c.at(name, value{}).Refuse("is missing")
		return &value{}
	}
	return c.at(name, *v).is(k)
}

func (c *Config) is(k kind) *value {
	if c.value.kind != k {
		c.Refuse("is " + c.value.kind.String() + ", must be " + k.String())
		return &value{}
	}
	return &c.value
}
