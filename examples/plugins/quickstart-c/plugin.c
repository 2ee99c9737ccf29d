// The first plugin of the page plugins/sdk/c: gives a label another name, and scales values.
#include "sluice.h"

static sl_key from, to;
static double factor;

static void setup(sl_config c) {
	from = sl_key_of(sl_string(c, SL("from"))), to = sl_key_of(sl_string(c, SL("to")));
	factor = sl_number(c, SL("factor"));
}

static void each(sl_record *r) {
	sl_rename(r, &from, &to);
	sl_set_value(r, sl_value(r) * factor);
}

SLUICE_PLUGIN(setup, each)
