package main

import (
	"strings"
	"testing"

	sluice "github.com/sluice-metrics/sluice/plugins/sdk/go"
)

func TestMask(t *testing.T) {
	const id = "<>" // where a digest is expected
	for in, want := range map[string]string{
		"":                                     "",
		"checkout":                             "checkout",
		"host-12.example":                      "host-12.example",
		"jane.doe+x@example.org":               id,
		"cart of jane@example.org now":         "cart of <> now",
		"user/1234567/cart":                    "user/<>/cart",
		"12345":                                "12345",
		"a123456b":                             id,
		"@home":                                "@home",
		"müller@example.org":                   id,
		"3f2b8c1e-9d4a-4b7e-8f00-1a2b3c4d5e6f": id,
		"3f2b8c1e-9d4a-4b7e-8f00-zzzzzzzzzzzz": "3f2b8c1e-9d4a-4b7e-8f00-zzzzzzzzzzzz",
		"700001,700002":                        "<>,<>",
	} {
		got := mask(in, "s")
		parts := strings.Split(want, id)
		if len(parts) == 1 {
			if got != want {
				t.Errorf("%q becomes %q", in, got)
			}
			continue
		}
		if len(got) != len(want)+(len(parts)-1)*(len("user-00000000")-len(id)) || !strings.HasPrefix(got, parts[0]+"user-") || !strings.HasSuffix(got, parts[len(parts)-1]) {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if first := mask("1234567", "s"); first != mask("1234567", "s") || first == mask("1234567", "t") || first == mask("1234568", "s") {
		t.Error("a digest is to depend on id and salt alone")
	}
}

func TestPlugin(t *testing.T) {
	got := plugin.Try(`{"labels":["user","path"],"salt":""}`,
		sluice.Sample{Name: "m", Labels: map[string]string{"user": "1234567", "path": "/u/1234567", "job": "1234567"}})
	l := got.Samples[0].Labels
	if l["job"] != "1234567" || l["path"] != "/u/"+l["user"] || !strings.HasPrefix(l["user"], "user-") {
		t.Errorf("%v", l)
	}
	if got = plugin.Try(`{"labels":"user"}`); got.Reason != "config: labels: is a string, must be a list" {
		t.Errorf("labels as a string: %q", got.Reason)
	}
}
