// Package starter has the files that a repository of policies begins with. It fills in names
// and writes nothing: where the files go, and whether they may, its caller knows.
package starter

import (
	"embed"
	"fmt"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/scaffold"
)

// templates are the files, as scaffold.Fill has them. An element of a path that is TEAM
// is the name of the team.
//
//go:embed files
var templates embed.FS

// Values are what the files are filled in with.
type Values struct {
	Team    string // of the first team beside the platform's
	Release string // of Sluice, as "go install" takes it: a version, or "latest"
	Copy    string // where the repository keeps its copy of the schema
}

// Files returns the files of a repository.
func Files(v Values) ([]scaffold.File, error) {
	files, err := scaffold.Fill(templates, "files", v)
	if err != nil {
		return nil, fmt.Errorf("files of a policy repository: %w", err)
	}
	for i := range files {
		files[i].Name = strings.ReplaceAll(files[i].Name, "/TEAM/", "/"+v.Team+"/")
	}
	return files, nil
}
