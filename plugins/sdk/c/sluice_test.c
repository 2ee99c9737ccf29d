// The tests of sluice.h. They run natively, under any C11 compiler.
#include <stdlib.h>

#include "sluice_test.h"

static sl_key a, b, fresh;
static sl_mapping upper, nothing;
static sl_memo length;
static int worked; // how often upper did
static void (*do_each)(sl_record *);

static sl_text to_upper(sl_text t) {
	char *at = sl_new(t.length);
	worked++;
	for (uint32_t i = 0; i < t.length; i++) at[i] = t.at[i] >= 'a' && t.at[i] <= 'z' ? (char)(t.at[i] - 32) : t.at[i];
	return (sl_text){at, t.length};
}
static sl_text to_nothing(sl_text t) {
	(void)t;
	return (sl_text){0, 0};
}
static int32_t length_of(sl_text t) { return (int32_t)t.length; }

static sl_text greeting;
static double factor;
static sl_text listed[4];

static void setup(sl_config c) {
	a = sl_key_of(SL("a")), b = sl_key_of(SL("b")), fresh = sl_key_of(SL("fresh"));
	upper = SL_MAPPING(to_upper), nothing = SL_MAPPING(to_nothing), length = SL_MEMO(length_of);
	if (sl_has_field(c, SL("greeting"))) greeting = sl_string(c, SL("greeting"));
	factor = sl_number(c, SL("factor"));
	if (sl_has_field(c, SL("flag"))) sl_bool(c, SL("flag"));
	if (sl_has_field(c, SL("deep"))) {
		sl_config list = sl_list(sl_object(c, SL("deep")), SL("list"));
		const char *at = list.at;
		uint32_t i = 0;
		for (sl_entry e; sl_next(list, &at, &e);) listed[i++ & 3] = sl_string(e.value, SL("k"));
	}
}
static void each(sl_record *r) { do_each(r); }
SLUICE_PLUGIN(setup, each)

static sl_code run(void (*f)(sl_record *)) {
	do_each = f;
	sl_test_add("m", 2, "a", "x", "z", "x", NULL);
	sl_test_add("n", 3, "a", "y", "b", "x", NULL);
	sl_test_add("t", 0, NULL);
	sl_test_text("warm");
	return sl_test_run();
}

static void f_rename(sl_record *r) { sl_rename(r, &a, &b); }
static void f_fresh(sl_record *r) { sl_rename(r, &a, &fresh); }
static void f_replace(sl_record *r) {
	sl_key again = sl_key_of(SL("fresh"));
	sl_set_label(r, &fresh, SL("1"));
	sl_rename(r, &a, &again);
}
static void f_value_like_a_key(sl_record *r) { // which looked before, when there was none
	sl_key again = sl_key_of(SL("fresh"));
	sl_has(r, &fresh);
	sl_set_label(r, &b, SL("fresh"));
	sl_rename(r, &a, &again);
	sl_set_label(r, &fresh, SL("2"));
}
static void f_set(sl_record *r) {
	sl_key again = sl_key_of(SL("fresh"));
	sl_set_label(r, &fresh, SL("1"));
	sl_set_label(r, &again, sl_join(sl_name(r), SL("!")));
	sl_set_label(r, &b, SL("new"));
}
static void f_remove(sl_record *r) {
	sl_remove_label(r, &a);
	sl_set_label(r, &b, SL(""));
}
static void f_map(sl_record *r) {
	sl_map_label(r, &a, &upper);
	sl_map_label(r, &b, &nothing);
	sl_map_name(r, &upper);
	sl_map_name(r, &nothing);
	sl_derive(r, &fresh, &a, &upper);
	sl_derive(r, &b, &a, &nothing);
}
static void f_values(sl_record *r) {
	sl_set_value(r, sl_value(r) * factor + sl_memo_of_label(&length, r, &a, 40) + 100 * sl_memo_of_name(&length, r));
	sl_set_text(r, sl_join(sl_text_value(r), SL("er")));
	sl_count(3, 2);
}
static void f_emit(sl_record *r) {
	sl_record *e = sl_emit(r);
	sl_set_name(e, SL("copy"));
	sl_set_label(e, &fresh, SL("1"));
	sl_drop(sl_emit(r));
	sl_fail(sl_emit(r), SL("nobody sees this"));
	if (sl_value(r) == 3) sl_drop(r);
}
static void f_fail(sl_record *r) {
	if (sl_value(r) == 3) sl_fail(r, SL("three"));
	sl_log(SL_WARN, SL("seen"));
}
static void f_refuse(sl_record *r) {
	sl_refuse(sl_join(SL("no "), sl_name(r)));
	sl_fail(r, SL("too"));
}
static void f_many(sl_record *r) {
	for (int i = 0; i < 8; i++) sl_emit(r);
}

