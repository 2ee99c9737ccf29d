// What a transform plugin in C is written with: one header, no library, one source
// file per module. It turns the block that Sluice hands over into records with names
// and labels, and what the plugin does to them into the answer. It knows nothing of
// policies. Built for wasm32 it makes a module; built natively, with sluice_test.h, a
// test of one.
//
// A plugin is stateless: what it keeps between batches is a cache. Texts that a batch
// or a record gives are valid until the transform returns; those of the config, for
// ever.
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stdint.h>

// The wire form, interface 1.0: see plugins/abi.
enum { SL_MAGIC_BATCH = 0x31424c53, SL_MAGIC_RESULT = 0x31524c53, SL_MAJOR = 1, SL_MINOR = 0 };
typedef enum { SL_OK, SL_BAD_CONFIG, SL_BAD_BATCH, SL_RECORD_FAILED, SL_BATCH_FAILED, SL_UNSUPPORTED, SL_INTERNAL } sl_code;
typedef enum { SL_GAUGE, SL_COUNTER, SL_METER, SL_HISTOGRAM, SL_TEXT } sl_kind;
typedef enum { SL_DEBUG, SL_INFO, SL_WARN, SL_ERROR } sl_level;
enum { SL_DROP = 1, SL_FAILED = 2 };     // flags of a row
enum { SL_REPLAY = 1, SL_DRY_RUN = 2 };  // flags of a batch

typedef struct {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t records, pairs, strings, records_at, pairs_at, refs_at, bytes_at, length;
	int64_t now; // Unix ms; there is no other clock
	uint64_t sequence;
	uint32_t flags, record_size;
} sl_header;
typedef struct {
	int64_t time; // Unix ms
	double value;
	uint32_t name, first;
	uint16_t labels;
	uint8_t kind, flags;
	uint32_t source;
} sl_row;
typedef struct { uint32_t key, value; } sl_pair;
typedef struct { uint32_t at, length; } sl_ref;
typedef struct { uint32_t magic, strings, refs_at, records, records_at, pairs, pairs_at, unused; } sl_result;
_Static_assert(sizeof(sl_header) == 64 && sizeof(sl_row) == 32 && sizeof(sl_result) == 32, "the layout is a contract");

// sl_text is a string: UTF-8, not terminated.
typedef struct { const char *at; uint32_t length; } sl_text;
#define SL(literal) ((sl_text){literal, sizeof(literal) - 1})

// What a plugin may call. The natives are in sluice_test.h.
#ifdef __wasm__
#define SL_IMPORT(name) __attribute__((import_module("sluice"), import_name(#name)))
#define SL_EXPORT(name) __attribute__((export_name(#name)))
#else
#define SL_IMPORT(name)
#define SL_EXPORT(name)
#endif
SL_IMPORT(log) void sl_host_log(int32_t level, const char *at, uint32_t length);
SL_IMPORT(fail) void sl_host_fail(int32_t code, int32_t record, const char *at, uint32_t length);
SL_IMPORT(count) void sl_host_count(int32_t metric, int64_t n);

// sl_key is a string that many records are looked at with, mostly the name of a label.
// Its number is found once per batch, and then a record compares numbers, first where
// the label was in the record before. Make keys in the setup.
typedef struct { sl_text text; uint32_t serial, number, place; } sl_key;

// sl_memo works a number out for texts, for each distinct one of a batch once. f must be
// pure. SL_MEMO(f) is its first value.
typedef struct { int32_t (*f)(sl_text); uint32_t *marks; int32_t *values; uint32_t room, batch, round; } sl_memo;
#define SL_MEMO(function) ((sl_memo){.f = (function)})

// sl_mapping makes texts of texts, each distinct one of a batch once. f must be pure. What
// it makes with sl_new is valid for the batch. SL_MAPPING(f) is its first value.
typedef struct { sl_text (*f)(sl_text); sl_memo memo; } sl_mapping;
#define SL_MAPPING(function) ((sl_mapping){.f = (function)})

