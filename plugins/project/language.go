package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Language is one that plugins are written in.
type Language string

// The languages.
const (
	Go             Language = "go"
	Rust           Language = "rust"
	AssemblyScript Language = "assemblyscript"
	C              Language = "c"
)

// Languages lists them.
func Languages() []Language {
	var out []Language
	for _, t := range toolchains() {
		out = append(out, t.language)
	}
	return out
}

// toolchain is how a language becomes a module.
type toolchain struct {
	language Language
	mark     string   // the file by which a project in it is known
	needs    []tool   // programs that it takes
	library  []string // a command that prints the directory which the last of needs must have filled; nil: none
	setup    string   // a command for a new project, to be run once before it builds; "": none
	native   string   // a command that runs the project's tests natively, after setup and a build
	env      []string // beside that of this process
	args     []string // of the first program; OUT and NAME stand for the file to write and the plugin
	out      string   // where the file is, when the program decides that; NAME as above
}

// tool is a program, and how one gets it.
type tool struct {
	name, hint string
	versioned  bool // some systems have it with a version behind its name alone, as clang-19
}

// The versions that are looked for behind the name of a tool, the newest first.
const (
	newestVersion = 40
	oldestVersion = 14
)

// toolchains lists how each language is built.
func toolchains() []toolchain {
	return []toolchain{{
		language: Go, mark: "main.go",
		needs:  []tool{{name: "go", hint: "install Go 1.24 or newer: https://go.dev/dl"}},
		native: "go test ./...",
		env:    []string{"GOOS=wasip1", "GOARCH=wasm", "GOWORK=off"},
		args:   []string{"build", "-buildmode=c-shared", "-ldflags=-s -w", "-trimpath", "-o", "OUT", "."},
	}, {
		language: Rust, mark: "Cargo.toml",
		needs: []tool{
			{name: "cargo", hint: "install Rust: https://rustup.rs"},
			{name: "rustc", hint: "install Rust with https://rustup.rs, then: rustup target add wasm32-unknown-unknown"},
		},
		native:  "cargo test",
		library: []string{"rustc", "--print", "target-libdir", "--target", "wasm32-unknown-unknown"},
		args:    []string{"build", "--release", "--offline", "--target", "wasm32-unknown-unknown", "--target-dir", Copy + "/target"},
		out:     Copy + "/target/wasm32-unknown-unknown/release/CRATE.wasm",
	}, {
		language: AssemblyScript, mark: "package.json",
		needs: []tool{{name: "asc", hint: "install Node.js 20 or newer, then in the project: npm install"}},
		setup: "npm install", native: "npm test",
		args: []string{"assembly/index.ts", "--outFile", "OUT", "--optimizeLevel", "3", "--shrinkLevel", "1", "--runtime", "minimal", "--noAssert"},
	}, {
		language: C, mark: "plugin.c",
		needs: []tool{
			{"clang", "install clang and lld; Debian and Ubuntu: apt-get install clang lld", true},
			{"wasm-ld", "install lld; Debian and Ubuntu: apt-get install lld", true},
		},
		native: "cc -I.sluice -o .sluice/test plugin_test.c && .sluice/test",
		args: []string{
			"--target=wasm32", "-std=c11", "-O2", "-Wall", "-Wextra", "-nostdlib", "-ffreestanding", "-mbulk-memory", "-I" + Copy,
			"-Wl,--no-entry", "-Wl,--strip-all", "-o", "OUT", "plugin.c",
		},
	}}
}

func toolchainOf(l Language) (toolchain, bool) {
	all := toolchains()
	i := slices.IndexFunc(all, func(t toolchain) bool { return t.language == l })
	if i < 0 {
		return toolchain{}, false
	}
	return all[i], true
}

// languageOf finds out what a project is written in.
func languageOf(dir string) (Language, error) {
	var marks []string
	for _, t := range toolchains() {
		if _, err := os.Stat(filepath.Join(dir, t.mark)); err == nil {
			return t.language, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		marks = append(marks, fmt.Sprintf("%s (%s)", t.mark, t.language))
	}
	return "", fmt.Errorf("%w: %s has none of %s: it is not known what it is written in", ErrInput, dir, strings.Join(marks, ", "))
}

// Setup returns the command that a new project takes once before it builds, "" for none.
func Setup(l Language) string {
	t, _ := toolchainOf(l)
	return t.setup
}

// ToolError says that a program is not there which a build takes.
type ToolError struct {
	Tool string
	Hint string // how one gets it
}

func (e *ToolError) Error() string { return fmt.Sprintf("%s is not found: %s", e.Tool, e.Hint) }
