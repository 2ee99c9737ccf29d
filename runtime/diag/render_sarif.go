package diag

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"
)

// The part of SARIF 2.1.0 that is written: one run, its rules, its results.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               Code           `json:"id"`
		ShortDescription sarifText      `json:"shortDescription"`
		FullDescription  sarifText      `json:"fullDescription"`
		Help             sarifMultiText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifMultiText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifResult struct {
		RuleID           Code            `json:"ruleId"`
		RuleIndex        *int            `json:"ruleIndex,omitempty"`
		Level            string          `json:"level"`
		Message          sarifText       `json:"message"`
		Locations        []sarifLocation `json:"locations,omitempty"`
		RelatedLocations []sarifLocation `json:"relatedLocations,omitempty"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPhysical  `json:"physicalLocation"`
		LogicalLocations []sarifLogical `json:"logicalLocations,omitempty"`
		Message          *sarifText     `json:"message,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
)

// homePage is where people read about the program.
const homePage = "https://github.com/sluice-metrics/sluice"

// sarif writes ds as a SARIF log. Its rules are the help of the codes that occur.
func sarif(b *bytes.Buffer, ds []Diagnostic, how Output) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "sluice", Version: how.Version, InformationURI: homePage, Rules: sarifRules(ds)}
	for _, d := range ds {
		r := sarifResult{RuleID: d.Code, Level: d.Severity.String(), Message: sarifText{printable(advice(d, ": "))}}
		if i := slices.IndexFunc(run.Tool.Driver.Rules, func(r sarifRule) bool { return r.ID == d.Code }); i >= 0 {
			r.RuleIndex = &i
		}
		if d.Pos.File != "" {
			at := sarifLocation{PhysicalLocation: how.physical(d.Pos)}
			if d.Path != "" {
				at.LogicalLocations = []sarifLogical{{d.Path}}
			}
			r.Locations = append(r.Locations, at)
		}
		for _, n := range d.Notes {
			if n.Pos.File != "" {
				r.RelatedLocations = append(r.RelatedLocations, sarifLocation{
					PhysicalLocation: how.physical(n.Pos), Message: &sarifText{printable(n.Message)},
				})
			}
		}
		run.Results = append(run.Results, r)
	}
	enc := json.NewEncoder(b)
	enc.SetIndent("", " ")
	return enc.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifRules(ds []Diagnostic) []sarifRule {
	out := []sarifRule{}
	for _, h := range Codes() {
		if !slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Code == h.Code }) {
			continue
		}
		out = append(out, sarifRule{
			ID: h.Code, ShortDescription: sarifText{h.Title}, FullDescription: sarifText{h.Text},
			Help: sarifMultiText{
				Text:     h.Text + "\n\nWrong:\n\n" + h.Bad + "\n\nRight:\n\n" + h.Good,
				Markdown: h.Text + "\n\nWrong:\n\n```cue\n" + h.Bad + "\n```\n\nRight:\n\n```cue\n" + h.Good + "\n```\n",
			},
		})
	}
	return out
}

func (o Output) physical(p Pos) sarifPhysical {
	at := sarifPhysical{ArtifactLocation: sarifArtifact{o.uri(p.File)}}
	if !p.IsValid() {
		return at
	}
	at.Region = &sarifRegion{StartLine: p.Line}
	if p.Column < 1 {
		return at
	}
	at.Region.StartColumn = o.column(p)
	if line, ok := o.line(p); ok {
		meant := word(line[min(p.Column-1, len(line)):])
		at.Region.EndColumn = at.Region.StartColumn + max(len([]rune(meant)), 1)
	}
	return at
}

// uri is a file name as a URI: relative, unless the file lies outside of Root.
func (o Output) uri(file string) string {
	name := o.relative(file)
	if path.IsAbs(name) {
		return (&url.URL{Scheme: "file", Path: name}).String()
	}
	// A colon in the first segment would make a scheme of it.
	return strings.TrimPrefix((&url.URL{Path: name}).String(), "./")
}