// sl_record is one sample of one series. Which of its changes Sluice takes, the manifest
// says; any other fails the batch. row may be read; it is written through functions.
typedef struct { sl_row *row; int32_t number; } sl_record;

// A config, or a value in it, JSON. Sluice has checked it against the schema of the
// manifest before. A field that is asked for and is missing or of another kind makes
// the config refused, and the answer a zero value: a setup need not look for errors.
typedef struct { const char *at, *end; } sl_config;

#include "sluice_batch.h"
#include "sluice_config.h"

static inline const sl_header *sl_batch(void) { return sl_b.header; }

// Labels.
static inline bool sl_has(sl_record *r, sl_key *k) { return sl_find_label(r, k) != 0; }
static inline sl_text sl_label(sl_record *r, sl_key *k) { // empty: none
	sl_pair *p = sl_find_label(r, k);
	return p ? sl_string_of(p->value) : (sl_text){0, 0};
}
static inline sl_text sl_label_name_at(sl_record *r, uint32_t i) { return sl_string_of(sl_labels(r->row)[i].key); }
static inline sl_text sl_label_at(sl_record *r, uint32_t i) { return sl_string_of(sl_labels(r->row)[i].value); }
static inline void sl_remove_label(sl_record *r, sl_key *k) {
	sl_pair *p = sl_find_label(r, k);
	if (p) sl_remove_at(r, p);
}
// sl_set_label gives a label a value, an empty one takes it away.
static inline void sl_set_label(sl_record *r, sl_key *k, sl_text value) {
	if (value.length) sl_set_number(r, k, sl_add(value));
	else sl_remove_label(r, k);
}
SL_RARE void sl_rename_any(sl_record *r, sl_key *from, sl_key *to) {
	uint32_t a = sl_number_of(from), z = sl_number_of(to);
	if (a == SL_NONE || a == z) return;
	sl_pair *at = sl_find_number(r, from, a);
	if (!at) return;
	sl_pair *there = sl_find_number(r, to, z);
	at->key = z != SL_NONE ? z : sl_enter(to);
	sl_named(r);
	if (there) sl_remove_at(r, there);
}
// sl_rename gives a label another name; one that has that name already is replaced. Mostly
// both keys have been looked for in this batch, the label is where the record before had it,
// and the new name is one that no record from this one on has. Branches are dear in a guest:
// these are two.
static inline void sl_rename(sl_record *r, sl_key *from, sl_key *to) {
	uint32_t at = r->row->first + from->place;
	if ((from->serial == sl_b.serial) & (to->serial == sl_b.serial) & (at < sl_b.header->pairs) & (from->place < r->row->labels) &
		(to->number != SL_NONE) & (to->number >= sl_b.header->strings) & (r->number > sl_b.named)) {
		sl_pair *p = sl_b.pairs + at;
		if (p->key == from->number) {
			p->key = to->number;
			sl_b.named = r->number;
			return;
		}
	}
	sl_rename_any(r, from, to);
}
// sl_map_label replaces the value of a label by what m makes of it; where that is empty
// it takes the label away.
static inline void sl_map_label(sl_record *r, sl_key *k, sl_mapping *m) {
	sl_pair *p = sl_find_label(r, k);
	if (!p) return;
	uint32_t n = sl_mapped(m, p->value);
	if (n == SL_NONE) sl_remove_at(r, p);
	else p->value = n;
}
// sl_derive sets the label to from what m makes of the value of another one, an empty
// text when there is none of that name. Where m makes an empty one nothing is changed.
static inline void sl_derive(sl_record *r, sl_key *to, sl_key *from, sl_mapping *m) {
	sl_pair *p = sl_find_label(r, from);
	uint32_t n = SL_NONE;
	if (p) n = sl_mapped(m, p->value);
	else {
		sl_text t = m->f((sl_text){"", 0});
		if (t.length) n = sl_add(t);
	}
	if (n != SL_NONE) sl_set_number(r, to, n);
}
static inline int32_t sl_memo_of_label(sl_memo *m, sl_record *r, sl_key *k, int32_t otherwise) {
	sl_pair *p = sl_find_label(r, k);
	return p ? sl_memo_of(m, p->value) : otherwise;
}

