#include "sluice_test.h"

#include "plugin.c"

int main(void) {
	CHECK(sl_test_init("{\"units\":[{\"suffix\":\"_millis\",\"to\":\"_seconds\",\"factor\":0.001},{\"suffix\":\"KiB\",\"to\":\"_bytes\",\"factor\":1024}]}") == SL_OK);
	sl_test_add("latency_millis", 250, "host", "a", NULL);
	sl_test_add("heapKiB", 2, NULL);
	sl_test_add("records", 3, NULL);
	sl_test_add("_millis", 4, NULL);
	sl_test_add("state_millis", 0, NULL);
	sl_test_text("idle");
	CHECK(sl_test_run() == SL_OK && sl_test_rows() == 5);
	const char *const want[] = {"latency_seconds", "heap_bytes", "records", "_millis", "state_millis"};
	const double values[] = {0.25, 2048, 3, 4};
	for (uint32_t i = 0; i < 5; i++) {
		CHECK(sl_test_is(sl_string_of(sl_test_row(i)->name), want[i]));
		if (i < 4) CHECK(sl_test_row(i)->value == values[i]);
	}
	CHECK(sl_t.counts[0] == 2 && sl_test_label(0, "host", "a"));
	CHECK(sl_test_init("{}") == SL_BAD_CONFIG);
	CHECK(sl_test_init("{\"units\":[{\"suffix\":\"\",\"to\":\"x\",\"factor\":1}]}") == SL_BAD_CONFIG);
	CHECK(sl_test_init("{\"units\":[1]}") == SL_BAD_CONFIG);
	return sl_test_done();
}