static void test_records(void) {
	CHECK(run(f_rename) == SL_OK && sl_test_rows() == 3);
	CHECK(sl_test_label(0, "b", "x") && sl_test_label(0, "a", NULL) && sl_test_label(0, "z", "x"));
	CHECK(sl_test_label(1, "b", "y") && sl_test_label(1, "a", NULL) && sl_test_row(1)->labels == 1);
	CHECK(run(f_fresh) == SL_OK && sl_test_label(0, "fresh", "x") && sl_test_label(1, "fresh", "y") && sl_test_label(1, "b", "x"));
	CHECK(run(f_replace) == SL_OK && sl_test_label(0, "fresh", "x") && sl_test_row(0)->labels == 2 && sl_test_label(2, "fresh", "1"));
	CHECK(run(f_value_like_a_key) == SL_OK && sl_test_label(0, "fresh", "2") && sl_test_row(0)->labels == 3 && sl_test_row(1)->labels == 2);
	CHECK(run(f_set) == SL_OK && sl_test_label(0, "fresh", "m!") && sl_test_label(2, "fresh", "t!") && sl_test_row(2)->labels == 2);
	CHECK(sl_test_label(1, "b", "new") && sl_test_row(1)->labels == 3 && sl_test_label(0, "a", "x"));
	CHECK(run(f_remove) == SL_OK && sl_test_row(0)->labels == 1 && sl_test_row(1)->labels == 0);
	worked = 0;
	CHECK(run(f_map) == SL_OK && sl_test_label(0, "a", "X") && sl_test_label(1, "a", "Y") && sl_test_label(1, "b", NULL));
	CHECK(sl_test_is(sl_string_of(sl_test_row(2)->name), "T") && sl_test_label(1, "fresh", "Y") && sl_test_label(2, "fresh", NULL));
	CHECK(worked == 8); // x y m n t, X and Y, and "" for the record without a
	CHECK(run(f_values) == SL_OK && sl_test_row(0)->value == 101.5 && sl_test_row(1)->value == 101.75 && sl_t.counts[3] == 6);
	sl_record t = {sl_test_row(2), 2};
	CHECK(sl_test_is(sl_text_value(&t), "warmer"));
	CHECK(sl_test_row(1)->source == 1 && sl_test_row(1)->time == 1001);
}

static void test_what_becomes(void) {
	CHECK(run(f_emit) == SL_OK && sl_test_rows() == 5);
	CHECK(sl_test_label(2, "fresh", "1") && sl_test_label(0, "fresh", NULL) && sl_test_row(3)->source == 1);
	CHECK(sl_test_is(sl_string_of(sl_test_row(4)->name), "copy"));
	CHECK(run(f_fail) == SL_RECORD_FAILED && sl_test_rows() == 2 && !strcmp(sl_t.reason, "three") && sl_t.failed == 1);
	CHECK(!strcmp(sl_t.logged, "2 seen"));
	CHECK(run(f_refuse) == SL_BATCH_FAILED && !strcmp(sl_t.reason, "too"));
	CHECK(run(f_many) == SL_BATCH_FAILED && !strcmp(sl_t.reason, "more records than a batch may become"));
	CHECK(run(f_rename) == SL_OK);
	char block[64] = {0};
	CHECK(sluice_transform(block, 64) == SL_BAD_BATCH && sluice_transform(block, 8) == SL_BAD_BATCH);
}

