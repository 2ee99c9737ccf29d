// Converts units by the end of a metric's name: milliseconds to seconds, KiB to bytes.
// The name's end says the new unit, the value is scaled.
#include "sluice.h"

enum { UNITS = 32 };

static struct { sl_text suffix, to; double factor; } units[UNITS];
static int32_t count;

// unit returns which unit a name ends in, -1 for none. The first that fits counts.
static int32_t unit(sl_text name) {
	for (int32_t i = 0; i < count; i++) {
		sl_text s = units[i].suffix;
		if (s.length < name.length && sl_equal((sl_text){name.at + name.length - s.length, s.length}, s)) return i;
	}
	return -1;
}

static sl_text named(sl_text name) {
	int32_t i = unit(name);
	return i < 0 ? name : sl_join((sl_text){name.at, name.length - units[i].suffix.length}, units[i].to);
}

static sl_memo found;
static sl_mapping names;

static void setup(sl_config c) {
	found = SL_MEMO(unit), names = SL_MAPPING(named), count = 0;
	sl_config list = sl_list(c, SL("units"));
	const char *at = list.at;
	for (sl_entry e; sl_next(list, &at, &e); count++) {
		if (count == UNITS) {
			sl_refuse_config(SL("units"), SL("has more than 32 entries"));
			return;
		}
		units[count].suffix = sl_string(e.value, SL("suffix"));
		units[count].to = sl_string(e.value, SL("to"));
		units[count].factor = sl_number(e.value, SL("factor"));
		if (!units[count].suffix.length) sl_refuse_config(SL("units"), SL("an entry has no suffix"));
	}
}

static void each(sl_record *r) {
	int32_t i = r->row->kind == SL_TEXT ? -1 : sl_memo_of_name(&found, r);
	if (i < 0) return;
	sl_set_value(r, sl_value(r) * units[i].factor);
	sl_map_name(r, &names);
	sl_count(0, 1);
}

SLUICE_PLUGIN(setup, each)
