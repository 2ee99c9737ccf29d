#include "sluice.h"

static volatile uint32_t zero;
static volatile char *kept;

static uint64_t deep(volatile uint64_t *n) {
	volatile uint64_t next = *n + 1;
	return 1 + deep(&next) + *n;
}

static void wrong(uint64_t what) {
	volatile uint64_t n = what;
	switch (what) {
	case 100: __builtin_trap();
	case 101: kept = (char *)0xfffffff0; *kept = 1; break;
	case 104: zero = (uint32_t)what / zero; break;
	case 105: for (;;) kept = sl_new(1 << 20), *kept = 1;
	case 106: zero = (uint32_t)deep(&n); break;
	case 107: while (n) {}
	}
}

static void setup(sl_config c) { (void)c; }

static void each(sl_record *r) {
	wrong(sl_batch()->sequence);
	sl_set_value(r, sl_value(r) * 2);
}

SLUICE_PLUGIN(setup, each)
