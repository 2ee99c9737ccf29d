package runtime

import (
	"errors"
	"testing"
)

func TestCatalogueFilters(t *testing.T) {
	t.Parallel()
	r, _, err := New(t.Context(), testConfig(t, simpleSet), Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := func(f CatalogueFilter) []CatalogueEntry {
		t.Helper()
		out, err := r.Catalogue(f)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	all := list(CatalogueFilter{})
	keys := map[string]bool{}
	for i, e := range all {
		if keys[e.Key()] || i > 0 && e.Key() < all[i-1].Key() {
			t.Fatalf("%s is there twice, or out of order", e.Key())
		}
		keys[e.Key()] = true
	}
	one := list(CatalogueFilter{Series: "flink_taskmanager_Status_JVM_CPU_Load"})
	if len(one) != 1 || one[0].Kind != "gauge" || one[0].Meaning != "ratio" || one[0].Name != "Status.JVM.CPU.Load" {
		t.Errorf("load of the JVM: %+v", one)
	}
	for name, f := range map[string]CatalogueFilter{
		"scope": {Scope: "taskmanager.job.*"}, "kind": {Kind: "meter"}, "origin": {Origin: "native"}, "search": {Search: "WATERMARK"},
		"expression": {Series: "re:.*_GarbageCollector_<.*>_.*"},
	} {
		if n := len(list(f)); n == 0 || n == len(all) {
			t.Errorf("%s: %d of %d entries", name, n, len(all))
		}
	}
	for _, f := range []CatalogueFilter{{Series: "re:("}, {Scope: "re:("}, {Kind: "guage"}, {Origin: "flink"}} {
		if _, err := r.Catalogue(f); !errors.Is(err, ErrRejected) {
			t.Errorf("%+v: error %v", f, err)
		}
	}
	if n := len(list(CatalogueFilter{Series: "nothing"})); n != 0 {
		t.Errorf("%d entries match nothing", n)
	}
}
