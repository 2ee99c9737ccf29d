#include "sluice_test.h"

#include "plugin.c"

int main(void) {
	CHECK(sl_test_init("{\"from\":\"task_name\",\"to\":\"task\",\"factor\":0.001}") == SL_OK);
	sl_test_add("latency", 250, "task_name", "orders", NULL);
	CHECK(sl_test_run() == SL_OK && sl_test_rows() == 1);
	CHECK(sl_test_label(0, "task", "orders") && sl_test_label(0, "task_name", NULL));
	CHECK(sl_test_row(0)->value == 0.25);
	CHECK(sl_test_init("{\"from\":\"a\",\"to\":\"b\"}") == SL_BAD_CONFIG);
	return sl_test_done();
}
