package runtime

import (
	"fmt"
	"path"
	"regexp"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/starter"
	"github.com/sluice-metrics/sluice/runtime/scaffold"
)

// teamName is a name that can be a team, a directory, and part of a package of CUE,
// which loses what it inherits in a directory with a name of one letter.
var teamName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$`)

// releaseVersion is a version that can be installed by its name.
var releaseVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

// Init writes a policy repository into dir, which is made when it is not there:
// policies of the platform and of one team with their tests, a copy of the schema,
// and the set-up of CI and editors. It returns the names of the files, from dir.
// version is that of this program.
//
// Nothing is overwritten: when any of the files is there, none is written. The
// error wraps ErrConfig.
func Init(dir, team, version string) ([]string, error) {
	if !teamName.MatchString(team) || team == "platform" {
		return nil, fmt.Errorf("%w: team: %q cannot be the name of a team: write 2 to 63 lower-case letters, digits and hyphens, but not platform, which every repository has", ErrConfig, team)
	}
	if !releaseVersion.MatchString(version) {
		version = "latest"
	}
	files, err := starter.Files(starter.Values{Team: team, Release: version, Copy: policy.VendoredAt})
	if err != nil {
		return nil, err
	}
	x, err := policy.NewFormatter()
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		if path.Ext(f.Name) != ".cue" {
			continue
		}
		text, _, found, err := x.Format(f.Name, f.Text, false)
		if err == nil && len(found) > 0 {
			err = found[0]
		}
		if err != nil {
			return nil, fmt.Errorf("file of a new repository: %w", err)
		}
		files[i].Text = text
	}
	module, err := policy.NewSchemaModule()
	if err != nil {
		return nil, err
	}
	for _, f := range module.Definitions() {
		files = append(files, scaffold.File{Name: path.Join(policy.VendoredAt, f.Name), Text: f.Text})
	}
	names, err := scaffold.Write(dir, files)
	if err != nil {
		return names, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return names, nil
}
