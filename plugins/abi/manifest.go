package abi

// Manifest is what a plugin says about itself, as JSON in the section
// ManifestSection. It is read without running anything.
type Manifest struct {
	Name    string `json:"name"`    // lower case, digits and dashes, up to 64
	Version string `json:"version"` // semantic version
	ABI     string `json:"abi"`     // "1.0"
	Summary string `json:"summary,omitempty"`
	License string `json:"license,omitempty"`
	Source  string `json:"source,omitempty"` // where its code is
	SDK     string `json:"sdk,omitempty"`    // what it was built with

	Scope   Scope    `json:"scope"`
	Config  string   `json:"config,omitempty"` // CUE: fields of a struct, which the config of a policy must satisfy
	Needs   Needs    `json:"needs"`
	Writes  Writes   `json:"writes"`
	Limits  Limits   `json:"limits"`
	Metrics []string `json:"metrics,omitempty"` // counters of its own, in the order of their numbers
}

// Scope says what a plugin is called for.
type Scope string

// The scopes.
const (
	SeriesScope Scope = "series" // name and labels, once per series: a pure function of them
	SampleScope Scope = "sample" // every sample, in batches
)

// Needs is what a plugin reads. Nothing else reaches it.
type Needs struct {
	Labels []string `json:"labels,omitempty"` // names; "*": all
	Names  []string `json:"names,omitempty"`  // globs of series names; none: all
}

// Writes is what a plugin may change; the host enforces it.
type Writes struct {
	Labels []string `json:"labels,omitempty"` // names that it sets or takes away; "*": all
	Value  bool     `json:"value,omitempty"`
	Name   bool     `json:"name,omitempty"`
	Drop   bool     `json:"drop,omitempty"`
	Emit   bool     `json:"emit,omitempty"` // records beside those it was given; scope sample only
}

// Limits are what a plugin asks for; a policy may allow less. 0: the default.
type Limits struct {
	Pages int `json:"pages,omitempty"` // of 64 KiB
}
