package module

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

var (
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	semver     = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	version    = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// Most that a manifest may list, and the longest of its texts in bytes.
const (
	maxListed = 256
	maxText   = 4 << 10
)

// Manifest returns what the module says about itself, valid. An error is an *Error
// with abi.BadManifest: there is none, or two, it is too large, or not as it must be.
func (m *Module) Manifest() (abi.Manifest, error) {
	var found []Custom
	for _, c := range m.Customs {
		if c.Name == abi.ManifestSection {
			found = append(found, c)
		}
	}
	switch {
	case len(found) == 0:
		return abi.Manifest{}, badManifest("there is no section %s: sluice plugin build appends it", abi.ManifestSection)
	case len(found) > 1:
		return abi.Manifest{}, badManifest("section %s is there %d times", abi.ManifestSection, len(found))
	case len(found[0].Data) > MaxManifest:
		return abi.Manifest{}, badManifest("it has %d bytes, the most is %d", len(found[0].Data), MaxManifest)
	}
	var out abi.Manifest
	d := json.NewDecoder(bytes.NewReader(found[0].Data))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		return abi.Manifest{}, badManifest("%s", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return abi.Manifest{}, badManifest("something follows the JSON object")
	}
	if err := ValidateManifest(out); err != nil {
		return abi.Manifest{}, err
	}
	return out, nil
}

// ValidateManifest returns an *Error with abi.BadManifest that says which field is
// not as it must be, and how it must be.
func ValidateManifest(m abi.Manifest) error {
	v := version.FindStringSubmatch(m.ABI)
	switch {
	case !pluginName.MatchString(m.Name):
		return badManifest("name %q: lower-case letters, digits and dashes, a letter first, at most 64", m.Name)
	case !semver.MatchString(m.Version):
		return badManifest("version %q: a semantic version, like 1.0.0", m.Version)
	case v == nil:
		return badManifest("abi %q: the interface as MAJOR.MINOR, %d.%d", m.ABI, abi.Major, abi.Minor)
	case v[1] != fmt.Sprint(abi.Major):
		return badManifest("abi %q: this program serves %d.x", m.ABI, abi.Major)
	case m.Scope != abi.SeriesScope && m.Scope != abi.SampleScope:
		return badManifest("scope %q: %s or %s", m.Scope, abi.SeriesScope, abi.SampleScope)
	case m.Limits.Pages < 0 || m.Limits.Pages > 65_536:
		return badManifest("limits.pages %d: 0 (the default) to 65536", m.Limits.Pages)
	}
	for _, f := range []struct{ field, text string }{
		{"summary", m.Summary}, {"license", m.License}, {"source", m.Source}, {"sdk", m.SDK},
	} {
		if len(f.text) > maxText {
			return badManifest("%s: at most %d bytes", f.field, maxText)
		}
	}
	if err := validateLists(m); err != nil {
		return err
	}
	return validateScope(m)
}

func validateLists(m abi.Manifest) error {
	for _, l := range []struct {
		field string
		list  []string
		ok    func(string) bool
		must  string
	}{
		{"needs.labels", m.Needs.Labels, isLabel, `a label name, or "*"`},
		{"needs.names", m.Needs.Names, isGlob, "a glob of series names: letters, digits, _ : and * ? [ ]"},
		{"writes.labels", m.Writes.Labels, isLabel, `a label name, or "*"`},
		{"metrics", m.Metrics, labelName.MatchString, "letters, digits and _, no digit first"},
	} {
		if len(l.list) > maxListed {
			return badManifest("%s lists %d, the most is %d", l.field, len(l.list), maxListed)
		}
		for i, s := range l.list {
			if !l.ok(s) || len(s) > maxListed {
				return badManifest("%s: %q is not %s", l.field, s, l.must)
			}
			if slices.Contains(l.list[:i], s) {
				return badManifest("%s: %q is there twice", l.field, s)
			}
		}
	}
	return nil
}

// validateScope refuses what a pure function of name and labels cannot do.
func validateScope(m abi.Manifest) error {
	if m.Scope != abi.SeriesScope {
		return nil
	}
	switch {
	case m.Writes.Value:
		return badManifest("writes.value: with scope series no value is seen; use scope sample")
	case m.Writes.Emit:
		return badManifest("writes.emit: with scope series nothing can be added; use scope sample")
	}
	return nil
}

func isLabel(s string) bool { return s == "*" || labelName.MatchString(s) }

func isGlob(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:*?[]-^!{},") == ""
}

func badManifest(format string, args ...any) *Error {
	return &Error{abi.BadManifest, StepManifest, fmt.Sprintf(format, args...)}
}

// AppendManifest returns the module with a manifest, in place of those that it has.
// An error is an *Error: the manifest is not valid, or wasm is not a module.
func AppendManifest(wasm []byte, m abi.Manifest) ([]byte, error) {
	if err := ValidateManifest(m); err != nil {
		return nil, err
	}
	if _, err := Parse(wasm); err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, badManifest("%s", err)
	}
	if len(text) > MaxManifest {
		return nil, badManifest("it has %d bytes, the most is %d", len(text), MaxManifest)
	}
	out := without(wasm, func(name string) bool { return name == abi.ManifestSection })
	body := append(binary.AppendUvarint(nil, uint64(len(abi.ManifestSection))), abi.ManifestSection...)
	body = append(body, text...)
	out = append(out, SectionCustom)
	out = binary.AppendUvarint(out, uint64(len(body)))
	return append(out, body...), nil
}