// Name and value.
static inline sl_text sl_name(sl_record *r) { return sl_string_of(r->row->name); }
static inline void sl_set_name(sl_record *r, sl_text name) { r->row->name = sl_add(name); }
static inline int32_t sl_memo_of_name(sl_memo *m, sl_record *r) { return sl_memo_of(m, r->row->name); }
static inline void sl_map_name(sl_record *r, sl_mapping *m) { // stays where m makes an empty text
	uint32_t n = sl_mapped(m, r->row->name);
	if (n != SL_NONE) r->row->name = n;
}
static inline double sl_value(sl_record *r) { return r->row->kind == SL_TEXT ? 0 : r->row->value; }
static inline void sl_set_value(sl_record *r, double v) {
	if (r->row->kind != SL_TEXT) r->row->value = v;
}
static inline sl_text sl_text_value(sl_record *r) { // of a SL_TEXT
	uint64_t bits;
	__builtin_memcpy(&bits, &r->row->value, 8);
	return r->row->kind == SL_TEXT ? sl_string_of((uint32_t)bits) : (sl_text){"", 0};
}
static inline void sl_set_text(sl_record *r, sl_text v) {
	uint64_t bits;
	if (r->row->kind != SL_TEXT) return;
	bits = sl_add(v);
	__builtin_memcpy(&r->row->value, &bits, 8);
}

// What becomes of a record. sl_emit returns a copy to change, valid until the next one.
static inline void sl_drop(sl_record *r) { r->row->flags |= SL_DROP; }
static inline sl_record *sl_emit(sl_record *r) {
	static sl_record more;
	more = (sl_record){sl_emit_row(r->row), -1};
	return &more;
}
static inline void sl_fail(sl_record *r, sl_text why) {
	if (r->number < 0) {
		sl_drop(r);
		return;
	}
	r->row->flags |= SL_FAILED;
	if (!sl_b.refused) sl_b.refused = SL_RECORD_FAILED;
	sl_host_fail(SL_RECORD_FAILED, r->number, why.at, why.length);
}

// sl_log writes a line to Sluice's log.
static inline void sl_log(sl_level level, sl_text line) { sl_host_log(level, line.at, line.length); }
// sl_count adds to the counter at a place of the manifest's metrics, below 32.
static inline void sl_count(uint32_t place, int64_t n) { sl_b.counts[place & 31] += n; }

// SLUICE_PLUGIN makes the module of a setup, which takes the config, and a function of a
// record.
#define SLUICE_PLUGIN(setup, each)                                                                   \
	SL_EXPORT(sluice_abi_1) int32_t sluice_abi_1(void) { return SL_MINOR; }                          \
	SL_EXPORT(sluice_alloc) void *sluice_alloc(uint32_t size) { return sl_block(size); }             \
	SL_EXPORT(sluice_init) int32_t sluice_init(const char *at, uint32_t length) {                    \
		sl_config c;                                                                                 \
		if (sl_open_config(&c, at, length)) (setup)(c);                                              \
		return sl_config_answer();                                                                   \
	}                                                                                                \
	SL_EXPORT(sluice_transform) int64_t sluice_transform(void *at, uint32_t length) {                \
		if (!sl_open(at, length)) return sl_refuse_block();                                          \
		for (uint32_t i = 0; i < sl_b.header->records; i++) {                                        \
			sl_record r = {sl_b.rows + i, (int32_t)i};                                               \
			(each)(&r);                                                                              \
		}                                                                                            \
		return sl_answer();                                                                          \
	}

#endif
