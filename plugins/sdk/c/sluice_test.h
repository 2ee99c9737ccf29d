// Tests of a plugin in C, natively: include it, then the plugin, then write main.
//
//	sl_test_init(json)                          gives it a config, returns the code
//	sl_test_add("name", 1.5, "k", "v", NULL)    adds a record to the next batch
//	sl_test_run()                               transforms the batch, returns the code
//	sl_test_rows, sl_test_row(i)                what went on: records that came in, then new ones
//	sl_test_label(i, "k", "v")                  whether row i has a label; NULL: has not
//	CHECK(condition)                            counts, and says which failed
//	return sl_test_done();                      the exit code of main
//
// What only Sluice does it does not: it checks neither the config against the schema nor
// the changes against the manifest.
#ifndef SLUICE_TEST_H
#define SLUICE_TEST_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sluice.h"

static struct {
	sl_row rows[2048];
	sl_pair pairs[8192];
	const char *strings[4096];
	uint32_t rows_n, pairs_n, strings_n;
	char reason[256], logged[256]; // the last ones
	int32_t failed;                // the last record that failed
	int64_t counts[32];
	int passed, wrong;
} sl_t;

void sl_host_log(int32_t level, const char *at, uint32_t length) {
	snprintf(sl_t.logged, sizeof sl_t.logged, "%d %.*s", level, (int)length, at);
}
void sl_host_fail(int32_t code, int32_t record, const char *at, uint32_t length) {
	(void)code;
	sl_t.failed = record;
	snprintf(sl_t.reason, sizeof sl_t.reason, "%.*s", (int)length, at);
}
void sl_host_count(int32_t metric, int64_t n) { sl_t.counts[metric] += n; }

#define CHECK(condition) sl_test_check(condition, #condition, __FILE__, __LINE__)
static inline void sl_test_check(bool good, const char *what, const char *file, int line) {
	if (good) sl_t.passed++;
	else {
		sl_t.wrong++;
		printf("%s:%d: not so: %s\n", file, line, what);
	}
}
static inline int sl_test_done(void) {
	printf("%d passed, %d failed\n", sl_t.passed, sl_t.wrong);
	return sl_t.wrong != 0;
}

int32_t sluice_init(const char *at, uint32_t length);
int64_t sluice_transform(void *at, uint32_t length);
void *sluice_alloc(uint32_t size);

static inline int32_t sl_test_init(const char *config) {
	sl_c.fault = (sl_text){"", 0};
	return sluice_init(config, (uint32_t)strlen(config));
}

static inline uint32_t sl_test_number(const char *s) {
	for (uint32_t i = 0; i < sl_t.strings_n; i++)
		if (!strcmp(sl_t.strings[i], s)) return i;
	sl_t.strings[sl_t.strings_n] = s;
	return sl_t.strings_n++;
}

static inline void sl_test_add(const char *name, double value, ...) {
	sl_row r = {.time = 1000 + sl_t.rows_n, .value = value, .name = sl_test_number(name), .first = sl_t.pairs_n, .source = sl_t.rows_n};
	va_list list;
	va_start(list, value);
	for (const char *k; (k = va_arg(list, const char *)); r.labels++) {
		sl_pair p = {sl_test_number(k), 0};
		p.value = sl_test_number(va_arg(list, const char *));
		sl_t.pairs[sl_t.pairs_n++] = p;
	}
	va_end(list);
	sl_t.rows[sl_t.rows_n++] = r;
}

// sl_test_text makes the last record a text.
static inline void sl_test_text(const char *value) {
	uint64_t bits = sl_test_number(value);
	sl_row *r = sl_t.rows + sl_t.rows_n - 1;
	r->kind = SL_TEXT;
	memcpy(&r->value, &bits, 8);
}

static inline sl_code sl_test_run(void) {
	sl_header h = {SL_MAGIC_BATCH, SL_MAJOR, SL_MINOR, sl_t.rows_n, sl_t.pairs_n, sl_t.strings_n, sizeof h, 0, 0, 0, 0, 1700000000000, 7, 0, sizeof(sl_row)};
	h.pairs_at = h.records_at + h.records * (uint32_t)sizeof(sl_row);
	h.refs_at = h.pairs_at + h.pairs * (uint32_t)sizeof(sl_pair);
	h.bytes_at = h.length = h.refs_at + h.strings * (uint32_t)sizeof(sl_ref);
	for (uint32_t i = 0; i < h.strings; i++) h.length += (uint32_t)strlen(sl_t.strings[i]);
	char *block = sluice_alloc(h.length);
	memcpy(block, &h, sizeof h);
	memcpy(block + h.records_at, sl_t.rows, h.pairs_at - h.records_at);
	memcpy(block + h.pairs_at, sl_t.pairs, h.refs_at - h.pairs_at);
	uint32_t at = h.bytes_at;
	for (uint32_t i = 0; i < h.strings; i++) {
		sl_ref r = {at, (uint32_t)strlen(sl_t.strings[i])};
		memcpy(block + h.refs_at + i * sizeof r, &r, sizeof r);
		memcpy(block + at, sl_t.strings[i], r.length);
		at += r.length;
	}
	sl_t.rows_n = sl_t.pairs_n = sl_t.strings_n = 0;
	memset(sl_t.counts, 0, sizeof sl_t.counts);
	sluice_transform(block, h.length);
	return sl_b.refused;
}

static inline bool sl_test_next(uint32_t *i, sl_row **row) { // *i begins with 0
	uint32_t had = sl_b.header->records;
	for (; *i < had + sl_b.added_n; ++*i) {
		*row = *i < had ? sl_b.rows + *i : sl_b.added + (*i - had);
		if (!(*row)->flags) return ++*i, true;
	}
	return false;
}
static inline uint32_t sl_test_rows(void) {
	uint32_t n = 0, i = 0;
	for (sl_row *r; sl_test_next(&i, &r);) n++;
	return n;
}
static inline sl_row *sl_test_row(uint32_t n) {
	static sl_row none;
	uint32_t i = 0;
	for (sl_row *r; sl_test_next(&i, &r);)
		if (!n--) return r;
	return &none;
}
static inline bool sl_test_is(sl_text t, const char *s) { return t.length == strlen(s) && !memcmp(t.at, s, t.length); }
static inline bool sl_test_label(uint32_t n, const char *name, const char *value) {
	sl_row *r = sl_test_row(n);
	sl_pair *p = sl_labels(r);
	for (uint32_t i = 0; i < r->labels; i++)
		if (sl_test_is(sl_string_of(p[i].key), name)) return value && sl_test_is(sl_string_of(p[i].value), value);
	return !value;
}

#endif