static double number(const char *text) {
	char json[256];
	snprintf(json, sizeof json, "{\"factor\":%s}", text);
	return sl_test_init(json) == SL_OK ? factor : -1;
}

static void test_config(void) {
	CHECK(sl_test_init(" {\"factor\": 0.25 , \"greeting\":\"a\\\"\\\\\\u00e9\\ud83d\\ude00\\ud83dx\",\"deep\":{\"list\":[{\"k\":\"one\"},{\"k\":\"two\"}]}} ") == SL_OK);
	CHECK(sl_test_is(greeting, "a\"\\\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx") && sl_test_is(listed[1], "two"));
	CHECK(number("0.001") == 0.001 && number("-1.5e-3") == -0.0015 && number("1e22") == 1e22 && number("123456789012345") == 123456789012345.0);
	CHECK(number("0") == 0 && number("1e-400") == 0 && number("3.25E2") == 325);
	CHECK(number("1e400") == -1 && number("-1e400") == -1 && !strcmp(sl_t.reason, "config: must be a JSON object"));
	CHECK(sl_test_init("{}") == SL_BAD_CONFIG && !strcmp(sl_t.reason, "config: factor: is missing"));
	CHECK(sl_test_init("{\"factor\":\"1\"}") == SL_BAD_CONFIG && !strcmp(sl_t.reason, "config: factor: must be a number"));
	static const char *const bad[] = {"", "[]", "{", "{\"factor\":1", "{\"factor\":01}", "{\"factor\":1.}", "{\"factor\":-}", "{\"factor\":1,}", "{\"factor\" 1}",
		"{\"factor\":1}}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\n\"}", "{\"a\":tru}", "{\"a\":[1 2]}", "{\"a\":\"\\", "{1:2}"};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(sl_test_init(bad[i]) == SL_BAD_CONFIG);
	CHECK(sl_test_init("{\"factor\":0.25}") == SL_OK);
}

// test_changed_configs changes bytes of configs at random, the same in every run: whatever
// comes of it is taken or refused, and nothing outside of it is read, which a sanitizer sees.
static void test_changed_configs(void) {
	static const char *const seeds[] = {
		"{\"factor\": -0.25e+3, \"greeting\":\"a\\\"\\\\\\u00e9\\ud83d\\ude00\\ud83dx\",\"deep\":{\"list\":[{\"k\":\"one\"},{\"k\":\"two\"}]},\"flag\":true}",
		"{\"factor\":1,\"greeting\":\"\\ud83d\\u\",\"x\":[null,[],{}],\"flag\":false}"};
	static const char some[] = "{}[]\",:\\u0d8e+-.9 \0ntf\x80\n";
	uint32_t random = 1, taken = 0, refused = 0;
	for (int round = 0; round < 20000; round++) {
		const char *seed = seeds[round & 1];
		uint32_t size = (uint32_t)strlen(seed);
		char *json = malloc(size);
		memcpy(json, seed, size);
		for (int n = round % 5; n >= 0; n--) {
			random ^= random << 13, random ^= random >> 17, random ^= random << 5;
			if (random & 1) json[(random >> 6) % size] = some[(random >> 1) % (sizeof some - 1)];
			else size -= (random >> 6) % 64 ? 0 : (random >> 12) % size;
		}
		sl_c.fault = (sl_text){"", 0};
		if (sluice_init(json, size) == SL_OK) taken++;
		else refused++;
		free(json);
	}
	CHECK(taken > 1000 && refused > 1000);
}

int main(void) {
	test_changed_configs();
	test_config();
	test_records();
	test_what_becomes();
	return sl_test_done();
}
